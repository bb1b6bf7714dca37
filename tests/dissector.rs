//! `tests/dissector/wyze.lua`, by tshark, on traces of the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/user.rs"]
mod user;

use serde_json::Value;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use user::{User, finish};
use wyze_camera::{CameraConfig, CameraServer, Envelope, MediaSource, SyntheticConfig};

/// Traces a camera for some seconds, and returns the file.
fn trace(user: &User, seconds: &str, change: impl FnOnce(&mut CameraConfig), arguments: &[&str]) -> PathBuf {
    let mut config = CameraConfig::demo().unwrap();
    change(&mut config);
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    let camera = CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap();
    user.add("Front Door", camera.addr().port());
    let path = user.home.path().join("trace.pcapng");
    user.run(&[&["probe", "--seconds", seconds, "--trace", path.to_str().unwrap()], arguments].concat(), "").ok();
    path
}

/// Returns tshark with the dissector, and the folder that it reads `file` from.
///
/// Run by root, tshark 4.4 takes no scripts, so it is run by nobody, who must be able to read both.
fn tshark(user: &User, file: &Path) -> (Command, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dissector/wyze.lua");
    for (from, name) in [(script.as_path(), "wyze.lua"), (file, "trace")] {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(to, Permissions::from_mode(0o644)).unwrap();
    }
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = user.command(if is_root { "setpriv" } else { "tshark" });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "tshark"]);
    }
    command.arg("-X").arg(format!("lua_script:{}", folder.path().join("wyze.lua").display()));
    command.arg("-r").arg(folder.path().join("trace")).env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
    (command, folder)
}

/// Returns a column of each packet that fits the filter; empty where the packet lacks the field.
fn column(user: &User, file: &Path, filter: &str, field: &str) -> Vec<String> {
    let (mut command, _folder) = tshark(user, file);
    command.args(["-Y", filter, "-T", "fields", "-e", field]);
    let outcome = finish(command, "", false);
    assert!(!outcome.stderr.contains("wyze.lua"), "{outcome:?}");
    outcome.ok().lines().map(str::to_owned).collect()
}

fn has(column: &[String], value: &str) -> bool {
    column.iter().any(|cell| cell == value)
}

#[test]
fn both_packet_formats_and_the_av_layer_are_dissected() {
    for (envelope, name) in [(Envelope::Transcode, "transcode"), (Envelope::Cc51, "cc51")] {
        let user = User::new();
        let file = trace(&user, "1", |config| config.envelope = envelope, &[]);
        let look = |filter: &str, field: &str| column(&user, &file, filter, field);
        assert!(look("udp", "_ws.malformed").iter().all(String::is_empty), "{name}");
        let undissected = look("udp && !wyze", "frame.number");
        assert!(undissected.is_empty(), "{name}: {undissected:?}");
        assert!(has(&look("wyze.uid", "wyze.uid"), "TRACEUIDTRACEUIDTRAC"), "{name}");
        assert!(has(&look("wyze.envelope", "wyze.envelope"), name));
        if envelope == Envelope::Cc51 {
            let steps = look("wyze.step", "wyze.step");
            assert!(["0", "1", "2", "3"].iter().all(|step| has(&steps, step)), "{steps:?}");
        } else {
            let commands = look("wyze.command", "wyze.command");
            for command in ["0x0601", "0x0602", "0x0402", "0x0404", "0x0407", "0x0408"] {
                assert!(has(&commands, command), "{command}");
            }
        }
        // Wireshark's own dissector reads the handshake.
        assert!(has(&look("dtls.handshake.type == 1", "dtls.handshake.type"), "1"), "{name}");
        assert!(has(&look("wyze.record_type == 23", "wyze.record_epoch"), "1"), "{name}");

        assert!(look("wyze_av", "wyze_av.kind").iter().all(|kind| !kind.starts_with("unknown")), "{name}");
        assert_eq!(look("wyze_av.login.password", "wyze_av.login.password")[0], "TraceEnrTraceEnr");
        assert_eq!(look("wyze_av.login.two_way_audio", "wyze_av.login.two_way_audio"), ["1"]);
        assert_eq!(look("wyze_av.hl.command == 10001", "wyze_av.hl.name"), ["challenge"]);
        assert_eq!(look("wyze_av.hl.command == 10057", "wyze_av.hl.name"), ["resolution: done"]);
        let result: Value = serde_json::from_str(&look("wyze_av.hl.command == 10003", "wyze_av.hl.json")[0]).unwrap();
        assert_eq!(result["cameraInfo"]["basicInfo"]["model"], "WYZE_CAKP2JFUS");
        assert_eq!(result["cameraInfo"]["basicInfo"]["mac"], "02FACE000000");
        assert!(look("wyze_av.ack.high", "wyze_av.ack.high").len() > 5, "{name}");
        assert!(has(&look("wyze_av.media.channel == 5", "wyze_av.info.codec"), "0x004e"), "{name}");
        let macs = look("wyze_av.info.mac", "wyze_av.info.mac");
        assert!(macs.len() > 10 && macs.iter().all(|mac| mac == "02FACE000000"), "{macs:?}");
        assert!(look("wyze_av.media.channel == 3", "wyze_av.omitted").iter().all(|omitted| omitted != "0"));
    }
}

