//! What a viewer can steer: lights, night vision, motion, the picture and the pan motor, with state. Written from the
//! protocol's tables and not with the library's own commands, so that mistakes are not shared.

use crate::camera_config::CameraConfig;
use crate::motor::{MAX_HORIZONTAL, MAX_VERTICAL, Motor};
use crate::picture::{Picture, PictureChange, PictureSettings};
use gstwyze::protocol::wire::hl::VideoParameters;
use std::collections::BTreeMap;
use std::time::Instant;

const PAN_MODELS: [&str; 4] = ["WYZECP1_JEF", "HL_PAN2", "HL_PAN3", "HL_PANP"];
/// The model whose light for night vision cannot be chosen.
const WITHOUT_LIGHTS: &str = "WYZEC1";
/// The model that tells of its battery.
const OUTDOOR: &str = "WVOD1";

const NIGHT_VISION: u16 = 10040;
const INFRARED_LIGHT: u16 = 10044;
const TIME_STAMP: u16 = 10070;
const LOGO: u16 = 10074;
const SPOTLIGHT: u16 = 10640;
const CRUISE: u16 = 11014;
/// The code that reads a value of one byte, the one that sets it, its value at first, and its number in K10020.
const SWITCHES: [(u16, u16, u8, Option<u8>); 8] = [
    (10030, 10032, 1, Some(1)),
    (NIGHT_VISION, 10042, 3, Some(2)),
    (INFRARED_LIGHT, 10046, 2, Some(50)),
    (10624, 10626, 1, None),
    (TIME_STAMP, 10072, 1, Some(8)),
    (LOGO, 10076, 2, Some(47)),
    (10290, 10292, 2, Some(21)),
    (SPOTLIGHT, 10646, 2, None),
];
const PAN_SWITCHES: [(u16, u16, u8, Option<u8>); 2] = [(CRUISE, 11016, 2, Some(28)), (11020, 11022, 2, Some(27))];
/// The commands that are no question and that cameras answer by 1.
const ACTS: [u16; 4] = [10058, 10302, 11635, 12060];
/// Commands that few cameras know, and whose answers nobody knows: this camera has none of them.
const SILENT: [u16; 9] = [10148, 10242, 10444, 10600, 10604, 10620, 10720, 10788, 10820];

/// What a camera says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Payload(Vec<u8>),
    /// Something is set or done, which is answered by 1.
    Set,
    /// As [`Answer::Set`], for size and rates of the picture, as the client has asked for them.
    Picture(VideoParameters),
    /// It is done, and never answered.
    Done,
    /// This model does not know it, and says nothing.
    Silence,
    /// The command is known, and its payload is wrong.
    Malformed,
    /// Other models have this resolution command.
    OtherModels,
    /// No camera is known to have this command.
    Unknown,
}

/// The state that commands read and set. All clients of a camera share it.
#[derive(Debug)]
pub struct Controls {
    model: String,
    is_first_generation: bool,
    switches: BTreeMap<u16, u8>,
    motion: u8,
    siren: u8,
    floodlight: u8,
    time_zone: i8,
    /// What K10050 tells instead of the picture, in percent.
    battery: Option<u8>,
    /// `None` on a model that does not pan.
    motor: Option<Motor>,
    pub picture: PictureSettings,
    /// Photos taken, and other acts, by code.
    pub acts: Vec<u16>,
}

impl Controls {
    pub fn new(config: &CameraConfig) -> Self {
        Controls {
            model: config.model.clone(),
            is_first_generation: config.takes_doorbell_resolution(),
            switches: SWITCHES.iter().chain(&PAN_SWITCHES).map(|&(get, _, value, _)| (get, value)).collect(),
            motion: 1,
            siren: 2,
            floodlight: 2,
            time_zone: 0,
            battery: config.battery,
            motor: PAN_MODELS.contains(&config.model.as_str()).then(|| Motor::new(Instant::now())),
            picture: PictureSettings::default(),
            acts: Vec::new(),
        }
    }

    /// Returns where the camera looks, in whole degrees: horizontal and vertical; `None` where it does not pan.
    pub fn position(&self, now: Instant) -> Option<(u16, u8)> {
        self.motor.as_ref().map(|motor| motor.position(now))
    }

