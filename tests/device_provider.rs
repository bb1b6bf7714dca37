//! `wyzedeviceprovider`: lists the cameras of the store as devices, which come and go.

#[path = "support/element.rs"]
mod support;
#[path = "support/store.rs"]
mod with_store;

use gst::prelude::*;
use gstwyze::account::{Camera, Store};
use gstwyze::protocol::credentials::Credentials;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::mpsc;
use support::*;
use with_store::*;
use wyze_camera::{CameraConfig, CameraEvent, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, MediaSource};

const OTHER_UID: &str = "GARAGE7890123456789A";

fn provider() -> gst::DeviceProvider {
    init();
    gst::DeviceProviderFactory::by_name("wyzedeviceprovider").unwrap()
}

/// Returns the entry of a camera that does not answer.
fn silent(name: &str) -> Camera {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Camera { uid: OTHER_UID.into(), host: Some("127.0.0.1".into()), port: Some(port), ..demo(name) }
}

fn property<T: for<'a> gst::glib::value::FromValue<'a> + 'static>(device: &gst::Device, name: &str) -> T {
    let properties = device.properties().unwrap();
    properties.value(name).unwrap_or_else(|_| panic!("no {name} in {properties}")).get().unwrap()
}

/// Returns a device's name, its class, and whether it is online.
fn describe(device: &gst::Device) -> (String, String, bool) {
    (device.display_name().into(), device.device_class().into(), property(device, "online"))
}

fn both(name: &str, online: bool) -> Vec<(String, String, bool)> {
    ["Sink/Network/Audio", "Source/Network/Video"].map(|class| (name.into(), class.into(), online)).to_vec()
}

fn with_uid(uid: &str, envelope: Envelope) -> TestCamera {
    let change = |config: &mut CameraConfig| {
        config.envelope = envelope;
        config.credentials = Credentials::new(uid, DEMO_ENR, DEMO_MAC).unwrap();
    };
    TestCamera::with_config(change, MediaSource::None)
}

#[test]
fn a_probe_lists_the_cameras_of_the_store_and_who_is_online() {
    if !with_own_store("a_probe_lists_the_cameras_of_the_store_and_who_is_online") {
        return;
    }
    assert_eq!(provider().devices().len(), 0);
    let camera = TestCamera::new(MediaSource::None);
    let newer = with_uid("NEWER67890123456789A", Envelope::Cc51);
    keep(entry("Front Door", &camera));
    keep(Camera { uid: "NEWER67890123456789A".into(), ..entry("Newer", &newer) });
    let by_name = with_uid("NAMED67890123456789A", CameraConfig::demo().unwrap().envelope);
    let host = Some("localhost".to_owned());
    keep(Camera { uid: "NAMED67890123456789A".into(), host, ..entry("By Name", &by_name) });
    keep(silent("Garage"));
    keep(Camera { model: "ME_WCO3".into(), uid: "".into(), ..demo("OG") });
    let provider = provider();
    let devices = provider.devices();
    let mut described: Vec<_> = devices.iter().map(describe).collect();
    described.sort();
    let expected = [
        both("By Name", true),
        both("Front Door", true),
        both("Garage", false),
        both("Newer", true),
        both("OG", false),
    ];
    assert_eq!(described, expected.concat());
    let device = |name: &str| devices.iter().find(|device| device.display_name() == name).unwrap();
    let front = device("Front Door");
    for (name, value) in
        [("device.api", "wyze"), ("model", "WYZE_CAKP2JFUS"), ("firmware", "4.36.13.0416"), ("address", "127.0.0.1")]
    {
        assert_eq!(property::<String>(front, name), value);
    }
    let ids: BTreeSet<String> = devices.iter().map(|device| property(device, "device.id")).collect();
    assert_eq!(ids.len(), 5, "source and sink of a camera have the same");
    assert!(property::<bool>(front, "can-stream") && !property::<bool>(device("OG"), "can-stream"));
    assert!(property::<String>(device("OG"), "cannot-stream").contains("Agora"));
    assert_eq!(property::<String>(front, "paths"), "LAN, WebRTC");
    for device in &devices {
        let text = device.properties().unwrap().to_string();
        assert!(![DEMO_UID, DEMO_ENR, DEMO_MAC, OTHER_UID].iter().any(|secret| text.contains(secret)), "{text}");
        let (caps, video) = (device.caps().unwrap(), gst::Caps::new_empty_simple("video/x-h265"));
        assert_eq!(caps.can_intersect(&video), device.has_classes("Source"), "{caps}");
        assert!(caps.can_intersect(&gst::Caps::new_empty_simple("audio/x-mulaw")), "{caps}");
    }
    // No camera had to take a connection.
    for camera in [&camera, &newer] {
        assert!(!camera.take_events().iter().any(|event| matches!(event, CameraEvent::ClientConnected { .. })));
    }
}

