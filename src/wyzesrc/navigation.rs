//! Arrow keys and mouse turn the camera: navigation events, which video sinks send upstream.

use super::settings::Navigation;
use crate::protocol::commands::Request;
use crate::protocol::commands::pan_tilt::{self, DEFAULT_SPEED};
use crate::session::{Caller, lock};
use gst_video::NavigationEvent;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Degrees that a key or a notch of the wheel turns.
const STEP: i32 = 10;
/// How soon a second press makes a double click, and how far from the first, in pixels.
const DOUBLE_CLICK_TIME: Duration = Duration::from_millis(400);
const DOUBLE_CLICK_DISTANCE: f64 = 10.0;
/// The angles that a picture shows, in degrees. They differ by model; these are near to those of most.
const FIELD_OF_VIEW: (f64, f64) = (100.0, 55.0);
const MAIN_BUTTON: i32 = 1;

#[derive(Default)]
pub struct Navigator {
    /// When and where the main button was pressed last.
    pressed: Option<(Instant, f64, f64)>,
    /// A turn is on its way to the camera.
    is_turning: bool,
    /// The turn that comes after it. There is one at most, as a key that is held down comes faster than a camera turns.
    next: Option<(i32, i32)>,
}

impl Navigator {
    /// Returns the turn that an event asks for, if it asks for one: degrees to the right and up. `size` is the
    /// picture's width and height, in the pixels of the event.
    pub fn turn(&mut self, event: &NavigationEvent, size: Option<(i32, i32)>, now: Instant) -> Option<(i32, i32)> {
        match event {
            NavigationEvent::KeyPress { key, .. } => match key.as_str() {
                "Left" | "KP_Left" => Some((-STEP, 0)),
                "Right" | "KP_Right" => Some((STEP, 0)),
                "Up" | "KP_Up" => Some((0, STEP)),
                "Down" | "KP_Down" => Some((0, -STEP)),
                _ => None,
            },
            NavigationEvent::MouseScroll { delta_x, delta_y, .. } => {
                let steps = |delta: f64| if delta == 0.0 { 0 } else { delta.signum() as i32 * STEP };
                Some((steps(*delta_x), steps(*delta_y))).filter(|turn| *turn != (0, 0))
            }
            // Sinks for X11 tell the wheel as buttons.
            NavigationEvent::MouseButtonPress { button: 4, .. } => Some((0, STEP)),
            NavigationEvent::MouseButtonPress { button: 5, .. } => Some((0, -STEP)),
            NavigationEvent::MouseButtonPress { button: 6, .. } => Some((-STEP, 0)),
            NavigationEvent::MouseButtonPress { button: 7, .. } => Some((STEP, 0)),
            &NavigationEvent::MouseButtonPress { button: MAIN_BUTTON, x, y, .. } => {
                let is_near = |(at, old_x, old_y): (Instant, f64, f64)| {
                    now.duration_since(at) < DOUBLE_CLICK_TIME && (x - old_x).hypot(y - old_y) < DOUBLE_CLICK_DISTANCE
                };
                if self.pressed.take().is_some_and(is_near) {
                    return centre(size?, x, y);
                }
                self.pressed = Some((now, x, y));
                None
            }
            _ => None,
        }
    }

    /// Returns the command for a turn, unless the one before is still on its way.
    fn start(&mut self, turn: (i32, i32)) -> Option<Request> {
        if self.is_turning {
            self.next = Some(turn);
            return None;
        }
        let request = pan_tilt::rotate(turn.0, turn.1, DEFAULT_SPEED).ok();
        self.is_turning = request.is_some();
        request
    }

    /// Returns the command for the turn that has waited, as the camera has been told of the one before.
    fn turned(&mut self) -> Option<Request> {
        self.is_turning = false;
        self.next.take().and_then(|turn| self.start(turn))
    }
}

/// Turns the camera, after the turn before. Does not wait.
pub fn turn(navigator: &Arc<Mutex<Navigator>>, caller: &Caller, turn: (i32, i32)) {
    let request = lock(navigator).start(turn);
    if let Some(request) = request {
        send(navigator.clone(), caller.clone(), request);
    }
}

