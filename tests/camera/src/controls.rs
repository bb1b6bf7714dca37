//! What a viewer can steer: lights, night vision, motion and the pan motor, with state. Written from the protocol's
//! tables and not with the library's own commands, so that mistakes are not shared.

use std::collections::BTreeMap;
use std::time::Instant;

const PAN_MODELS: [&str; 4] = ["WYZECP1_JEF", "HL_PAN2", "HL_PAN3", "HL_PANP"];
const FIRST_GENERATION: [&str; 4] = ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"];
/// The code that reads a value of one byte, the one that sets it, its value at first, and its number in K10020.
const SWITCHES: [(u16, u16, u8, Option<u8>); 8] = [
    (10030, 10032, 1, Some(1)),
    (10040, 10042, 3, Some(2)),
    (10044, 10046, 2, Some(50)),
    (10624, 10626, 1, None),
    (10070, 10072, 1, Some(8)),
    (10074, 10076, 1, Some(47)),
    (10290, 10292, 2, Some(21)),
    (10640, 10646, 2, None),
];
const PAN_SWITCHES: [(u16, u16, u8, Option<u8>); 2] = [(11014, 11016, 2, Some(28)), (11020, 11022, 2, Some(27))];
/// The commands that are no question and that cameras answer by 1.
const ACTS: [u16; 4] = [10058, 10302, 11635, 12060];
const MAX_HORIZONTAL: f64 = 350.0;
const MAX_VERTICAL: f64 = 180.0;
/// Degrees a second, for each step of the speed.
const DEGREES: f64 = 20.0;

/// What a camera says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Payload(Vec<u8>),
    /// It is done, and never answered.
    Done,
    /// This model does not know it, and says nothing.
    Silence,
    /// The command is known, and its payload is wrong.
    Malformed,
    /// No camera is known to have this command.
    Unknown,
}

/// Where the motor is, and where it goes.
#[derive(Debug, Clone, Copy)]
struct Motor {
    from: (f64, f64),
    to: (f64, f64),
    since: Instant,
    speed: f64,
}

impl Motor {
    fn at(&self, now: Instant) -> (f64, f64) {
        let way = now.saturating_duration_since(self.since).as_secs_f64() * self.speed;
        let towards = |from: f64, to: f64| from + (to - from).clamp(-way, way);
        (towards(self.from.0, self.to.0), towards(self.from.1, self.to.1))
    }

    fn turn(&mut self, now: Instant, (horizontal, vertical): (f64, f64), speed: u8) {
        self.from = self.at(now);
        self.to = (horizontal.clamp(0.0, MAX_HORIZONTAL), vertical.clamp(0.0, MAX_VERTICAL));
        (self.since, self.speed) = (now, f64::from(speed) * DEGREES);
    }
}

/// The state that commands read and set. All clients of a camera share it.
#[derive(Debug)]
pub struct Controls {
    pans: bool,
    is_first_generation: bool,
    switches: BTreeMap<u16, u8>,
    motion: u8,
    siren: u8,
    waypoints: Vec<u8>,
    motor: Option<Motor>,
    /// Photos taken, and other acts, by code.
    pub acts: Vec<u16>,
}

impl Controls {
    pub fn new(model: &str) -> Self {
        Controls {
            pans: PAN_MODELS.contains(&model),
            is_first_generation: FIRST_GENERATION.contains(&model),
            switches: SWITCHES.iter().chain(&PAN_SWITCHES).map(|&(get, _, value, _)| (get, value)).collect(),
            motion: 1,
            siren: 2,
            waypoints: vec![0],
            motor: None,
            acts: Vec::new(),
        }
    }

    /// Returns where the camera looks, in whole degrees: horizontal and vertical.
    pub fn position(&self, now: Instant) -> (u16, u8) {
        let (horizontal, vertical) = self.motor.map_or((175.0, 20.0), |motor| motor.at(now));
        (horizontal.round() as u16, vertical.round() as u8)
    }