#[test]
fn cameras_of_every_variant_are_dissected() {
    let user = User::new();
    // This camera waits for a second command before it sends media.
    let file = trace(&user, "2", |config| *config = config.clone().with_every_variant(), &[]);
    let look = |filter: &str, field: &str| column(&user, &file, filter, field);
    assert!(look("udp", "_ws.malformed").iter().all(String::is_empty));
    assert!(has(&look("wyze.marker", "wyze.marker"), "0x1d"));
    assert_eq!(look("wyze_av.hl.command == 10003", "wyze_av.hl.name"), ["result"]);
    println!("{:?}", look("wyze_av", "wyze_av.kind"));
    assert!(!look("wyze_av.kind contains \"parity\"", "wyze_av.fec.group").is_empty());
    assert!(!look("wyze_av.kind == \"timing probe\"", "wyze_av.probe.clock").is_empty());
    assert!(!look("wyze_av.media.last == 1", "wyze_av.info.codec").is_empty());
    assert_eq!(
        look("wyze_av.login.capabilities && wyze_av.direction == 1", "wyze_av.login.capabilities"),
        ["0x80000800"]
    );
}

#[test]
fn a_full_trace_is_dissected_as_well() {
    let user = User::new();
    let file = trace(&user, "1", |_| {}, &["--full"]);
    let look = |filter: &str, field: &str| column(&user, &file, filter, field);
    assert!(look("wyze_av.omitted", "wyze_av.omitted").is_empty());
    assert!(has(&look("wyze_av.media.channel == 5 && wyze_av.media.last == 1", "wyze_av.info.codec"), "0x004e"));
    assert!(look("dtls.record.content_type == 23", "frame.number").len() > 20);
}

#[test]
fn resends_are_dissected() {
    let user = User::new();
    let file = trace(&user, "1", |config| *config = config.clone().with_resends(), &["--resend", "on"]);
    let look = |filter: &str, field: &str| column(&user, &file, filter, field);
    assert!(look("udp", "_ws.malformed").iter().all(String::is_empty));
    assert!(has(&look("wyze_av.login.wants_resend", "wyze_av.login.wants_resend"), "1"));
    assert_eq!(look("wyze_av.login.resend", "wyze_av.login.resend"), ["1"]);
    assert_eq!(look("wyze_av.login.password", "wyze_av.login.password")[0], "TraceEnrTraceEnr");
    assert_eq!(look("wyze_av.hl.command == 10003", "wyze_av.hl.name"), ["result"]);
    assert!(!look("wyze_av.fec.data == 20", "wyze_av.fec.group").is_empty());
    let bases = look("wyze_av.ack.base", "wyze_av.ack.base");
    assert!(has(&bases, "65535") && bases.iter().any(|base| base != "65535"), "{bases:?}");
}