fn send(navigator: Arc<Mutex<Navigator>>, caller: Caller, request: Request) {
    caller.clone().command(request.into(), move |_| {
        let next = lock(&navigator).turned();
        if let Some(next) = next {
            send(navigator, caller, next);
        }
    });
}

/// Returns the turn that brings a point into the middle of the picture.
fn centre((width, height): (i32, i32), x: f64, y: f64) -> Option<(i32, i32)> {
    let part = |at: f64, length: i32| (at / f64::from(length.max(1)) - 0.5).clamp(-0.5, 0.5);
    let horizontal = part(x, width) * FIELD_OF_VIEW.0;
    let vertical = -part(y, height) * FIELD_OF_VIEW.1;
    Some((horizontal.round() as i32, vertical.round() as i32)).filter(|turn| *turn != (0, 0))
}

/// Whether events turn the camera, as the property and the camera's model say.
pub fn is_on(navigation: Navigation, pans: bool) -> bool {
    match navigation {
        Navigation::Auto => pans,
        Navigation::On => true,
        Navigation::Off => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Option<(i32, i32)> = Some((1920, 1080));

    #[test]
    fn keys_and_the_wheel_turn_by_steps() {
        gst::init().unwrap();
        let mut navigator = Navigator::default();
        let mut turn = |event| navigator.turn(&event, SIZE, Instant::now());
        let turns = ["Left", "Right", "Up", "KP_Down", "q"].map(|key| turn(NavigationEvent::new_key_press(key)));
        assert_eq!(turns, [Some((-10, 0)), Some((10, 0)), Some((0, 10)), Some((0, -10)), None]);
        assert_eq!(turn(NavigationEvent::new_key_release("Left")), None);
        assert_eq!(turn(NavigationEvent::new_mouse_scroll(5.0, 5.0, 0.0, 1.0)), Some((0, 10)));
        assert_eq!(turn(NavigationEvent::new_mouse_scroll(5.0, 5.0, -3.0, 0.0)), Some((-10, 0)));
        assert_eq!(turn(NavigationEvent::new_mouse_move(5.0, 5.0)), None);
        let buttons = [4, 5, 6, 7, 8].map(|button| turn(NavigationEvent::new_mouse_button_press(button, 5.0, 5.0)));
        assert_eq!(buttons, [Some((0, 10)), Some((0, -10)), Some((-10, 0)), Some((10, 0)), None]);
    }

    #[test]
    fn a_double_click_brings_its_point_into_the_middle() {
        gst::init().unwrap();
        let start = Instant::now();
        let mut navigator = Navigator::default();
        let mut press = |button, x, y, after| {
            let event = NavigationEvent::new_mouse_button_press(button, x, y);
            navigator.turn(&event, SIZE, start + Duration::from_millis(after))
        };
        assert_eq!(press(1, 1920.0, 1080.0, 0), None);
        assert_eq!(press(1, 1918.0, 1080.0, 200), Some((50, -28)));
        assert_eq!(press(1, 1918.0, 1080.0, 300), None, "the first of another two");
        assert_eq!(press(1, 0.0, 0.0, 400), None, "elsewhere");
        assert_eq!(press(1, 0.0, 0.0, 900), None, "too late");
        assert_eq!(press(3, 0.0, 0.0, 950), None, "another button");
        assert_eq!(press(1, f64::NAN, 0.0, 960), None);
    }

    #[test]
    fn a_key_that_is_held_down_does_not_fill_the_queue() {
        let mut navigator = Navigator::default();
        assert!(navigator.start((10, 0)).is_some());
        assert_eq!([navigator.start((10, 0)), navigator.start((0, 10))], [None, None]);
        assert_eq!(navigator.turned(), pan_tilt::rotate(0, 10, DEFAULT_SPEED).ok(), "the last one counts");
        assert_eq!(navigator.turned(), None);
        assert!(navigator.start((10, 0)).is_some());
    }
}
