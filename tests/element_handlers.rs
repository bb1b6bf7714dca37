//! Applications that do things in the handlers of messages and signals which other elements forbid there.

#[path = "support/element.rs"]
mod support;

use gst::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use support::*;
use wyze_camera::MediaSource;

/// How long stopping may take: 200 ms, and more on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(1);

fn pipeline(camera: &TestCamera) -> gst::Pipeline {
    let description = "wyzesrc name=source source.video ! fakesink async=false source.audio ! fakesink async=false";
    let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("source").unwrap().set_property("uri", uri(camera));
    pipeline
}

fn uri(camera: &TestCamera) -> String {
    let (uid, enr, mac) = (wyze_camera::DEMO_UID, wyze_camera::DEMO_ENR, wyze_camera::DEMO_MAC);
    format!("wyze://127.0.0.1:{}?uid={uid}&enr={enr}&mac={mac}", camera.addr().port())
}

/// Calls `act` in a sync handler of the pipeline's bus, once, on the first message that `is_wanted`; what it returns
/// comes through the channel.
fn in_handler<T: Send + 'static>(
    pipeline: &gst::Pipeline,
    is_wanted: impl Fn(&gst::Message) -> bool + Send + Sync + 'static,
    act: impl Fn(&gst::Pipeline) -> T + Send + Sync + 'static,
) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    let (weak, done) = (pipeline.downgrade(), AtomicBool::new(false));
    pipeline.bus().unwrap().set_sync_handler(move |_, message| {
        if is_wanted(message)
            && !done.swap(true, Ordering::SeqCst)
            && let Some(pipeline) = weak.upgrade()
        {
            sender.send(act(&pipeline)).unwrap();
        }
        gst::BusSyncReply::Pass
    });
    receiver
}

fn is_connection(message: &gst::Message, wanted: &str) -> bool {
    message.structure().is_some_and(|s| s.name() == "wyze-connection" && s.get("state") == Ok(wanted))
}

fn stop_in_time(pipeline: &gst::Pipeline) -> Duration {
    let start = Instant::now();
    pipeline.set_state(gst::State::Null).unwrap();
    start.elapsed()
}

/// Waits for the handler, and then shows that the element still works.
fn assert_stopped_and_works(pipeline: &gst::Pipeline, stopped: &Receiver<Duration>) {
    let took = stopped.recv_timeout(PATIENCE).expect("the handler returns");
    assert!(took < PROMPTLY, "{took:?}");
    assert_eq!(pipeline.current_state(), gst::State::Null);
    let streams = in_handler(pipeline, |message| is_connection(message, "streaming"), |_| ());
    pipeline.set_state(gst::State::Playing).unwrap();
    streams.recv_timeout(PATIENCE).expect("it streams again");
    assert!(stop_in_time(pipeline) < PROMPTLY);
}

#[test]
fn a_handler_of_each_message_may_stop_the_pipeline() {
    type IsWanted = fn(&gst::Message) -> bool;
    let wanted: [IsWanted; 4] = [
        |message| is_connection(message, "connecting"),
        |message| is_connection(message, "streaming"),
        |message| message.type_() == gst::MessageType::Progress,
        |message| matches!(message.view(), gst::MessageView::Progress(p) if p.get().0 == gst::ProgressType::Complete),
    ];
    for is_wanted in wanted {
        let camera = TestCamera::new(synthetic());
        let pipeline = pipeline(&camera);
        let stopped = in_handler(&pipeline, is_wanted, stop_in_time);
        // Stopping may come before the change of state is over, which then fails.
        let _ = pipeline.set_state(gst::State::Playing);
        assert_stopped_and_works(&pipeline, &stopped);
    }
}

#[test]
fn a_handler_of_an_error_may_stop_the_pipeline() {
    let camera = TestCamera::start(
        |config| config.refuse_login = true,
        MediaSource::None,
        Default::default(),
        Tolerance::Nothing,
    );
    let pipeline = pipeline(&camera);
    let stopped = in_handler(&pipeline, |message| message.type_() == gst::MessageType::Error, stop_in_time);
    let _ = pipeline.set_state(gst::State::Playing);
    assert!(stopped.recv_timeout(PATIENCE).unwrap() < PROMPTLY);
}