    /// Returns what can be seen in the picture.
    pub fn picture(&self, now: Instant) -> Picture {
        let PictureSettings { parameters, is_size_asked_for, flips } = self.picture;
        let is_on = |switch: u16| self.switches.get(&switch) == Some(&1);
        Picture {
            frame_size: is_size_asked_for.then_some(parameters.frame_size),
            bitrate: parameters.bitrate,
            fps: parameters.fps,
            flips,
            is_grey: is_on(NIGHT_VISION),
            shows_time: is_on(TIME_STAMP),
            shows_logo: is_on(LOGO),
            is_lit: is_on(SPOTLIGHT) || self.siren == 1 || self.floodlight == 1,
            looks_at: self.position(now),
        }
    }

    /// Does what a command says. `unix_seconds` is the camera's own time.
    pub fn handle(&mut self, now: Instant, unix_seconds: u32, command: u16, payload: &[u8]) -> Answer {
        if let Some(&(get, set, ..)) = SWITCHES.iter().find(|(get, set, ..)| [*get, *set].contains(&command)) {
            let lacks = get == INFRARED_LIGHT && self.model == WITHOUT_LIGHTS;
            return if lacks { Answer::Silence } else { self.switch(command == set, get, payload) };
        }
        match command {
            10090 => Answer::Payload(unix_seconds.to_le_bytes().to_vec()),
            10020 => self.parameters(payload),
            10050 => Answer::Payload(match self.battery {
                Some(level) => format!(r#"{{"camerainfo":{{"powerlevel":{level}}}}}"#).into_bytes(),
                None => self.picture.payload().to_vec(),
            }),
            10052 | 10056 => self.change_picture(command, payload),
            10200 => Answer::Payload(vec![self.motion, 100]),
            10202 | 10206 => match payload {
                _ if (command == 10202) != self.is_first_generation => Answer::Silence,
                &[value @ 1..=2, 0] => set(&mut self.motion, value),
                _ => Answer::Malformed,
            },
            10446 | 10448 if self.model != OUTDOOR => Answer::Silence,
            10446 => Answer::Payload(br#"{"connection":1}"#.to_vec()),
            10448 => Answer::Payload(br#"{"0":120,"1":35,"2":12,"3":7,"4":0,"5":0}"#.to_vec()),
            10630 => match payload {
                &[value @ 1..=2, again] if value == again => set(&mut self.siren, value),
                _ => Answer::Malformed,
            },
            10632 => Answer::Payload(vec![self.siren; 2]),
            act if ACTS.contains(&act) => self.act(act, payload),
            11000..=11022 => self.pan(now, command, payload),
            known if SILENT.contains(&known) => Answer::Silence,
            _ => Answer::Unknown,
        }
    }

    fn switch(&mut self, sets: bool, get: u16, payload: &[u8]) -> Answer {
        let highest = if get == NIGHT_VISION { 3 } else { 2 };
        let Some(value) = self.switches.get_mut(&get) else { return Answer::Unknown };
        match *payload {
            [new] if sets && (1..=highest).contains(&new) => set(value, new),
            [] if !sets => Answer::Payload(vec![*value]),
            _ => Answer::Malformed,
        }
    }

    fn act(&mut self, act: u16, payload: &[u8]) -> Answer {
        let &[value] = payload else { return Answer::Malformed };
        match act {
            10302 => self.time_zone = value as i8,
            12060 => self.floodlight = value,
            _ => {}
        }
        self.acts.push(act);
        Answer::Set
    }

    /// K10052 changes parts of the picture, on first models also its size, for which others have K10056.
    fn change_picture(&mut self, command: u16, payload: &[u8]) -> Answer {
        let change = match command {
            10052 => PictureChange::parse_10052(payload),
            _ => PictureChange::parse_10056(payload),
        };
        let Some(change) = change else { return Answer::Malformed };
        if change.frame_size.is_some() && (command == 10052) != self.is_first_generation {
            return Answer::OtherModels;
        }
        self.picture.change(&change).map_or(Answer::Set, Answer::Picture)
    }

    /// K10020: the count and the numbers of parameters; the answer is a JSON object.
    fn parameters(&self, payload: &[u8]) -> Answer {
        let Some((&count, ids)) = payload.split_first() else { return Answer::Malformed };
        if usize::from(count) != ids.len() {
            return Answer::Malformed;
        }
        let pans = self.motor.is_some();
        let limits = [(40, MAX_HORIZONTAL.into()), (41, 0), (42, MAX_VERTICAL.into()), (43, 0)];
        let of_switches = SWITCHES.iter().chain(&PAN_SWITCHES).filter_map(|&(get, _, _, id)| {
            let is_there = get < 11000 || pans;
            Some((id.filter(|_| is_there)?, i64::from(self.switches[&get])))
        });
        let VideoParameters { frame_size, bitrate, fps } = self.picture.parameters;
        let [horizontal, vertical] = self.picture.flip_values();
        let of_picture = [
            (3, bitrate.into()),
            (4, i64::from(frame_size) + 1),
            (5, fps.into()),
            (6, horizontal.into()),
            (7, vertical.into()),
        ];
        let others = [(13, self.motion.into()), (22, self.time_zone.into())];
        let limits = limits.into_iter().filter(|_| pans);
        let all: BTreeMap<u8, i64> = of_switches.chain(limits).chain(of_picture).chain(others).collect();
        let told: Vec<_> = ids.iter().filter_map(|id| Some(format!("\"{id}\":{}", all.get(id)?))).collect();
        Answer::Payload(format!("{{{}}}", told.join(",")).into_bytes())
    }

    fn pan(&mut self, now: Instant, command: u16, payload: &[u8]) -> Answer {
        let Some(motor) = &mut self.motor else { return Answer::Silence };
        match (command, payload) {
            (11000, &[h0, h1, v0, v1, speed @ 1..=9]) => {
                motor.rotate(now, i16::from_le_bytes([h0, h1]), i16::from_le_bytes([v0, v1]), speed);
                Answer::Done
            }
            (11002, &[horizontal @ 0..=2, vertical @ 0..=2, speed @ 1..=9]) => {
                motor.run(now, horizontal, vertical, speed);
                Answer::Set
            }
            (11004, [3]) => {
                motor.reset(now);
                Answer::Done
            }
            (11006, &[a, b, c, d]) => {
                let (horizontal, vertical) = motor.position(now);
                let [low, high] = horizontal.to_le_bytes();
                Answer::Payload(vec![a, b, c, d, vertical, low, high])
            }
            (11018, &[_, _, _, _, vertical, low, high]) => {
                motor.go_to(now, u16::from_le_bytes([low, high]), vertical);
                self.switches.insert(CRUISE, 2);
                Answer::Set
            }
            (11010, []) => Answer::Payload(motor.waypoints()),
            (11012, points) if motor.set_waypoints(now, points) => Answer::Set,
            (11014 | 11016 | 11020 | 11022, _) => self.pan_switch(now, command, payload),
            (11000 | 11002 | 11004 | 11006 | 11010 | 11012 | 11018, _) => Answer::Malformed,
            _ => Answer::Unknown,
        }
    }

    fn pan_switch(&mut self, now: Instant, command: u16, payload: &[u8]) -> Answer {
        let found = PAN_SWITCHES.iter().find(|(get, set, ..)| [*get, *set].contains(&command));
        let Some(&(get, set, ..)) = found else { return Answer::Unknown };
        let answer = self.switch(command == set, get, payload);
        if answer == Answer::Set
            && get == CRUISE
            && let Some(motor) = &mut self.motor
        {
            motor.set_cruise(now, payload == [1]);
        }
        answer
    }
}

fn set(place: &mut u8, value: u8) -> Answer {
    *place = value;
    Answer::Set
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn controls(model: &str) -> Controls {
        Controls::new(&CameraConfig { model: model.into(), ..CameraConfig::demo().unwrap() })
    }

    fn told(controls: &mut Controls, ids: &[u8]) -> String {
        let payload = [&[ids.len() as u8][..], ids].concat();
        match controls.handle(Instant::now(), 0, 10020, &payload) {
            Answer::Payload(json) => String::from_utf8(json).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn does(controls: &mut Controls, command: u16, payload: &[u8]) -> Answer {
        controls.handle(Instant::now(), 0, command, payload)
    }

    #[test]
    fn the_picture_is_told_by_both_questions() {
        let mut camera = controls("WYZE_CAKP2JFUS");
        assert_eq!(told(&mut camera, &[3, 4, 5, 6, 7]), r#"{"3":120,"4":1,"5":20,"6":1,"7":1}"#);
        let asked = VideoParameters { frame_size: 1, bitrate: 60, fps: 15 };
        assert_eq!(does(&mut camera, 10056, &[2, 60, 0, 15, 0]), Answer::Picture(asked));
        assert_eq!(does(&mut camera, 10052, &[0, 0, 0, 0, 2, 0]), Answer::Set);
        assert_eq!(does(&mut camera, 10050, &[]), Answer::Payload(vec![60, 0, 2, 15, 2, 1]));
        assert_eq!(told(&mut camera, &[3, 4, 5, 6, 7]), r#"{"3":60,"4":2,"5":15,"6":2,"7":1}"#);
    }

    #[test]
    fn only_a_size_has_a_command_of_the_model() {
        for (model, right, wrong) in [("HL_CAM4", 10056, 10052), ("WVOD1", 10052, 10056)] {
            let payload = |command| if command == 10056 { vec![2, 60, 0] } else { vec![60, 0, 2, 0, 0, 0] };
            let mut camera = controls(model);
            assert_eq!(does(&mut camera, wrong, &payload(wrong)), Answer::OtherModels, "{model}");
            assert!(matches!(does(&mut camera, right, &payload(right)), Answer::Picture(_)), "{model}");
            assert!(matches!(does(&mut camera, 10052, &[0, 0, 0, 15, 0, 0]), Answer::Picture(p) if p.fps == 15));
        }
    }

    #[test]
    fn what_is_set_shows_in_the_picture() {
        let now = Instant::now();
        let mut camera = controls("WYZE_CAKP2JFUS");
        let plain = camera.picture(now);
        assert!(plain.shows_time && !plain.shows_logo && !plain.is_grey && !plain.is_lit && plain.looks_at.is_none());
        for (command, on, off) in [(10646, &[1][..], &[2][..]), (12060, &[1], &[2]), (10630, &[1, 1], &[2, 2])] {
            assert_eq!(does(&mut camera, command, on), Answer::Set);
            assert_eq!(camera.picture(now), Picture { is_lit: true, ..plain }, "{command}");
            assert_eq!(does(&mut camera, command, off), Answer::Set);
            assert_eq!(camera.picture(now), plain, "{command}");
        }
        for (value, is_grey) in [(1, true), (2, false), (3, false)] {
            assert_eq!(does(&mut camera, 10042, &[value]), Answer::Set);
            assert_eq!(camera.picture(now), Picture { is_grey, ..plain });
        }
        does(&mut camera, 10072, &[2]);
        does(&mut camera, 10076, &[1]);
        assert_eq!(camera.picture(now), Picture { shows_time: false, shows_logo: true, ..plain });
        assert_eq!(told(&mut camera, &[8, 47]), r#"{"8":2,"47":1}"#);
    }

    #[test]
    fn a_cruise_is_ended_by_a_place_to_go_to() {
        let now = Instant::now();
        let mut camera = controls("HL_PAN3");
        assert_eq!(camera.picture(now).looks_at, Some((175, 20)));
        assert_eq!(camera.handle(now, 0, 11012, &[1, 40, 200, 0, 10]), Answer::Set);
        assert_eq!(camera.handle(now, 0, 11016, &[1]), Answer::Set);
        assert_eq!(told(&mut camera, &[28]), r#"{"28":1}"#);
        let later = now + Duration::from_secs(5);
        assert_eq!(camera.picture(later).looks_at, Some((200, 40)));
        assert_eq!(camera.handle(later, 0, 11018, &[0, 0, 0, 0, 20, 100, 0]), Answer::Set);
        assert_eq!(told(&mut camera, &[28]), r#"{"28":2}"#);
        assert_eq!(camera.position(later + Duration::from_secs(60)), Some((100, 20)));
    }

    #[test]
    fn models_are_silent_to_what_they_lack() {
        for (model, commands) in [
            ("WYZEC1", &[10044, 10046, 10600, 10604, 11000, 11006][..]),
            ("WYZE_CAKP2JFUS", &[10446, 10448, 10600, 11016]),
            ("HL_PAN3", &[10600, 10604]),
        ] {
            for &command in commands {
                assert_eq!(does(&mut controls(model), command, &[]), Answer::Silence, "{model} {command}");
            }
        }
        assert!(
            matches!(does(&mut controls("WVOD1"), 10448, &[]), Answer::Payload(json) if json.starts_with(b"{\"0\":"))
        );
        assert_eq!(does(&mut controls("HL_PAN3"), 10998, &[]), Answer::Unknown);
        assert_eq!(does(&mut controls("HL_PAN3"), 10032, &[3]), Answer::Malformed);
    }

    #[test]
    fn a_battery_is_told_instead_of_the_picture() {
        let mut camera = Controls::new(&CameraConfig { battery: Some(42), ..CameraConfig::demo().unwrap() });
        let expected = br#"{"camerainfo":{"powerlevel":42}}"#.to_vec();
        assert_eq!(does(&mut camera, 10050, &[]), Answer::Payload(expected));
    }

    #[test]
    fn the_time_zone_is_told() {
        let mut camera = controls("WYZE_CAKP2JFUS");
        assert_eq!(does(&mut camera, 10302, &[0xFB]), Answer::Set);
        assert_eq!(told(&mut camera, &[22]), r#"{"22":-5}"#);
        assert_eq!(camera.acts, [10302]);
    }
}
