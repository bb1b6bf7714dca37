//! The motor of a camera that pans: it turns at a speed, stops at its limits, and cruises between waypoints.

use std::time::{Duration, Instant};

pub const MAX_HORIZONTAL: u16 = 350;
pub const MAX_VERTICAL: u8 = 180;
/// Where the camera looks at first and after a reset: horizontal and vertical.
const REST: (f64, f64) = (175.0, 20.0);
/// Degrees a second, for each step of the speed.
const DEGREES: f64 = 20.0;
/// The speed where a command names none.
const USUAL_SPEED: u8 = 5;
const HIGHEST_SPEED: u8 = 9;
/// Degrees past all limits, for a turn that goes on to the end stop.
const BEYOND: f64 = 1000.0;
/// Bytes of a waypoint: vertical, horizontal (u16), and the seconds to stay.
const WAYPOINT_LEN: usize = 4;
const MAX_WAYPOINTS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Waypoint {
    horizontal: u16,
    vertical: u8,
    wait: u8,
}

/// The way between waypoints.
#[derive(Debug, Clone, Copy)]
struct Cruise {
    /// The index of the waypoint that comes next.
    next: usize,
    /// When the camera sets out for it.
    leaves: Instant,
}

/// Where the camera looks, and where it is turning to.
#[derive(Debug, Clone)]
pub struct Motor {
    from: (f64, f64),
    to: (f64, f64),
    since: Instant,
    /// Degrees a second.
    speed: f64,
    waypoints: Vec<Waypoint>,
    cruise: Option<Cruise>,
}

impl Motor {
    pub fn new(now: Instant) -> Self {
        Motor { from: REST, to: REST, since: now, speed: DEGREES, waypoints: Vec::new(), cruise: None }
    }

    /// Returns where the camera looks, in whole degrees: horizontal and vertical.
    pub fn position(&self, now: Instant) -> (u16, u8) {
        let mut motor = self.clone();
        motor.advance(now);
        let (horizontal, vertical) = motor.at(now);
        (horizontal.round() as u16, vertical.round() as u8)
    }

    /// Turns by degrees, right and up being positive: from where the turn before is to end, so that none is cut short.
    /// What cameras do is not known.
    pub fn rotate(&mut self, now: Instant, horizontal: i16, vertical: i16, speed: u8) {
        self.advance(now);
        let (x, y) = self.to;
        self.turn(now, (x + f64::from(horizontal), y + f64::from(vertical)), speed);
    }

    /// Turns to the end stops: 1 is left or up, 2 right or down, and 0 neither.
    pub fn run(&mut self, now: Instant, horizontal: u8, vertical: u8, speed: u8) {
        self.advance(now);
        let (x, y) = self.at(now);
        let end = |direction: u8, at: f64, first: f64, second: f64| match direction {
            1 => first,
            2 => second,
            _ => at,
        };
        self.turn(now, (end(horizontal, x, -BEYOND, BEYOND), end(vertical, y, BEYOND, -BEYOND)), speed);
    }

    /// Turns to a position and ends the cruise.
    pub fn go_to(&mut self, now: Instant, horizontal: u16, vertical: u8) {
        self.advance(now);
        self.cruise = None;
        self.turn(now, (horizontal.into(), vertical.into()), USUAL_SPEED);
    }

    pub fn reset(&mut self, now: Instant) {
        self.advance(now);
        self.turn(now, REST, HIGHEST_SPEED);
    }

    pub fn set_cruise(&mut self, now: Instant, on: bool) {
        self.advance(now);
        self.cruise = on.then_some(Cruise { next: 0, leaves: now });
    }

    /// Returns the waypoints as K11011 has them: their count, and 4 bytes each.
    pub fn waypoints(&self) -> Vec<u8> {
        let mut payload = vec![self.waypoints.len() as u8];
        for point in &self.waypoints {
            let [low, high] = point.horizontal.to_le_bytes();
            payload.extend([point.vertical, low, high, point.wait]);
        }
        payload
    }

    /// Sets the waypoints, and begins a cruise that is on with the first of them. Returns false where the payload of
    /// K11012 is not possible.
    pub fn set_waypoints(&mut self, now: Instant, payload: &[u8]) -> bool {
        let Some((&count, points)) = payload.split_first() else { return false };
        let count = usize::from(count);
        if count > MAX_WAYPOINTS || points.len() != count * WAYPOINT_LEN {
            return false;
        }
        self.advance(now);
        let (points, _) = points.as_chunks::<WAYPOINT_LEN>();
        let waypoint = |&[vertical, low, high, wait]: &[u8; WAYPOINT_LEN]| {
            let horizontal = u16::from_le_bytes([low, high]);
            Waypoint { horizontal, vertical, wait }
        };
        self.waypoints = points.iter().map(waypoint).collect();
        if self.cruise.is_some() {
            self.cruise = Some(Cruise { next: 0, leaves: now });
        }
        true
    }

    fn at(&self, now: Instant) -> (f64, f64) {
        let way = now.saturating_duration_since(self.since).as_secs_f64() * self.speed;
        let towards = |from: f64, to: f64| from + (to - from).clamp(-way, way);
        (towards(self.from.0, self.to.0), towards(self.from.1, self.to.1))
    }

