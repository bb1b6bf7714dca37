use super::device::{BatteryUse, Rtsp};
use super::light_sound::{Reply, Siren};
use super::media::{Flip, VideoAnswer, VideoChange, VideoState};
use super::motion::Detection;
use super::pan_tilt::{Direction, Position, Waypoint, Waypoints};
use super::picture::{AutoNight, InfraredLight, NightVision};
use super::settings::{Parameters, id};
use super::*;
use crate::protocol::model::{Resolution, VideoWish};
use crate::protocol::wire::hl::{ChallengeAnswer, MediaKind, VideoParameters};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Returns the bytes of hexadecimal digits, between which there may be blanks.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Asserts that a request is a message with this code and payload, and that its command has a name.
#[track_caller]
fn assert_is(request: &Request, code: u16, payload: &str) {
    let payload = bytes(payload);
    let mut message = bytes("48 4c 05 00");
    message.extend(code.to_le_bytes());
    message.extend((payload.len() as u16).to_le_bytes());
    message.extend([0; 8]);
    message.extend(payload);
    assert_eq!(hex(&request.message), hex(&message));
    assert_eq!(request.command, Command::with_code(code), "{code}");
    assert!(!request.command.name.is_empty(), "{code}");
}

#[track_caller]
fn assert_setting<V: Value + std::fmt::Debug>(setting: Setting<V>, get: u16, set: u16, values: &[(V, &str)]) {
    assert_is(&setting.read(), get, "");
    for &(value, payload) in values {
        assert_is(&setting.write(value), set, payload);
        assert_eq!(setting.parse(&bytes(payload)), Ok(Told::Value(value)));
    }
    assert_eq!(V::ALL.len(), values.len());
    assert_eq!(setting.parse(&[77, 1]), Ok(Told::Unknown(77)));
    assert!(setting.parse(&[]).is_err());
}

const SWITCH: [(Switch, &str); 2] = [(Switch::On, "01"), (Switch::Off, "02")];

#[test]
fn settings_are_one_byte_each_way() {
    assert_setting(light_sound::STATUS_LIGHT, 10030, 10032, &SWITCH);
    let night_vision = [(NightVision::On, "01"), (NightVision::Off, "02"), (NightVision::Auto, "03")];
    assert_setting(picture::NIGHT_VISION, 10040, 10042, &night_vision);
    let infrared = [(InfraredLight::Far, "01"), (InfraredLight::Near, "02")];
    assert_setting(picture::INFRARED_LIGHT, 10044, 10046, &infrared);
    let auto_night = [(AutoNight::Dusk, "01"), (AutoNight::Dark, "02")];
    assert_setting(picture::AUTO_NIGHT, 10624, 10626, &auto_night);
    assert_setting(picture::TIME_STAMP, 10070, 10072, &SWITCH);
    assert_setting(picture::LOGO, 10074, 10076, &SWITCH);
    assert_setting(motion::TAGGING, 10290, 10292, &SWITCH);
    assert_setting(motion::TRACKING, 11020, 11022, &SWITCH);
    assert_setting(pan_tilt::CRUISE, 11014, 11016, &SWITCH);
    assert_setting(light_sound::SPOTLIGHT, 10640, 10646, &SWITCH);
}

#[test]
fn media_commands_are_those_of_the_vectors() {
    let vectors: Json = serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap();
    let hl = &vectors["hl"];
    let media = |kind, on| hex(&media::media(kind, on).message);
    assert_eq!(media(MediaKind::Video, true), hl["k10010_video_on"]);
    assert_eq!(media(MediaKind::ReturnAudio, true), hl["k10010_talk_on"]);
    assert_eq!(media(MediaKind::ReturnAudio, false), hl["k10010_talk_off"]);
    assert_is(&media::media(MediaKind::Audio, false), 10010, "02 02");
    assert_is(&media::media(MediaKind::Files, true), 10010, "04 01");
    let wish = |resolution| VideoWish { resolution, ..VideoWish::default() };
    let video = |model, resolution| media::set_video(model, wish(resolution));
    assert_eq!(hex(&video("WYZEC1", Resolution::Auto).message), hl["k10052_1080p_best"]);
    assert_eq!(hex(&video("WYZEC1-JZ", Resolution::R360p).message), hl["k10056_360p_sd"]);
    assert_eq!(video("WVOD1", Resolution::Auto).command, media::SET_VIDEO);
    assert_eq!(video("HL_CAM4", Resolution::Auto).command, media::SET_RESOLUTION);
}

