//! The properties of `wyzesrc`: types, defaults and ranges, the URI, and when each may change.

#[path = "support/element.rs"]
mod support;

use gst::glib;
use gst::prelude::*;
use gstwyze::wyzesrc::PictureSize;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, mpsc};
use support::*;
use wyze_camera::{CameraEvent, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource};

/// A property's type, range and default, and another value to set it to.
enum Kind {
    /// A value; the default is none.
    Text(&'static str),
    /// The default.
    Switch(bool),
    /// Minimum, maximum, default, another value.
    Number(u32, u32, u32, u32),
    /// The nicks of the default and of another value.
    Choice(&'static str, &'static str),
    /// Minimum, maximum, default, another value.
    Signed(i32, i32, i32, i32),
    /// A read-only structure.
    Structure,
    /// A read-only choice, by the nick of its default.
    State(&'static str),
}

#[derive(Debug, PartialEq, Eq)]
enum Mutable {
    Ready,
    Playing,
    Never,
}

fn table() -> Vec<(&'static str, Kind, Mutable)> {
    use Kind::*;
    vec![
        ("camera", Text("Front Door"), Mutable::Ready),
        ("uid", Text(DEMO_UID), Mutable::Ready),
        ("enr", Text(DEMO_ENR), Mutable::Ready),
        ("mac", Text(DEMO_MAC), Mutable::Ready),
        ("host", Text("192.168.1.20"), Mutable::Ready),
        ("port", Number(1, 65535, 32761, 4000), Mutable::Ready),
        ("interface", Text("eth0"), Mutable::Ready),
        ("model", Text("HL_CAM4"), Mutable::Ready),
        ("transport", Choice("auto", "lan"), Mutable::Ready),
        ("uri", Text("wyze://192.168.1.20?uid=HSBJYB5HSETGCDWD111A"), Mutable::Ready),
        ("video", Switch(true), Mutable::Ready),
        ("audio", Switch(true), Mutable::Ready),
        ("resolution", Choice("auto", "720p"), Mutable::Playing),
        ("bitrate", Number(0, 524_280, 0, 960), Mutable::Playing),
        ("framerate", Number(0, 255, 0, 15), Mutable::Playing),
        ("latency", Number(0, 60_000, 200, 500), Mutable::Ready),
        ("connect-timeout", Number(0, u32::MAX, 15_000, 3000), Mutable::Ready),
        ("stall-timeout", Number(0, u32::MAX, 5000, 3000), Mutable::Ready),
        ("on-loss", Choice("pass", "until-key-frame"), Mutable::Playing),
        ("resend", Choice("auto", "on"), Mutable::Ready),
        ("key-frame-requests", Choice("auto", "off"), Mutable::Playing),
        ("set-clock", Choice("auto", "off"), Mutable::Ready),
        ("reconnect-attempts", Signed(-1, i32::MAX, -1, 3), Mutable::Ready),
        ("navigation", Choice("auto", "off"), Mutable::Playing),
        ("night-vision", Choice("unchanged", "auto"), Mutable::Playing),
        ("night-vision-light", Choice("unchanged", "near"), Mutable::Playing),
        ("status-light", Choice("unchanged", "off"), Mutable::Playing),
        ("flip", Choice("unchanged", "180"), Mutable::Playing),
        ("overlay-time", Choice("unchanged", "off"), Mutable::Playing),
        ("overlay-logo", Choice("unchanged", "on"), Mutable::Playing),
        ("motion-detection", Choice("unchanged", "on"), Mutable::Playing),
        ("motion-tagging", Choice("unchanged", "on"), Mutable::Playing),
        ("motion-tracking", Choice("unchanged", "on"), Mutable::Playing),
        ("cruise", Choice("unchanged", "on"), Mutable::Playing),
        ("spotlight", Choice("unchanged", "on"), Mutable::Playing),
        ("floodlight", Choice("unchanged", "on"), Mutable::Playing),
        ("siren", Choice("unchanged", "off"), Mutable::Playing),
        ("connection-state", State("none"), Mutable::Never),
        ("stats", Structure, Mutable::Never),
        ("camera-info", Structure, Mutable::Never),
        ("camera-settings", Structure, Mutable::Never),
    ]
}

fn source() -> gst::Element {
    init();
    gst::ElementFactory::make("wyzesrc").build().unwrap()
}

#[test]
fn every_property_has_its_type_range_default_and_flags() {
    let own: BTreeSet<_> = source()
        .list_properties()
        .iter()
        .filter(|pspec| pspec.owner_type() == gstwyze::wyzesrc::WyzeSrc::static_type())
        .map(|pspec| pspec.name().to_owned())
        .collect();
    assert_eq!(own, table().iter().map(|(name, ..)| (*name).to_owned()).collect::<BTreeSet<_>>());
    for (name, kind, mutable) in table() {
        let pspec = source().find_property(name).unwrap();
        assert!(!pspec.nick().is_empty(), "{name}");
        assert!(pspec.blurb().is_some_and(|blurb| blurb.len() > 20), "{name}: {:?}", pspec.blurb());
        let flags = pspec.flags();
        assert!(flags.contains(glib::ParamFlags::READABLE), "{name}");
        assert_eq!(flags.contains(glib::ParamFlags::WRITABLE), mutable != Mutable::Never, "{name}");
        assert_eq!(flags.contains(gst::PARAM_FLAG_MUTABLE_READY), mutable == Mutable::Ready, "{name}");
        assert_eq!(flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING), mutable == Mutable::Playing, "{name}");
        match kind {
            Kind::Number(minimum, maximum, default, _) => {
                let pspec = pspec.downcast_ref::<glib::ParamSpecUInt>().unwrap();
                let range = (pspec.minimum(), pspec.maximum(), pspec.default_value());
                assert_eq!(range, (minimum, maximum, default), "{name}");
            }
            Kind::Signed(minimum, maximum, default, _) => {
                let pspec = pspec.downcast_ref::<glib::ParamSpecInt>().unwrap();
                let range = (pspec.minimum(), pspec.maximum(), pspec.default_value());
                assert_eq!(range, (minimum, maximum, default), "{name}");
            }
            Kind::Switch(default) => {
                assert_eq!(pspec.downcast_ref::<glib::ParamSpecBoolean>().unwrap().default_value(), default);
            }
            Kind::Text(_) => assert_eq!(pspec.value_type(), glib::Type::STRING),
            Kind::Choice(default, other) => {
                let class = pspec.downcast_ref::<glib::ParamSpecEnum>().unwrap().enum_class();
                assert!(class.value_by_nick(default).is_some() && class.value_by_nick(other).is_some(), "{name}");
            }
            Kind::Structure => assert_eq!(pspec.value_type(), gst::Structure::static_type()),
            Kind::State(default) => {
                let class = pspec.downcast_ref::<glib::ParamSpecEnum>().unwrap().enum_class();
                assert!(class.value_by_nick(default).is_some(), "{name}");
            }
        }
    }
}

#[test]
fn every_property_starts_at_its_default_and_takes_another_value() {
    for (name, kind, _) in table() {
        let src = source();
        match kind {
            Kind::Text(other) => {
                assert_eq!(src.property::<Option<String>>(name), None, "{name}");
                src.set_property(name, other);
                assert_eq!(src.property::<String>(name), other);
                if name != "uri" {
                    src.set_property(name, None::<&str>);
                    assert_eq!(src.property::<Option<String>>(name), None, "{name}");
                }
            }
            Kind::Switch(default) => {
                assert_eq!(src.property::<bool>(name), default, "{name}");
                src.set_property(name, !default);
                assert_eq!(src.property::<bool>(name), !default, "{name}");
            }
            Kind::Number(minimum, maximum, default, other) => {
                assert_eq!(src.property::<u32>(name), default, "{name}");
                for value in [other, minimum, maximum] {
                    src.set_property(name, value);
                    assert_eq!(src.property::<u32>(name), value, "{name}");
                }
            }
            Kind::Signed(minimum, maximum, default, other) => {
                assert_eq!(src.property::<i32>(name), default, "{name}");
                for value in [other, minimum, maximum] {
                    src.set_property(name, value);
                    assert_eq!(src.property::<i32>(name), value, "{name}");
                }
            }
            Kind::Choice(default, other) => {
                let nick = || {
                    let value = src.property_value(name);
                    glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
                };
                assert_eq!(nick(), default, "{name}");
                src.set_property_from_str(name, other);
                assert_eq!(nick(), other, "{name}");
            }
            Kind::Structure => assert_eq!(src.property::<Option<gst::Structure>>(name), None, "{name}"),
            Kind::State(default) => {
                let value = src.property_value(name);
                assert_eq!(glib::EnumValue::from_value(&value).unwrap().1.nick(), default, "{name}");
            }
        }
    }
}

#[test]
fn each_resolution_can_be_set_by_its_nick() {
    let src = source();
    for nick in ["360p", "720p", "1080p", "2k", "auto"] {
        src.set_property_from_str("resolution", nick);
        let value = src.property_value("resolution");
        let (_, value) = glib::EnumValue::from_value(&value).unwrap();
        assert_eq!(value.nick(), nick);
    }
}

#[test]
fn the_factory_has_what_players_look_for() {
    let src = source();
    let factory = src.factory().unwrap();
    assert_eq!(factory.metadata("klass"), Some("Source/Network/Audio/Video"));
    assert_eq!(factory.rank(), gst::Rank::PRIMARY);
    assert_eq!(factory.uri_type(), gst::URIType::Src);
    assert_eq!(factory.uri_protocols(), ["wyze"]);
    assert!(src.element_flags().contains(gst::ElementFlags::SOURCE));
    let templates: Vec<_> = src.pad_template_list().iter().map(|t| t.name_template().to_owned()).collect();
    assert!(templates.contains(&"video".to_owned()) && templates.contains(&"audio".to_owned()) && templates.len() == 2);
}

#[test]
fn a_uri_sets_what_it_names_and_reads_back_unchanged() {
    let src = source();
    let uri = "wyze://front-door.lan:4000?uid=HSBJYB5HSETGCDWD111A&enr=ZQdg2W3LL9TZQL8%2Bi1%2BN2f%2FV&mac=AABBCCDDEEFF\
               &model=HL_CAM4&interface=eth0&video=false&resolution=720p&bitrate=960&framerate=15&latency=500&stall-timeout=7000&on-loss=until-key-frame&resend=on&key-frame-requests=off&set-clock=off&navigation=off&night-vision=auto&flip=180&connect-timeout=3000&reconnect-attempts=4";
    src.set_property("uri", uri);
    assert_eq!(src.property::<String>("host"), "front-door.lan");
    assert_eq!(src.property::<u32>("port"), 4000);
    assert_eq!(src.property::<String>("enr"), "ZQdg2W3LL9TZQL8+i1+N2f/V");
    assert_eq!(src.property::<PictureSize>("resolution"), PictureSize::R720p);
    assert_eq!((src.property::<u32>("bitrate"), src.property::<u32>("framerate")), (960, 15));
    assert_eq!((src.property::<u32>("latency"), src.property::<u32>("connect-timeout")), (500, 3000));
    assert!(!src.property::<bool>("video") && src.property::<bool>("audio"));
    let written = src.property::<String>("uri");
    let again = source();
    again.set_property("uri", &written);
    for (name, kind, _) in table() {
        if !matches!(kind, Kind::Structure) {
            let [one, other] = [&src, &again].map(|src| format!("{:?}", src.property_value(name)));
            assert_eq!(one, other, "{name}");
        }
    }
    assert_eq!(written, uri);
}

#[test]
fn a_bad_uri_is_refused_and_changes_nothing() {
    let src = source();
    src.set_property("host", "before");
    let handler = src.dynamic_cast_ref::<gst::URIHandler>().unwrap();
    for (uri, code) in [
        ("rtsp://camera", gst::URIError::UnsupportedProtocol),
        ("wyze://camera:0", gst::URIError::BadUri),
        ("wyze://camera?uid=short", gst::URIError::BadUri),
        ("wyze://camera?resolution=8k", gst::URIError::BadUri),
    ] {
        assert!(handler.set_uri(uri).unwrap_err().matches(code), "{uri}");
        src.set_property("uri", uri);
        assert_eq!(src.property::<String>("host"), "before", "{uri}");
    }
}

/// The messages about URI keys that `act` makes elements log.
fn ignored_keys(act: impl FnOnce()) -> Vec<String> {
    init();
    let lines = Arc::new(Mutex::new(Vec::new()));
    gst::log::set_threshold_for_name("wyze*", gst::DebugLevel::Warning);
    let function = gst::log::add_log_function({
        let lines = lines.clone();
        move |_, _, _, _, _, _, message| {
            let text = message.get().map(|text| text.to_string()).unwrap_or_default();
            if text.contains("URI key") {
                lines.lock().unwrap().push(text);
            }
        }
    });
    act();
    gst::log::remove_log_function(function);
    std::mem::take(&mut *lines.lock().unwrap())
}

#[test]
fn one_uri_serves_source_and_sink_and_only_keys_that_neither_has_are_warned_of() {
    let src = source();
    for (name, kind, _) in table() {
        match kind {
            Kind::Text(_) if name == "uri" => {}
            Kind::Text(other) => src.set_property(name, other),
            Kind::Switch(default) => src.set_property(name, !default),
            Kind::Number(.., other) => src.set_property(name, other),
            Kind::Signed(.., other) => src.set_property(name, other),
            Kind::Choice(_, other) => src.set_property_from_str(name, other),
            Kind::Structure | Kind::State(_) => {}
        }
    }
    let uri = src.property::<String>("uri") + "&subtype=hd";
    let (host, query) = uri.split_once('?').unwrap();
    for factory in ["wyzesrc", "wyzesink"] {
        let element = gst::ElementFactory::make(factory).build().unwrap();
        let set = |uri: &str| ignored_keys(|| element.set_property("uri", uri));
        assert_eq!(set(&uri), Vec::<String>::new(), "{factory}");
        assert_eq!(element.property::<String>("camera"), "Front Door");
        for key in ["backchannel", "host", "port", "uri", "name", "stats", "camera-info"] {
            let ignored = set(&format!("{host}?{key}=1&{query}"));
            assert!(matches!(&ignored[..], [one] if one.contains(key)), "{factory}, {key}: {ignored:?}");
        }
    }
}

#[test]
fn properties_read_at_the_start_cannot_change_while_it_runs() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    for (name, kind, mutable) in table() {
        if mutable != Mutable::Ready {
            continue;
        }
        let value = || format!("{:?}", player.src.property_value(name));
        let before = value();
        match kind {
            Kind::Text(_) if name == "uri" => player.src.set_property(name, "wyze://elsewhere"),
            Kind::Text(_) => player.src.set_property(name, "another"),
            Kind::Switch(default) => player.src.set_property(name, !default),
            Kind::Number(.., other) => player.src.set_property(name, other),
            Kind::Signed(.., other) => player.src.set_property(name, other),
            Kind::Choice(_, other) => player.src.set_property_from_str(name, other),
            Kind::Structure | Kind::State(_) => unreachable!(),
        }
        assert_eq!(value(), before, "{name}");
    }
    let handler = player.src.dynamic_cast_ref::<gst::URIHandler>().unwrap();
    assert!(handler.set_uri("wyze://elsewhere").unwrap_err().matches(gst::URIError::BadState));
    player.stop();
    player.src.set_property("latency", 1u32);
    assert_eq!(player.src.property::<u32>("latency"), 1);
}