struct Monitor(gst::DeviceMonitor);

impl Monitor {
    /// Waits for the next camera that comes or goes, and returns its source and its sink.
    fn next(&self, added: bool) -> Vec<gst::Device> {
        let kind = if added { gst::MessageType::DeviceAdded } else { gst::MessageType::DeviceRemoved };
        let mut devices: Vec<_> = (0..2)
            .map(|_| {
                let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
                let kinds = [gst::MessageType::DeviceAdded, gst::MessageType::DeviceRemoved];
                let message = self.0.bus().timed_pop_filtered(patience, &kinds).expect("a device comes or goes");
                assert_eq!(message.type_(), kind, "{message:?}");
                match message.view() {
                    gst::MessageView::DeviceAdded(added) => added.device(),
                    gst::MessageView::DeviceRemoved(removed) => removed.device(),
                    _ => unreachable!(),
                }
            })
            .collect();
        devices.sort_by_key(|device| device.device_class());
        devices
    }

    fn next_described(&self, added: bool) -> Vec<(String, String, bool)> {
        self.next(added).iter().map(describe).collect()
    }

    fn listed(&self) -> Vec<(String, String, bool)> {
        let mut listed: Vec<_> = self.0.devices().iter().map(describe).collect();
        listed.sort();
        listed
    }
}