    fn turn(&mut self, now: Instant, (horizontal, vertical): (f64, f64), speed: u8) {
        self.from = self.at(now);
        self.to = (horizontal.clamp(0.0, MAX_HORIZONTAL.into()), vertical.clamp(0.0, MAX_VERTICAL.into()));
        (self.since, self.speed) = (now, f64::from(speed) * DEGREES);
        let arrival = self.arrival();
        if let Some(cruise) = &mut self.cruise {
            // Turned by hand, the camera goes on to the next waypoint from there.
            cruise.leaves = arrival;
        }
    }

    fn arrival(&self) -> Instant {
        let way = (self.to.0 - self.from.0).abs().max((self.to.1 - self.from.1).abs());
        self.since + Duration::from_secs_f64(way / self.speed)
    }

    /// Sets out for all the waypoints that were due up to now.
    fn advance(&mut self, now: Instant) {
        while let Some(cruise) = self.cruise
            && cruise.leaves <= now
            && let Some(&point) = self.waypoints.get(cruise.next % self.waypoints.len().max(1))
        {
            self.turn(cruise.leaves, (point.horizontal.into(), point.vertical.into()), USUAL_SPEED);
            // Less than a second would turn this into an endless loop.
            let leaves = self.arrival() + Duration::from_secs(point.wait.max(1).into());
            self.cruise = Some(Cruise { next: cruise.next + 1, leaves });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_turns_at_its_speed_and_stops_at_its_limits() {
        let start = Instant::now();
        let mut motor = Motor::new(start);
        assert_eq!(motor.position(start), (175, 20));
        // 3 steps of 20 degrees a second.
        motor.rotate(start, 90, -10, 3);
        assert_eq!(motor.position(start + SECOND / 10), (181, 14));
        assert_eq!(motor.position(start + SECOND), (235, 10));
        assert_eq!(motor.position(start + 2 * SECOND), (265, 10));
        motor.rotate(start + 2 * SECOND, 10, 0, 3);
        motor.rotate(start + 2 * SECOND, 0, 10, 3);
        assert_eq!(motor.position(start + 3 * SECOND), (275, 20));
        motor.rotate(start + 3 * SECOND, -10, -10, 3);
        assert_eq!(motor.position(start + 4 * SECOND), (265, 10));
        motor.rotate(start + 4 * SECOND, i16::MAX, i16::MIN, 9);
        assert_eq!(motor.position(start + 9 * SECOND), (MAX_HORIZONTAL, 0));
        motor.run(start + 9 * SECOND, 1, 1, 1);
        assert_eq!(motor.position(start + 10 * SECOND), (330, 20));
        assert_eq!(motor.position(start + 60 * SECOND), (0, MAX_VERTICAL));
        motor.run(start + 60 * SECOND, 0, 2, 9);
        assert_eq!(motor.position(start + 70 * SECOND), (0, 0));
        motor.reset(start + 70 * SECOND);
        assert_eq!(motor.position(start + 80 * SECOND), (175, 20));
    }

    #[test]
    fn a_cruise_stays_at_each_waypoint_and_ends_when_sent_elsewhere() {
        let start = Instant::now();
        let mut motor = Motor::new(start);
        assert!(motor.set_waypoints(start, &[2, 20, 15, 1, 10, 40, 71, 0, 20]));
        assert_eq!(motor.waypoints(), [2, 20, 15, 1, 10, 40, 71, 0, 20]);
        assert_eq!(motor.position(start + 30 * SECOND), (175, 20), "cruise is off");
        motor.set_cruise(start, true);
        // 96 degrees to the first, at 100 a second, and 200 from one to the other.
        assert_eq!(motor.position(start + SECOND), (271, 20));
        assert_eq!(motor.position(start + 10 * SECOND), (271, 20));
        assert_eq!(motor.position(start + 13 * SECOND), (71, 40));
        assert_eq!(motor.position(start + 32 * SECOND), (71, 40));
        assert_eq!(motor.position(start + 35 * SECOND), (271, 20));
        assert_eq!(motor.position(start + 47 * SECOND), (71, 40));
        // Long unasked, it is where it would be else: a round takes 34 s.
        assert_eq!(motor.position(start + (47 + 1000 * 34) * SECOND), (71, 40));
        motor.go_to(start + 47 * SECOND, 100, 40);
        assert_eq!(motor.position(start + 100 * SECOND), (100, 40));
        motor.set_cruise(start + 100 * SECOND, true);
        motor.set_cruise(start + 101 * SECOND, false);
        assert_eq!(
            motor.position(start + 200 * SECOND),
            (271, 20),
            "it ends at the waypoint that it was on its way to"
        );
    }

    #[test]
    fn turned_by_hand_it_goes_on_with_its_cruise() {
        let start = Instant::now();
        let mut motor = Motor::new(start);
        motor.set_cruise(start, true);
        assert_eq!(motor.position(start + SECOND), (175, 20), "no waypoints");
        assert!(motor.set_waypoints(start, &[1, 20, 200, 0, 10]));
        assert_eq!(motor.position(start + SECOND), (200, 20));
        motor.rotate(start + SECOND, 100, 0, 5);
        assert_eq!(motor.position(start + 2 * SECOND), (300, 20));
        assert_eq!(motor.position(start + 4 * SECOND), (200, 20));
    }

    #[test]
    fn impossible_waypoints_are_not_taken() {
        let mut motor = Motor::new(Instant::now());
        for payload in [&[][..], &[1], &[1, 2, 3, 4], &[5; 21], &[0, 1]] {
            assert!(!motor.set_waypoints(Instant::now(), payload), "{payload:?}");
        }
        assert_eq!(motor.waypoints(), [0]);
    }
}
