//! What players and other elements ask of a GStreamer source beyond buffers: streams, tags, queries, the connection's
//! state, details of errors.

#[path = "support/connection.rs"]
mod connection;
#[path = "support/element.rs"]
mod support;
#[path = "support/store.rs"]
mod with_store;

use connection::*;
use gst::prelude::*;
use gst::{EventType, EventView, MessageView};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;
use with_store::*;
use wyze_camera::{CameraConfig, LiveAudio, LiveVideo, MediaSource, ServerOptions};

/// A camera whose acknowledgements may be late: this is about other things.
fn camera(media: MediaSource) -> TestCamera {
    TestCamera::start(|_| {}, media, ServerOptions::default(), Tolerance::Behaviour)
}

/// Returns the events on a pad before its first buffer.
fn events_before_data(player: &Player, pad: &str) -> Vec<gst::Event> {
    let mut events = Vec::new();
    player.until("the first buffer", |seen| {
        if let Seen::Event(name, event) = seen
            && name == pad
        {
            events.push(event.clone());
        }
        seen.buffer(pad)
    });
    events
}

fn is_collection(seen: &Seen) -> bool {
    matches!(seen, Seen::Message(message) if message.type_() == gst::MessageType::StreamCollection)
}

fn stream_of(event: &gst::Event) -> gst::Stream {
    let EventView::StreamStart(start) = event.view() else { panic!("{event:?} comes first") };
    let stream = start.stream().expect("a GstStream");
    assert_eq!(stream.stream_id().unwrap(), start.stream_id());
    stream
}