#[test]
fn a_challenge_is_answered() {
    let answer = ChallengeAnswer { answer: [0xAB; 16], random: *b"QWER", video: false, audio: true };
    let expected = format!("484c 0500 1227 1600 0000000000000000 {} 51574552 00 01", "ab".repeat(16));
    assert_eq!(answer.emit(), bytes(&expected));
}

#[test]
fn a_challenge_is_answered_with_a_user() {
    let answer = ChallengeAnswer { answer: [0xAB; 16], random: *b"QWER", video: true, audio: false };
    let payload = format!("{} 51574552 01 00 06 313233343536", "ab".repeat(16));
    assert_eq!(bytes(&payload).len(), 29, "as in a log");
    assert_is(&media::answer_doorbell(&answer, "123456").unwrap(), 10006, &payload);
    assert_is(&media::answer_user(&answer, "123456").unwrap(), 10008, &payload);
    assert!(media::answer_user(&answer, &"x".repeat(256)).is_err());
}

#[test]
fn parts_of_the_video_stream_are_changed_alone() {
    let unchanged = VideoChange::default();
    assert_is(&media::change_video(unchanged), 10052, "00 00 00 00 00 00");
    assert_is(&media::change_video(VideoChange { bitrate: 0x0102, ..unchanged }), 10052, "02 01 00 00 00 00");
    assert_is(&media::change_video(VideoChange { fps: 15, ..unchanged }), 10052, "00 00 00 0f 00 00");
    let flips = VideoChange { horizontal_flip: Some(Flip::On), vertical_flip: Some(Flip::Off), ..unchanged };
    assert_is(&media::change_video(flips), 10052, "00 00 00 00 02 01");
}