#[test]
fn changes_of_resolution_and_rates_reach_the_camera_while_it_runs() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("bitrate", 800u32);
    player.play();
    player.buffers("video", 3);
    let asked = || {
        camera.await_event(|event| match event {
            CameraEvent::VideoParameters { parameters: p, .. } => Some((p.frame_size, p.bitrate, p.fps)),
            _ => None,
        })
    };
    assert_eq!(asked(), (0, 100, 0), "before the start");
    player.src.set_property("resolution", PictureSize::R360p);
    assert_eq!(asked(), (1, 100, 0));
    let caps = player.new_caps("video");
    let size = caps.structure(0).unwrap();
    assert_eq!((size.get("width"), size.get("height")), (Ok(64), Ok(64)));
    let first = player.buffer("video");
    assert!(is_key(&first), "the new size begins at a key frame");
    player.src.set_property("framerate", 15u32);
    assert_eq!(asked(), (1, 100, 15));
    player.src.set_property("bitrate", 0u32);
    assert_eq!(asked(), (1, 60, 15), "the best for 360p");
    player.buffers("video", 3);
}

#[test]
fn a_resolution_that_the_camera_lacks_is_its_best_with_one_warning() {
    for (model, expected, lacks) in [("HL_PAN3", 0, true), ("HL_CAM4", 3, false), ("HL_NEW", 3, false)] {
        let camera = TestCamera::with_config(|config| config.model = model.into(), synthetic());
        let player = Player::new(&camera, Link::Both);
        player.src.set_property("resolution", PictureSize::R2k);
        let mut warnings = Vec::new();
        let see = |warnings: &mut Vec<String>| {
            let mut pictures = 0;
            player.until("some pictures", |seen| {
                warnings.extend(seen.warning());
                pictures += usize::from(seen.buffer("video").is_some());
                (pictures == 5 && warnings.len() >= usize::from(lacks)).then_some(())
            });
        };
        let asked = || {
            camera.await_event(|event| match event {
                CameraEvent::VideoParameters { parameters, .. } => Some(parameters.frame_size),
                _ => None,
            })
        };
        player.play();
        see(&mut warnings);
        assert_eq!(asked(), expected, "{model}");
        // Another setting is no reason to say it again.
        player.src.set_property("bitrate", 800u32);
        assert_eq!(asked(), expected, "{model}");
        see(&mut warnings);
        assert_eq!(warnings.len(), usize::from(lacks), "{model}: {warnings:?}");
        assert!(warnings.iter().all(|text| text.contains(model) && text.contains("2560x1440")), "{warnings:?}");
    }
}