#[test]
fn handlers_of_signals_may_stop_the_pipeline() {
    for signal in ["pad-added", "no-more-pads", "notify::camera-info"] {
        let camera = TestCamera::new(synthetic());
        let pipeline = pipeline(&camera);
        let (sender, stopped) = mpsc::channel();
        let (weak, done) = (pipeline.downgrade(), Arc::new(AtomicBool::new(false)));
        pipeline.by_name("source").unwrap().connect(signal, false, move |_| {
            if !done.swap(true, Ordering::SeqCst)
                && let Some(pipeline) = weak.upgrade()
            {
                sender.send(stop_in_time(&pipeline)).unwrap();
            }
            None
        });
        let _ = pipeline.set_state(gst::State::Playing);
        assert_stopped_and_works(&pipeline, &stopped);
    }
}

/// The first pipeline is stopped while its message is being handled, and the handler starts another one.
#[test]
fn a_handler_may_start_another_pipeline_while_its_own_is_stopped() {
    let (camera, other) = (TestCamera::new(synthetic()), TestCamera::with_config(another, synthetic()));
    let [first, second] = [&camera, &other].map(pipeline);
    second.by_name("source").unwrap().set_property("uri", uri(&other).replace(wyze_camera::DEMO_UID, OTHER_UID));
    let (entered, is_entered) = mpsc::channel();
    let starts = in_handler(&first, |message| is_connection(message, "streaming"), {
        let second = second.clone();
        move |_| {
            entered.send(()).unwrap();
            second.set_state(gst::State::Playing).unwrap()
        }
    });
    let streams = in_handler(&second, |message| is_connection(message, "streaming"), |_| ());
    first.set_state(gst::State::Playing).unwrap();
    is_entered.recv_timeout(PATIENCE).unwrap();
    assert!(stop_in_time(&first) < PROMPTLY);
    starts.recv_timeout(PATIENCE).expect("the handler returns");
    streams.recv_timeout(PATIENCE).expect("the second pipeline streams");
    assert!(stop_in_time(&second) < PROMPTLY);
}

const OTHER_UID: &str = "HSBJYB5HSETGCDWD112A";

fn another(config: &mut wyze_camera::CameraConfig) {
    let credentials =
        gstwyze::protocol::credentials::Credentials::new(OTHER_UID, wyze_camera::DEMO_ENR, wyze_camera::DEMO_MAC);
    config.credentials = credentials.unwrap();
}

/// A handler that stops the pipeline, and another thread that does, at the same time.
#[test]
fn a_handler_and_a_thread_may_stop_the_pipeline_at_once() {
    for _ in 0..10 {
        let camera = TestCamera::new(synthetic());
        let pipeline = pipeline(&camera);
        let (entered, is_entered) = mpsc::channel();
        let stopped = in_handler(
            &pipeline,
            |message| is_connection(message, "streaming"),
            move |pipeline| {
                entered.send(()).unwrap();
                stop_in_time(pipeline)
            },
        );
        pipeline.set_state(gst::State::Playing).unwrap();
        is_entered.recv_timeout(PATIENCE).unwrap();
        assert!(stop_in_time(&pipeline) < PROMPTLY);
        assert!(stopped.recv_timeout(PATIENCE).unwrap() < PROMPTLY);
    }
}

/// The error comes before the one that upstream posts when its push fails.
#[test]
fn the_sinks_own_reason_comes_first() {
    for _ in 0..10 {
        let camera = TestCamera::with_config(|config| config.two_way_audio = false, MediaSource::None);
        let description = "audiotestsrc is-live=true ! wyzesink name=sink";
        let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.by_name("sink").unwrap().set_property("uri", uri(&camera));
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().message().contains("two-way"), "{}", error.error());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