#[test]
fn video_parameters_are_read() {
    assert_is(&media::read_video(), 10050, "");
    let state = |bitrate, frame_size| {
        VideoAnswer::Video(VideoState {
            parameters: VideoParameters { frame_size, bitrate, fps: 20 },
            horizontal_flip: Told::Value(Flip::Off),
            vertical_flip: Told::Value(Flip::Off),
        })
    };
    assert_eq!(VideoAnswer::parse(&bytes("f0 00 05 14 01 01")), Ok(state(240, 4)));
    assert_eq!(VideoAnswer::parse(&bytes("b4 00 04 14 01 01 ff")), Ok(state(180, 3)));
    // The bitrate begins with a brace.
    assert_eq!(VideoAnswer::parse(&bytes("7b 00 05 14 01 01")), Ok(state(123, 4)));
    for battery in [r#"{"camerainfo":{"powerlevel":87}}"#, "{\"camerainfo\":{\"powerlevel\":\"87\"}}\0"] {
        assert_eq!(VideoAnswer::parse(battery.as_bytes()), Ok(VideoAnswer::Battery(87)));
    }
    for bad in [&b"{}"[..], b"", &[0xF0, 0, 5, 20, 1]] {
        assert!(VideoAnswer::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_short_form_of_a_resolution_is_read() {
    let message = Message { command: 10056, payload: &bytes("02 3c 00") };
    assert_eq!(VideoParameters::parse(&message), Some(VideoParameters { frame_size: 1, bitrate: 60, fps: 0 }));
}

#[test]
fn parameters_are_read() {
    assert_is(&settings::read_parameters(&[1, 2, 3, 4, 5]).unwrap(), 10020, "05 01 02 03 04 05");
    assert!(settings::read_parameters(&[]).is_err() && settings::read_parameters(&[0; 256]).is_err());
    assert!(settings::read_parameters(&settings::USUAL).is_ok());
    let sample = r#"{"1":2,"2":3,"5":20,"6":1,"7":1,"21":1,"22":0,"27":2,"50":1}"#;
    for padding in ["", "\0\0\0"] {
        let parameters = Parameters::parse(format!("{sample}{padding}").as_bytes()).unwrap();
        assert_eq!(parameters.0.len(), 9);
        assert_eq!(parameters.value(id::STATUS_LIGHT), Some(Switch::Off));
        assert_eq!(parameters.value(id::NIGHT_VISION), Some(NightVision::Auto));
        assert_eq!(parameters.get(id::FPS), Some(20));
        assert_eq!(parameters.value(id::HORIZONTAL_FLIP), Some(Flip::Off));
        assert_eq!(parameters.value(id::VERTICAL_FLIP), Some(Flip::Off));
        assert_eq!(parameters.value(id::MOTION_TAGGING), Some(Switch::On));
        assert_eq!(parameters.get(id::TIME_ZONE), Some(0));
        assert_eq!(parameters.value(id::MOTION_TRACKING), Some(Switch::Off));
        assert_eq!(parameters.value(id::INFRARED_LIGHT), Some(InfraredLight::Far));
        assert_eq!((parameters.get(id::BITRATE), parameters.pan_limits()), (None, None));
    }
    for bad in ["", "[1]", "{", "1", r#"{"1":2"#] {
        assert!(Parameters::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn odd_parameters_are_left_out() {
    let answer = br#"{"1":"2","2":77,"3":300,"4":{},"5":1.5,"300":1,"x":1,"22":-5}"#;
    let parameters = Parameters::parse(answer).unwrap();
    assert_eq!(parameters.0, BTreeMap::from([(1, 2), (2, 77), (3, 300), (22, -5)]));
    assert_eq!(parameters.value::<NightVision>(2), None);
    assert_eq!(parameters.value::<Switch>(3), None);
}

#[test]
fn parameters_tell_how_far_a_camera_turns() {
    let limits = |answer: &str| Parameters::parse(answer.as_bytes()).unwrap().pan_limits();
    let told = limits(r#"{"40":350,"41":0,"42":113,"43":10}"#).unwrap();
    assert_eq!((told.horizontal, told.vertical), (0..=350, 10..=113));
    assert_eq!(limits(r#"{"40":0,"41":0,"42":0,"43":0}"#), None);
    assert_eq!(limits(r#"{"40":350,"41":0,"42":113}"#), None);
}

#[test]
fn parameters_have_names() {
    let named = |name| (0..=u8::MAX).filter(|&id| settings::name(id) == Some(name)).collect::<Vec<_>>();
    for (id, name) in
        [(1, "status-light"), (27, "motion-tracking"), (40, "max-x"), (43, "min-y"), (50, "infrared-light")]
    {
        assert_eq!(named(name), [id]);
    }
    let names: BTreeSet<_> = (0..=u8::MAX).filter_map(settings::name).collect();
    assert_eq!(names.len(), 49, "1 to 50 without 49");
    assert_eq!((settings::name(49), settings::name(51)), (None, None));
    let used_by_others = [1, 2, 3, 4, 5, 6, 7, 13, 21, 22, 27, 50];
    assert!(used_by_others.into_iter().chain(40..=43).all(|id| settings::USUAL.contains(&id)));
}

#[test]
fn motion_detection_is_set_as_the_model_takes_it() {
    for model in ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"] {
        assert_is(&motion::set_detection(model, Switch::On), 10202, "01 00");
    }
    for model in ["WYZEC1-JZ", "HL_PAN3", ""] {
        assert_is(&motion::set_detection(model, Switch::Off), 10206, "02 00");
    }
    assert_is(&motion::read_detection(), 10200, "");
    let detection = Detection { state: Told::Value(Switch::On), sensitivity: Some(128) };
    assert_eq!(Detection::parse(&bytes("01 80")), Ok(detection));
    assert_eq!(Detection::parse(&[1]), Ok(Detection { sensitivity: None, ..detection }));
    assert!(Detection::parse(&[]).is_err());
}

#[test]
fn a_camera_turns() {
    for (horizontal, vertical, payload) in
        [(-90, 0, "a6 ff 00 00 05"), (90, 0, "5a 00 00 00 05"), (0, 90, "00 00 5a 00 05"), (0, -90, "00 00 a6 ff 05")]
    {
        let request = pan_tilt::rotate(horizontal, vertical, pan_tilt::DEFAULT_SPEED).unwrap();
        assert_is(&request, 11000, payload);
        assert_eq!(request.command.answer, None);
    }
    for (direction, payload) in [
        (Direction::Left, "01 00 09"),
        (Direction::Right, "02 00 09"),
        (Direction::Up, "00 01 09"),
        (Direction::Down, "00 02 09"),
    ] {
        let request = pan_tilt::move_to_end(direction, 9).unwrap();
        assert_is(&request, 11002, payload);
        assert_eq!(request.command.answer, Some(11003));
    }
    assert_is(&pan_tilt::reset_position(), 11004, "03");
    assert_eq!(pan_tilt::RESET_POSITION.answer, None);
    for refused in [pan_tilt::rotate(351, 0, 5), pan_tilt::rotate(0, -181, 5), pan_tilt::rotate(1, 1, 0)] {
        assert!(refused.is_err());
    }
    let error = pan_tilt::move_to_end(Direction::Up, 10).unwrap_err();
    assert_eq!(error.to_string(), "speed is 10; it has to be from 1 to 9");
}

#[test]
fn a_position_is_read_and_gone_to() {
    assert_is(&pan_tilt::read_position(0x6700_1234), 11006, "34 12 00 67");
    let position = Position { horizontal: 271, vertical: 113 };
    assert_eq!(Position::parse(&bytes("34 12 00 67 71 0f 01")), Ok(position));
    assert_eq!(Position::parse(&bytes("34 12 00 67 71 0f 01 ff ff")), Ok(position));
    assert!(Position::parse(&bytes("34 12 00 67 71 0f")).is_err());
    assert_is(&pan_tilt::go_to(Duration::from_millis(7_999_999_999), position).unwrap(), 11018, "ff c9 9a 3b 71 0f 01");
    assert!(pan_tilt::go_to(Duration::ZERO, Position { horizontal: 351, vertical: 0 }).is_err());
    assert!(pan_tilt::go_to(Duration::ZERO, Position { horizontal: 0, vertical: 181 }).is_err());
}

#[test]
fn waypoints_are_read_and_set() {
    assert_is(&pan_tilt::read_waypoints(), 11010, "");
    let point = |vertical, horizontal, wait| Waypoint { position: Position { horizontal, vertical }, wait };
    let points = Waypoints(vec![point(75, 15, 10), point(91, 271, 255)]);
    assert_eq!(Waypoints::parse(&bytes("02 4b 0f00 0a 5b 0f01 ff")), Ok(points.clone()));
    assert_eq!(Waypoints::parse(&bytes("02 4b 0f00 0a 5b 0f01 ff 10 20")), Ok(points.clone()));
    assert_eq!(Waypoints::parse(&bytes("01 4b 0f00 0a 5b 0f01 ff")).unwrap().0, [points.0[0]]);
    assert_eq!(Waypoints::parse(&bytes("02 4b 0f00 0a 5b 0f01")).unwrap().0, [points.0[0]]);
    assert_eq!(Waypoints::parse(&[0]), Ok(Waypoints::default()));
    assert!(Waypoints::parse(&[]).is_err());
    assert_is(&points.write().unwrap(), 11012, "02 4b 0f00 0a 5b 0f01 ff");
    assert_is(&Waypoints::default().write().unwrap(), 11012, "00");
    for refused in [vec![point(0, 0, 10); 5], vec![point(0, 0, 9)], vec![point(0, 351, 10)], vec![point(181, 0, 10)]] {
        assert!(Waypoints(refused).write().is_err());
    }
}

#[test]
fn siren_floodlight_and_replies() {
    assert_is(&light_sound::set_siren(Switch::On), 10630, "01 01");
    assert_is(&light_sound::set_siren(Switch::Off), 10630, "02 02");
    assert_is(&light_sound::read_siren(), 10632, "");
    let state = |payload| Siren::parse(&bytes(payload)).unwrap().state();
    assert_eq!(state("01 01"), Some(Switch::On));
    assert_eq!(state("02 02"), Some(Switch::Off));
    assert_eq!((state("01 02"), state("03 03")), (None, None));
    assert!(Siren::parse(&[1]).is_err());
    assert_is(&light_sound::set_floodlight(Switch::On), 12060, "01");
    for (reply, payload) in [(Reply::CanIHelp, "01"), (Reply::BeThereShortly, "02"), (Reply::LeavePackage, "03")] {
        assert_is(&light_sound::quick_reply(reply), 11635, payload);
    }
}

#[test]
fn clock_and_time_zone() {
    assert_is(&device::read_clock(), 10090, "");
    assert_is(&device::set_clock(0x6700_1234), 10092, "34 12 00 67");
    assert_eq!(device::parse_clock(&bytes("34 12 00 67 00")), Ok(0x6700_1234));
    assert!(device::parse_clock(&[1, 2, 3]).is_err());
    assert_is(&device::set_time_zone(-11).unwrap(), 10302, "f5");
    assert_is(&device::set_time_zone(13).unwrap(), 10302, "0d");
    assert!(device::set_time_zone(-12).is_err() && device::set_time_zone(14).is_err());
}

#[test]
fn servers_photo_and_battery() {
    assert_is(&device::set_rtsp(Switch::On), 10600, "01");
    assert_is(&device::read_rtsp(), 10604, "");
    let rtsp = Rtsp::parse(b"\x01\x07\0rtsp://me:secret@192.0.2.1/live\0rest").unwrap();
    assert_eq!(rtsp.state, Told::Value(Switch::On));
    assert_eq!(rtsp.url.as_ref().unwrap().as_str(), "rtsp://me:secret@192.0.2.1/live");
    assert!(!format!("{rtsp:?}").contains("secret"));
    assert_eq!(Rtsp::parse(&[2]), Ok(Rtsp { state: Told::Value(Switch::Off), url: None }));
    assert!(Rtsp::parse(&[]).is_err());
    assert_is(&picture::take_photo(), 10058, "01");
    assert_is(&device::start_web_server(), 10148, "00 01 00 00 00");
    assert_is(&device::read_connection_state(), 10446, "");
    assert_is(&device::read_battery_use(), 10448, "");
    let battery = BatteryUse::parse(br#"{"0":1,"1":2,"2":3,"3":4,"4":5}"#).unwrap();
    let counts = (battery.last_charge, battery.live, battery.events_uploaded, battery.events_filtered);
    assert_eq!(counts, (Some(1), Some(2), Some(3), Some(4)));
    assert_eq!((battery.recordings, battery.unknown), (Some(5), None));
    assert!(BatteryUse::parse(b"no JSON").is_err());
}

#[test]
fn a_set_is_agreed_to_by_1() {
    assert_eq!([&[1][..], &[1, 9], &[], &[2], &[0]].map(refusal), [None, None, None, Some(2), Some(0)]);
}

#[test]
fn commands_have_codes_and_names_of_their_own() {
    let commands: Vec<Command> = FAMILIES.into_iter().flatten().copied().collect();
    let codes: BTreeSet<_> = commands.iter().map(|command| command.code).collect();
    let names: BTreeSet<_> = commands.iter().map(|command| command.name).collect();
    assert_eq!((codes.len(), names.len()), (commands.len(), commands.len()));
    for command in commands {
        assert!(command.answer.is_none_or(|answer| answer == command.code + 1));
    }
}

#[test]
fn what_would_be_done_twice_is_sent_once() {
    for code in [10058, 11000, 11002, 11635] {
        assert!(!Command::with_code(code).is_idempotent, "{code}");
    }
    for code in [10010, 10020, 10042, 10056, 11006, 11018] {
        assert!(Command::with_code(code).is_idempotent, "{code}");
    }
    let without_answer: BTreeSet<_> =
        FAMILIES.into_iter().flatten().filter(|command| command.answer.is_none()).map(|command| command.code).collect();
    assert_eq!(without_answer, BTreeSet::from([11000, 11004]));
}

#[test]
fn a_raw_request_is_that_of_its_code() {
    let raw = Request::raw(10040, &[]).unwrap();
    assert_eq!(raw, picture::NIGHT_VISION.read());
    // One that formats the SD card has no name, and is not repeated.
    let unnamed = Request::raw(10242, &[]).unwrap().command;
    assert_eq!((unnamed.name, unnamed.answer, unnamed.is_idempotent), ("", Some(10243), false));
    assert_eq!(Request::raw(u16::MAX, &[]).unwrap().command.answer, None);
    assert!(Request::raw(10040, &vec![0; 65_536]).is_err());
}

#[test]
fn models_know_commands_from_a_protocol_number_on() {
    let known = |code, model, protocol| Command::with_code(code).is_known_to(model, protocol);
    for (code, model, from) in [
        (10070, "WYZEC1", 3),
        (10076, "WVOD1", 12),
        (10206, "HL_PAN3", 4),
        (10206, "WVOD1", 14),
        (10292, "WYZEC1-JZ", 3),
        (10056, "HL_CAM4", 12),
        (10058, "HL_CFL2", 13),
        (10044, "WYZECP1_JEF", 16),
        (10046, "WVOD1", 17),
        (10148, "HL_CAM3P", 18),
        (10600, "WYZE_CAKP2JFUS", 21),
        (10006, "HL_DB2", 23),
        (10008, "HL_DB2", 25),
        (10008, "WVOD1", 29),
        (10446, "WVOD1", 14),
        (10448, "WVOD1", 28),
        (11000, "WYZECP1_JEF", 5),
        (11004, "WYZECP1_JEF", 6),
        (11018, "WYZECP1_JEF", 10),
    ] {
        assert!(known(code, model, from) && !known(code, model, from - 1), "{code} {model}");
    }
    for (code, model) in [
        (10056, "WYZEC1"),
        (10292, "WYZEC1"),
        (10148, "WVOD1"),
        (10070, "HL_BC"),
        (11018, "HL_CAM4"),
        (10242, "WYZEC1"),
    ] {
        assert!(!known(code, model, u16::MAX), "{code} {model}");
    }
    for (code, model) in [(10020, "HL_BC"), (10042, ""), (11018, "HL_PANP"), (10630, "HL_PAN3"), (11635, "WYZEDB3")] {
        assert!(known(code, model, 0), "{code} {model}");
    }
}

fn payload(request: &Request) -> &[u8] {
    Message::parse(&request.message).unwrap().payload
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn no_answer_panics(payload: Vec<u8>, json in r#"\{"([0-9]{1,3}":-?[0-9]{1,20},"?){0,4}\}?"#) {
        for payload in [&payload[..], json.as_bytes()] {
            let _ = VideoAnswer::parse(payload);
            let _ = Parameters::parse(payload).map(|parameters| parameters.pan_limits());
            let _ = Detection::parse(payload);
            let _ = Position::parse(payload);
            let _ = Waypoints::parse(payload);
            let _ = Siren::parse(payload).map(|siren| siren.state());
            let _ = Rtsp::parse(payload);
            let _ = BatteryUse::parse(payload);
            let _ = device::parse_clock(payload);
            let _ = picture::NIGHT_VISION.parse(payload);
            let _ = refusal(payload);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        horizontal in 0..=350_u16, vertical in 0..=180_u8, stamp: u32, bitrate: u16, fps: u8, flips: (bool, bool),
        waits in proptest::collection::vec(10..=255_u8, 0..=4), ids in proptest::collection::vec(any::<u8>(), 1..=255),
    ) {
        let position = Position { horizontal, vertical };
        let go_to = pan_tilt::go_to(Duration::from_millis(stamp.into()), position).unwrap();
        prop_assert_eq!(Position::parse(payload(&go_to)), Ok(position));
        let points = Waypoints(waits.into_iter().map(|wait| Waypoint { position, wait }).collect());
        prop_assert_eq!(Waypoints::parse(payload(&points.write().unwrap())), Ok(points));
        let [horizontal_flip, vertical_flip] = [flips.0, flips.1].map(|on| if on { Flip::On } else { Flip::Off });
        let change = media::change_video(VideoChange {
            bitrate, fps, horizontal_flip: Some(horizontal_flip), vertical_flip: Some(vertical_flip),
        });
        prop_assert_eq!(VideoAnswer::parse(payload(&change)), Ok(VideoAnswer::Video(VideoState {
            // The size is left as it is.
            parameters: VideoParameters { frame_size: 255, bitrate, fps },
            horizontal_flip: Told::Value(horizontal_flip),
            vertical_flip: Told::Value(vertical_flip),
        })));
        let set_clock = device::set_clock(stamp);
        prop_assert_eq!(device::parse_clock(payload(&set_clock)), Ok(stamp));
        let read = settings::read_parameters(&ids).unwrap();
        prop_assert_eq!(payload(&read), [&[ids.len() as u8][..], &ids].concat());
    }
}