#[test]
fn a_doorbell_gets_its_own_resolution_command() {
    let camera = TestCamera::with_config(|config| config.model = "WYZEDB3".into(), synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffers("video", 3);
    camera.await_event(|event| matches!(event, CameraEvent::VideoParameters { .. }).then_some(()));
    assert_eq!(player.src.property::<gst::Structure>("camera-info").get::<String>("model").unwrap(), "WYZEDB3");
}

const COUNTERS: [&str; 27] = [
    "packets",
    "bytes",
    "foreign",
    "bad-hmac",
    "duplicates",
    "reordered",
    "undecryptable",
    "lost",
    "malformed",
    "unknown",
    "timing-probes",
    "parity",
    "resend-asked",
    "resend-filled",
    "resend-given-up",
    "video-frames",
    "audio-frames",
    "incomplete",
    "incomplete-lost",
    "incomplete-size",
    "incomplete-overflow",
    "skipped-frames",
    "key-frame-requests",
    "media-restarts",
    "reconnects",
    "video-queue-drops",
    "audio-queue-drops",
];
const TIMES: [&str; 5] = ["discovery-time-ns", "session-time-ns", "dtls-time-ns", "login-time-ns", "auth-time-ns"];
/// Of stages that a connection in the local network does not have.
const OTHER_TIMES: [&str; 3] = ["cloud-time-ns", "signalling-time-ns", "path-time-ns"];

#[test]
fn stats_and_camera_info_are_complete_and_outlive_the_run() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    let (sender, notified) = mpsc::channel();
    player.src.connect_notify(Some("camera-info"), move |src, _| {
        let _ = sender.send(src.property::<gst::Structure>("camera-info"));
    });
    player.play();
    let info = notified.recv_timeout(PATIENCE).expect("camera-info is notified");
    assert_eq!(info.get::<String>("model").unwrap(), "WYZE_CAKP2JFUS");
    player.buffers("video", 20);
    player.buffers("audio", 2);
    let stats = player.src.property::<gst::Structure>("stats");
    assert_eq!(stats.name(), "application/x-wyze-stats");
    let count = |name: &str| stats.get::<u64>(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    for name in COUNTERS {
        let grows = ["packets", "bytes", "timing-probes", "video-frames", "audio-frames"].contains(&name);
        assert!(if grows { count(name) > 0 } else { count(name) == 0 }, "{name} is {}", count(name));
    }
    assert!(count("video-frames") >= 20 && count("bytes") > 20 * 1500 && count("packets") > 40, "{stats}");
    let times: Vec<_> = TIMES.map(count).to_vec();
    assert!(times.iter().all(|&time| time > 0) && times.iter().sum::<u64>() < 5_000_000_000, "{stats}");
    assert_eq!(OTHER_TIMES.map(count), [0; 3]);
    assert_eq!(stats.n_fields(), COUNTERS.len() + TIMES.len() + OTHER_TIMES.len(), "{stats}");

    let info = player.src.property::<gst::Structure>("camera-info");
    assert_eq!(info.name(), "application/x-wyze-camera-info");
    let text = |name: &str| info.get::<String>(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!((text("model").as_str(), text("firmware").as_str()), ("WYZE_CAKP2JFUS", "4.36.13.0416"));
    assert!(text("address").starts_with("127.0.0.1:") && text("address") != camera.addr().to_string());
    assert!(text("video-codec").contains("H.264") && text("audio-codec").contains("G.711"));
    assert_eq!((info.get("two-way-audio"), info.get("protocol")), (Ok(true), Ok(25u32)));
    assert_eq!((info.get("av-enabled"), info.get("resend")), (Ok(true), Ok(false)));
    let offset = info.get::<i64>("clock-offset-ns").unwrap();
    assert!(offset.unsigned_abs() < 5_000_000_000, "{offset} ns");
    assert_eq!(info.get("clock-set"), Ok(false));
    assert!(text("capabilities").starts_with("cyclic-frame-numbering,") && text("capabilities").contains(",dtls-psk,"));
    player.stop();
    let after = player.src.property::<gst::Structure>("stats");
    assert!(after.get::<u64>("video-frames").unwrap() >= count("video-frames"), "{after}");
    let info_after = player.src.property::<gst::Structure>("camera-info");
    assert_eq!(info_after, info);
}

/// Returns the text of the error that starting the element posts.
fn start_error(element: &gst::Element) -> String {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error message");
    element.set_state(gst::State::Null).unwrap();
    element.set_bus(None);
    match message.view() {
        gst::MessageView::Error(error) => error.error().message().to_owned(),
        _ => unreachable!(),
    }
}

#[test]
fn what_is_wrong_with_a_uri_is_told_at_the_start() {
    init();
    let wrong = [
        ("wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=short&mac=AABBCCDDEEFF", "enr"),
        ("wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=roTRg3tiuL3TjXhm&mac=AABBCC", "mac"),
        ("wyze://cam:99999?uid=HSBJYB5HSETGCDWD111A", "port"),
        ("wyze://[::1]?uid=HSBJYB5HSETGCDWD111A", "IPv6"),
        ("wyze://user:pw@cam?uid=HSBJYB5HSETGCDWD111A", "user"),
        ("wyze://cam?connect-timeout=soon", "connect-timeout"),
        ("rtsp://cam", "wyze://"),
    ];
    for factory in ["wyzesrc", "wyzesink"] {
        let element = gst::ElementFactory::make(factory).build().unwrap();
        let only_source = Some(("wyze://cam?resolution=4k", "720p")).filter(|_| factory == "wyzesrc");
        for (uri, expected) in wrong.into_iter().chain(only_source) {
            element.set_property("uri", uri);
            let text = start_error(&element);
            assert!(text.starts_with("uri: ") && text.contains(expected), "{factory}, {uri}: {text}");
        }
        element.set_property("uri", None::<&str>);
        let text = start_error(&element);
        assert!(text.starts_with("uid is not set"), "{text}");
    }
}

#[test]
fn a_uri_notifies_of_what_it_sets_and_none_clears_it() {
    let element = source();
    let changed = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let seen = changed.clone();
    element.connect_notify(None, move |_, pspec| {
        seen.lock().unwrap().insert(pspec.name().to_owned());
    });
    let take = || std::mem::take(&mut *changed.lock().unwrap()).into_iter().collect::<Vec<_>>();
    element.set_property("uri", format!("wyze://cam?UID={DEMO_UID}&ENR={DEMO_ENR}&Resolution=720p"));
    assert_eq!(take(), ["enr", "host", "resolution", "uid", "uri"]);
    assert_eq!(element.property::<Option<String>>("uid").as_deref(), Some(DEMO_UID));
    let handler = element.dynamic_cast_ref::<gst::URIHandler>().unwrap();
    handler.set_uri("wyze://cam?resolution=360p").unwrap();
    assert_eq!(take(), ["resolution", "uri"]);
    element.set_property("uri", None::<&str>);
    assert_eq!(take(), ["enr", "host", "uid", "uri"]);
    assert_eq!(element.property::<Option<String>>("uri"), None);
}

/// Sets a text property to bytes that are no UTF-8, as a C program can.
fn set_bytes(element: &gst::Element, name: &str) {
    use glib::translate::{ToGlibPtr, ToGlibPtrMut};
    let mut value = glib::Value::from_type(glib::Type::STRING);
    // SAFETY: The value is of type string; GLib copies the text, which a zero ends.
    unsafe { glib::gobject_ffi::g_value_set_string(value.to_glib_none_mut().0, c"caf\xE9".as_ptr()) };
    let name = std::ffi::CString::new(name).unwrap();
    let object = element.upcast_ref::<glib::Object>();
    // SAFETY: The object has a property of this name and type. glib's own set_property would look into the value.
    unsafe { glib::gobject_ffi::g_object_set_property(object.to_glib_none().0, name.as_ptr(), value.to_glib_none().0) };
}

#[test]
fn a_text_that_is_no_utf8_is_refused_and_changes_nothing() {
    init();
    for factory in ["wyzesrc", "wyzesink"] {
        let element = gst::ElementFactory::make(factory).build().unwrap();
        let texts: Vec<_> = element
            .list_properties()
            .iter()
            .filter(|p| {
                p.owner_type().name().starts_with("GstWyze") && glib::ParamSpec::value_type(p) == glib::Type::STRING
            })
            .map(|p| p.name().to_owned())
            .collect();
        assert!(texts.len() >= 8, "{texts:?}");
        for name in texts {
            let before = element.property::<Option<String>>(&name);
            let critical = criticals(|| set_bytes(&element, &name));
            assert_eq!(critical.len(), 1, "{name}: {critical:?}");
            assert!(critical[0].contains(&name), "{critical:?}");
            assert_eq!(element.property::<Option<String>>(&name), before, "{name}");
        }
    }
}

/// Returns the critical log lines of GLib's domain "wyze" while `act` runs.
fn criticals(act: impl FnOnce()) -> Vec<String> {
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = lines.clone();
    let handler =
        glib::log_set_handler(Some("wyze"), glib::LogLevels::LEVEL_CRITICAL, false, false, move |_, _, text| {
            seen.lock().unwrap().push(text.to_owned());
        });
    act();
    glib::log_remove_handler(Some("wyze"), handler);
    let lines = lines.lock().unwrap();
    lines.clone()
}