#[test]
fn streams_are_described_before_their_data_in_one_collection() {
    let camera = camera(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let events = events_before_data(&player, "video");
    let kinds: Vec<_> = events.iter().map(|event| event.type_()).collect();
    let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
    assert_eq!((count(EventType::StreamStart), count(EventType::StreamCollection)), (1, 1), "{kinds:?}");
    assert!(count(EventType::Tag) > 0, "{kinds:?}");
    let stream = stream_of(&events[0]);
    assert_eq!(stream.stream_type(), gst::StreamType::VIDEO);
    assert!(stream.stream_flags().contains(gst::StreamFlags::SELECT));
    assert_eq!(stream.caps(), player.src.static_pad("video").unwrap().current_caps());
    let sent = events.iter().find_map(|event| match event.view() {
        EventView::StreamCollection(collection) => Some(collection.stream_collection()),
        _ => None,
    });
    let sent = sent.unwrap();
    let types: Vec<_> = sent.iter().map(|stream| stream.stream_type()).collect();
    assert_eq!(types, [gst::StreamType::VIDEO, gst::StreamType::AUDIO]);

    // The ids of a camera's streams are the same each time.
    player.stop();
    let again = Player::new(&camera, Link::Both);
    again.play();
    assert_eq!(stream_of(&events_before_data(&again, "video")[0]).stream_id(), stream.stream_id());
}

#[test]
fn the_application_is_told_of_the_collection_once() {
    let camera = camera(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let collection = player.until("the collection", |seen| match seen {
        Seen::Message(message) => match message.view() {
            MessageView::StreamCollection(collection) => Some(collection.stream_collection()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(collection.len(), 2);
    for _ in 0..30 {
        player.until("a picture", |seen| {
            assert!(!is_collection(seen));
            seen.buffer("video")
        });
    }
}

#[test]
fn a_camera_without_sound_has_a_collection_of_one() {
    let camera = camera(live(LiveVideo::H264, LiveAudio::None));
    let player = Player::new(&camera, Link::Both);
    player.play();
    let events = events_before_data(&player, "video");
    let collections = events.iter().filter_map(|event| match event.view() {
        EventView::StreamCollection(collection) => Some(collection.stream_collection().len()),
        _ => None,
    });
    assert_eq!(collections.collect::<Vec<_>>(), [1]);
}

#[test]
fn tags_tell_which_camera_it_is_and_never_its_keys() {
    if !with_own_store("tags_tell_which_camera_it_is_and_never_its_keys") {
        return;
    }
    let camera = camera(synthetic());
    keep(entry("Front Door", &camera));
    let player = Player::bare(Link::Both);
    player.src.set_property("camera", "front door");
    player.play();
    let mut tags = gst::TagList::new();
    player.until("all tags", |seen| {
        if let Seen::Event(name, event) = seen
            && let EventView::Tag(tag) = event.view()
            && name == "video"
        {
            tags.make_mut().insert(tag.tag(), gst::TagMergeMode::Replace);
        }
        tags.get::<gst::tags::DateTime>().and(tags.get::<gst::tags::NominalBitrate>()).map(drop)
    });
    assert_eq!(tags.get::<gst::tags::Title>().unwrap().get(), "Front Door");
    assert_eq!(tags.get::<gst::tags::DeviceManufacturer>().unwrap().get(), "Wyze");
    let info = player.src.property::<gst::Structure>("camera-info");
    assert_eq!(tags.get::<gst::tags::DeviceModel>().unwrap().get(), info.get::<&str>("model").unwrap());
    let firmware = format!("firmware {}", info.get::<&str>("firmware").unwrap());
    assert_eq!(tags.get::<gst::tags::ApplicationName>().unwrap().get(), firmware);
    let settings = player.src.property::<gst::Structure>("camera-settings");
    let bitrate = tags.get::<gst::tags::NominalBitrate>().unwrap().get();
    assert_eq!(bitrate, settings.get::<i32>("bitrate").unwrap() as u32 * 1000);
    let begin = tags.get::<gst::tags::DateTime>().unwrap().get().to_g_date_time().unwrap();
    let age = gst::glib::DateTime::now_utc().unwrap().difference(&begin).as_seconds();
    assert!((0..60).contains(&age), "{age} s");
    // The stream's tags are both kinds.
    let pad = player.src.static_pad("video").unwrap();
    let own = pad.stream().unwrap().tags().unwrap();
    assert!(own.get::<gst::tags::Title>().is_some() && own.get::<gst::tags::NominalBitrate>().is_some());
}

#[test]
fn queries_are_answered_as_by_live_sources() {
    let camera = camera(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    let last = player.buffers("video", 10).pop().unwrap();
    let pad = player.src.static_pad("video").unwrap();

    let mut duration = gst::query::Duration::new(gst::Format::Time);
    assert!(pad.query(&mut duration));
    assert_eq!(duration.result().value(), -1, "there is no end");
    let mut position = gst::query::Position::new(gst::Format::Time);
    assert!(pad.query(&mut position));
    let gst::GenericFormattedValue::Time(Some(position)) = position.result() else { panic!("no position") };
    assert!(position >= last.pts().unwrap() && position < last.pts().unwrap() + gst::ClockTime::from_seconds(20));
    let mut scheduling = gst::query::Scheduling::new();
    assert!(pad.query(&mut scheduling));
    let flags = gst::SchedulingFlags::SEQUENTIAL | gst::SchedulingFlags::BANDWIDTH_LIMITED;
    assert_eq!(scheduling.result().0, flags);
    assert!(scheduling.has_scheduling_mode(gst::PadMode::Push) && !scheduling.has_scheduling_mode(gst::PadMode::Pull));
    let mut uri = gst::query::Uri::new();
    assert!(pad.query(&mut uri));
    assert_eq!(uri.uri().unwrap(), format!("wyze://127.0.0.1:{}", camera.addr().port()), "it has no keys");
}

#[test]
fn the_uri_of_a_stored_camera_is_its_name() {
    if !with_own_store("the_uri_of_a_stored_camera_is_its_name") {
        return;
    }
    let camera = camera(synthetic());
    keep(entry("Front Door", &camera));
    let player = Player::bare(Link::Both);
    player.src.set_property("camera", wyze_camera::DEMO_UID);
    player.play();
    player.buffer("video");
    let mut uri = gst::query::Uri::new();
    assert!(player.src.static_pad("video").unwrap().query(&mut uri));
    assert_eq!(uri.uri().unwrap(), "wyze:///Front%20Door");
}

/// Collects the values of connection-state as they are notified.
fn states(element: &gst::Element) -> Arc<Mutex<Vec<String>>> {
    let states = Arc::<Mutex<Vec<String>>>::default();
    let sink = states.clone();
    element.connect_notify(Some("connection-state"), move |element, _| {
        sink.lock().unwrap().push(connection_state(element));
    });
    states
}

#[test]
fn who_comes_late_can_read_how_the_connection_goes() {
    let camera = TestCamera::start(|_| {}, synthetic(), ServerOptions::default(), Tolerance::Anything);
    let player = Player::new(&camera, Link::Both);
    let states = states(&player.src);
    assert_eq!(connection_state(&player.src), "none");
    player.play();
    player.buffer("video");
    wait_until("streaming", || connection_state(&player.src) == "streaming");
    camera.reboot(Duration::from_millis(300));
    wait_until("reconnecting", || states.lock().unwrap().iter().any(|state| state == "reconnecting"));
    wait_until("streaming again", || connection_state(&player.src) == "streaming");
    player.stop();
    assert_eq!(connection_state(&player.src), "none");
    let states = states.lock().unwrap();
    assert_eq!(states.first().unwrap(), "connecting", "{states:?}");
    assert_eq!(states.last().unwrap(), "none", "{states:?}");
}

/// Waits for an error message, and returns its details.
fn details(pipeline: &gst::Pipeline) -> gst::Structure {
    let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
    let message = pipeline.bus().unwrap().timed_pop_filtered(patience, &[gst::MessageType::Error]).expect("an error");
    let MessageView::Error(error) = message.view() else { unreachable!() };
    error.details().expect("details").to_owned()
}

#[test]
fn errors_have_details_for_programs() {
    let camera = TestCamera::start(
        |config: &mut CameraConfig| config.two_way_audio = false,
        synthetic(),
        ServerOptions::default(),
        Tolerance::Anything,
    );
    let pipeline = |line: String| {
        init();
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let _ = pipeline.set_state(gst::State::Playing);
        let details = details(&pipeline);
        pipeline.set_state(gst::State::Null).unwrap();
        let text = |field| details.get::<String>(field).unwrap();
        (text("stage"), text("reason"), text("camera"))
    };
    let words = |stage: &str, reason: &str| (stage.to_owned(), reason.to_owned(), "127.0.0.1".to_owned());
    let line = format!("audiotestsrc is-live=true ! wyzesink {}", settings(&camera));
    assert_eq!(pipeline(line), words("talk", "no-two-way-audio"));
    drop(camera);
    let nobody = "uid=HSBJYB5HSETGCDWD111A enr=0123456789abcdef mac=AABBCCDDEEFF host=127.0.0.1 port=9";
    let line = format!("wyzesrc {nobody} connect-timeout=500 ! fakesink");
    assert_eq!(pipeline(line), words("discovery", "port-unreachable"));
}