fn has_thread(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads.flatten().any(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
}

#[test]
fn a_monitor_sees_cameras_come_and_go() {
    if !with_own_store("a_monitor_sees_cameras_come_and_go") {
        return;
    }
    init();
    let monitor = Monitor(gst::DeviceMonitor::new());
    for class in ["Source/Network/Video", "Sink/Network/Audio"] {
        assert!(monitor.0.add_filter(Some(class), None).is_some());
    }
    // The store's folder does not exist yet.
    assert!(!Store::open_default().folder().exists());
    monitor.0.start().unwrap();
    assert!(monitor.listed().is_empty());
    // The thread sets its name itself, and the system lists it for a moment after its end.
    wait_until("the thread", || has_thread("wyze-devices"));

    let camera = TestCamera::new(synthetic());
    keep(entry("Front Door", &camera));
    assert_eq!(monitor.next_described(true), both("Front Door", true));
    assert_eq!(monitor.listed(), both("Front Door", true));

    // It goes. A change of the store causes a look at once.
    drop(camera);
    keep(silent("Garage"));
    assert_eq!(monitor.next_described(true), both("Garage", false));
    assert_eq!(monitor.next_described(false), both("Front Door", true));
    assert_eq!(monitor.next_described(true), both("Front Door", false));

    // It comes back at another port.
    let camera = TestCamera::new(synthetic());
    change(|cameras| cameras[0] = entry("Front Door", &camera));
    assert_eq!(monitor.next_described(false), both("Front Door", false));
    assert_eq!(monitor.next_described(true), both("Front Door", true));

    change(|cameras| cameras.truncate(1));
    assert_eq!(monitor.next_described(false), both("Garage", false));

    // A store that cannot be read has no cameras, until it can.
    let file = Store::open_default().folder().join("cameras.json");
    let text = fs::read(&file).unwrap();
    fs::write(&file, "{").unwrap();
    assert_eq!(monitor.next_described(false), both("Front Door", true));
    fs::write(&file, text).unwrap();
    assert_eq!(monitor.next_described(true), both("Front Door", true));

    monitor.0.stop();
    wait_until("the thread's end", || !has_thread("wyze-devices"));
}

#[test]
fn a_provider_that_is_stopped_leaves_nothing() {
    if !with_own_store("a_provider_that_is_stopped_leaves_nothing") {
        return;
    }
    let camera = TestCamera::new(MediaSource::None);
    keep(entry("Front Door", &camera));
    let open_files = || fs::read_dir("/proc/self/fd").unwrap().count();
    let cycle = || {
        let factory = gst::DeviceProviderFactory::find("wyzedeviceprovider").unwrap();
        let provider = factory.get().unwrap();
        provider.start().unwrap();
        let devices = provider.devices();
        assert_eq!(devices.len(), 2);
        provider.stop();
        devices.iter().map(|device| device.downgrade()).collect::<Vec<_>>()
    };
    cycle();
    let before = open_files();
    let devices: Vec<_> = (0..100).flat_map(|_| cycle()).collect();
    assert_eq!(open_files(), before);
    assert!(devices.iter().all(|device| device.upgrade().is_none()));
    wait_until("the thread's end", || !has_thread("wyze-devices"));
}

#[test]
fn a_device_makes_an_element_that_plays() {
    if !with_own_store("a_device_makes_an_element_that_plays") {
        return;
    }
    let camera = TestCamera::new(synthetic());
    keep(entry("Front Door", &camera));
    // Two cameras have this name, so the element gets the UID.
    keep(silent("front door"));
    let devices = provider().devices();
    let find = |class: &str| devices.iter().find(|d| d.has_classes(class) && property(d, "online")).unwrap();
    let src = find("Source").create_element(Some("mine")).unwrap();
    assert_eq!((src.name().as_str(), src.property::<String>("camera").as_str()), ("mine", DEMO_UID));
    assert_eq!(src.property::<Option<String>>("enr"), None);
    assert_eq!(find("Sink").create_element(None).unwrap().factory().unwrap().name(), "wyzesink");

    let pipeline = gst::Pipeline::new();
    pipeline.add(&src).unwrap();
    let (sender, buffers) = mpsc::channel();
    let weak = pipeline.downgrade();
    src.connect_pad_added(move |_, pad| {
        sink(&weak.upgrade().unwrap(), pad);
        let sender = sender.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = sender.send(());
            gst::PadProbeReturn::Ok
        });
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    buffers.recv_timeout(PATIENCE).expect("a buffer");
    assert!(find("Source").reconfigure_element(&src).is_err(), "while it runs");
    pipeline.set_state(gst::State::Null).unwrap();

    // Properties of another camera are reset.
    for name in ["uid", "enr", "mac", "host", "model"] {
        src.set_property(name, "another");
    }
    assert!(find("Sink").reconfigure_element(&src).is_err(), "a sink is no source");
    find("Source").reconfigure_element(&src).unwrap();
    while buffers.try_recv().is_ok() {}
    pipeline.set_state(gst::State::Playing).unwrap();
    buffers.recv_timeout(PATIENCE).expect("a buffer");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn gst_device_monitor_lists_the_cameras() {
    if !with_own_store("gst_device_monitor_lists_the_cameras") {
        return;
    }
    let camera = TestCamera::new(MediaSource::None);
    keep(entry("Front Door", &camera));
    keep(silent("Garage"));
    let plugin = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let output = Command::new("gst-device-monitor-1.0")
        .args(["Source/Network", "Sink/Network"])
        .env("GST_PLUGIN_PATH", plugin)
        .output()
        .expect("gst-device-monitor-1.0, of gstreamer1.0-plugins-base-apps");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert_eq!(text.matches("Device found:").count(), 4);
    for line in [
        "name  : Front Door",
        "class : Source/Network/Video",
        "class : Sink/Network/Audio",
        "caps  : video/x-h264, stream-format=byte-stream, alignment=au",
        "model = WYZE_CAKP2JFUS",
        "address = 127.0.0.1",
        "online = true",
        "online = false",
        "gst-launch-1.0 wyzesrc camera=",
        "! wyzesink camera=",
    ] {
        assert!(text.contains(line), "{line}");
    }
    assert!(!text.contains(" uri="), "the camera is named once");
    for secret in [DEMO_UID, DEMO_ENR, DEMO_MAC, OTHER_UID] {
        assert!(!text.contains(secret), "{secret}");
    }
}