    /// Does what a command says. `unix_seconds` is the camera's own time.
    pub fn handle(&mut self, now: Instant, unix_seconds: u32, command: u16, payload: &[u8]) -> Answer {
        if let Some(&(get, set, ..)) = SWITCHES.iter().find(|(get, set, ..)| [*get, *set].contains(&command)) {
            return self.switch(command == set, get, payload);
        }
        match command {
            10090 => Answer::Payload(unix_seconds.to_le_bytes().to_vec()),
            10020 => self.parameters(payload),
            10200 => Answer::Payload(vec![self.motion, 100]),
            10202 | 10206 => match payload {
                _ if (command == 10202) != self.is_first_generation => Answer::Silence,
                &[value @ 1..=2, 0] => set(&mut self.motion, value),
                _ => Answer::Malformed,
            },
            10630 => match payload {
                &[value @ 1..=2, again] if value == again => set(&mut self.siren, value),
                _ => Answer::Malformed,
            },
            10632 => Answer::Payload(vec![self.siren; 2]),
            act if ACTS.contains(&act) => {
                self.acts.push(act);
                if payload.len() == 1 { Answer::Payload(vec![1]) } else { Answer::Malformed }
            }
            11000..=11022 if !self.pans => Answer::Silence,
            11000..=11022 => self.pan(now, command, payload),
            _ => Answer::Unknown,
        }
    }

    fn switch(&mut self, sets: bool, get: u16, payload: &[u8]) -> Answer {
        let Some(value) = self.switches.get_mut(&get) else { return Answer::Unknown };
        match payload {
            &[new @ 1..=3] if sets => set(value, new),
            [] if !sets => Answer::Payload(vec![*value]),
            _ => Answer::Malformed,
        }
    }

    /// K10020: the count and the numbers of parameters; the answer is a JSON object.
    fn parameters(&self, payload: &[u8]) -> Answer {
        let Some((&count, ids)) = payload.split_first() else { return Answer::Malformed };
        if usize::from(count) != ids.len() {
            return Answer::Malformed;
        }
        let limits = [(40, 350), (41, 0), (42, 180), (43, 0)].into_iter().filter(|_| self.pans);
        let of_switches = SWITCHES.iter().chain(&PAN_SWITCHES).filter_map(|&(get, _, _, id)| {
            let is_there = get < 11000 || self.pans;
            Some((id.filter(|_| is_there)?, i64::from(self.switches[&get])))
        });
        let all: BTreeMap<u8, i64> =
            of_switches.chain(limits).chain([(13, self.motion.into()), (6, 1), (7, 1), (22, 0)]).collect();
        let told: Vec<_> = ids.iter().filter_map(|id| Some(format!("\"{id}\":{}", all.get(id)?))).collect();
        Answer::Payload(format!("{{{}}}", told.join(",")).into_bytes())
    }

    fn pan(&mut self, now: Instant, command: u16, payload: &[u8]) -> Answer {
        if let Some(&(get, set, ..)) = PAN_SWITCHES.iter().find(|(get, set, ..)| [*get, *set].contains(&command)) {
            return self.switch(command == set, get, payload);
        }
        let start = self.motor.map_or((175.0, 20.0), |motor| motor.at(now));
        let mut motor = self.motor.unwrap_or(Motor { from: start, to: start, since: now, speed: DEGREES });
        let answer = match (command, payload) {
            (11000, &[h0, h1, v0, v1, speed @ 1..=9]) => {
                let by = |low, high| f64::from(i16::from_le_bytes([low, high]));
                motor.turn(now, (start.0 + by(h0, h1), start.1 + by(v0, v1)), speed);
                Answer::Done
            }
            (11002, &[horizontal @ 0..=2, vertical @ 0..=2, speed @ 1..=9]) => {
                let to = |direction, from, low, high| [from, low, high][usize::from(direction)];
                let target = (to(horizontal, start.0, 0.0, MAX_HORIZONTAL), to(vertical, start.1, MAX_VERTICAL, 0.0));
                motor.turn(now, target, speed);
                Answer::Payload(vec![1])
            }
            (11004, [3]) => {
                motor.turn(now, (175.0, 20.0), 9);
                Answer::Done
            }
            (11006, &[a, b, c, d]) => {
                let (horizontal, vertical) = self.position(now);
                let [low, high] = horizontal.to_le_bytes();
                return Answer::Payload(vec![a, b, c, d, vertical, low, high]);
            }
            (11018, &[_, _, _, _, vertical, low, high]) => {
                motor.turn(now, (u16::from_le_bytes([low, high]).into(), vertical.into()), 5);
                self.switches.insert(11014, 2);
                Answer::Payload(vec![1])
            }
            (11010, []) => return Answer::Payload(self.waypoints.clone()),
            (11012, [count @ 0..=4, points @ ..]) if points.len() == usize::from(*count) * 4 => {
                self.waypoints = payload.to_vec();
                Answer::Payload(vec![1])
            }
            (11000 | 11002 | 11004 | 11006 | 11010 | 11012 | 11018, _) => Answer::Malformed,
            _ => return Answer::Unknown,
        };
        self.motor = Some(motor);
        answer
    }
}

fn set(place: &mut u8, value: u8) -> Answer {
    *place = value;
    Answer::Payload(vec![1])
}
