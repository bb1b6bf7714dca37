//! GStreamer's own programs with this plugin: what they leave behind, and what they print.

#[path = "support/home.rs"]
mod home;

use gstwyze::account::{Camera, Cameras, Store, StoreError};
use home::home;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use wyze_camera::{CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, MediaSource, SyntheticConfig};

/// Seconds after which a program is killed; none takes nearly as long.
const DEADLINE: &str = "60";

/// Runs a program with the tracer, and asserts that it ends with this exit code and has left nothing.
fn assert_no_leak(home: &Path, program: &str, arguments: &str, code: i32) {
    let mut command = Command::new("timeout");
    command.args([DEADLINE, program]).args(arguments.split_whitespace());
    command.env("GST_PLUGIN_PATH", home).env("GST_REGISTRY", home.join("registry")).env("XDG_CONFIG_HOME", home);
    command.env("GST_TRACERS", "leaks").env("GST_DEBUG", "GST_TRACER:7").env("GST_DEBUG_NO_COLOR", "1");
    let output = command.output().expect("coreutils' timeout");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let found: Vec<_> = text.lines().filter(|line| line.contains("object-alive, type-name=(string)G")).collect();
    assert_eq!(output.status.code(), Some(code), "{program} {arguments} printed:\n{text}");
    assert!(text.contains("object-alive"), "the tracer runs");
    assert!(found.is_empty() && !text.contains("Leaks detected"), "{program} {arguments} left {found:#?}");
}

#[test]
fn the_leaks_tracer_finds_nothing_after_any_run() {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let media = SyntheticConfig { key_frame_len: 6000, frame_len: 1500, ..SyntheticConfig::default() };
    let camera = CameraServer::start(CameraConfig::demo().unwrap(), listen, MediaSource::Synthetic(media)).unwrap();
    let keys = format!("uid={DEMO_UID} enr={DEMO_ENR} mac={DEMO_MAC} host=127.0.0.1");
    let there = format!("{keys} port={}", camera.addr().port());
    let home = home();
    let launch = |line: &str, code| assert_no_leak(home.path(), "gst-launch-1.0", line, code);
    // Long enough for time stamps of the camera's own clock.
    launch(
        &format!("-q wyzesrc name=c {there} c.video ! fakesink num-buffers=70 c.audio ! fakesink num-buffers=80"),
        0,
    );
    launch(&format!("-q wyzesrc {there} video=false ! decodebin ! fakesink num-buffers=30"), 0);
    launch(&format!("-q audiotestsrc num-buffers=20 ! wyzesink {there}"), 0);
    launch(&format!("-q wyzesrc {keys} port=1 connect-timeout=300 ! fakesink"), 1);
    launch(&format!("-q audiotestsrc ! wyzesink {keys} port=1 connect-timeout=300"), 1);
    launch("-q wyzesrc ! fakesink", 255);
    assert_no_leak(home.path(), "gst-inspect-1.0", "wyzesrc", 0);
    assert_no_leak(home.path(), "gst-inspect-1.0", "wyzesink", 0);
    assert_no_leak(home.path(), "gst-device-monitor-1.0", "Source/Network", 0);
}

/// GStreamer's own parts log the arguments of the launch line, so `uri=` and `enr=` are told by them and `camera=` is
/// not.
#[test]
fn nothing_logs_the_keys_of_a_camera_that_is_named() {
    let media = SyntheticConfig { key_frame_len: 6000, frame_len: 1500, ..SyntheticConfig::default() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let camera = CameraServer::start(CameraConfig::demo().unwrap(), listen, MediaSource::Synthetic(media)).unwrap();
    let home = home();
    let stored = Camera {
        name: "Front Door".into(),
        uid: DEMO_UID.into(),
        enr: DEMO_ENR.into(),
        mac: DEMO_MAC.into(),
        host: Some("127.0.0.1".into()),
        port: Some(camera.addr().port()),
        ..Camera::default()
    };
    let store = Store::at(home.path().join("gst-plugin-wyze"));
    let change = |cameras: &mut Cameras| {
        cameras.push(stored);
        Ok::<_, StoreError>(())
    };
    store.update(change).unwrap();
    for source in ["camera=Front Door", "uri=wyze:///Front%20Door"] {
        let mut command = Command::new("timeout");
        let line = ["wyzesrc", source, "video=false", "!", "decodebin", "!", "fakesink", "num-buffers=20"];
        command.args([DEADLINE, "gst-launch-1.0"]).args(line);
        command.env("GST_PLUGIN_PATH", home.path()).env("GST_REGISTRY", home.path().join("registry"));
        command.env("XDG_CONFIG_HOME", home.path()).env("GST_DEBUG", "9");
        let output = command.output().expect("coreutils' timeout");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.len() > 1_000_000 && text.contains("Connected"), "{} bytes", text.len());
        for secret in [DEMO_UID, DEMO_ENR, DEMO_MAC] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{source}");
        }
    }
}
