//! `wyze-cameras probe`, `scan` and `list --online`, as a user runs them, against the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/network.rs"]
mod network;
#[path = "support/user.rs"]
mod user;

use network::{Host, Switch};
use pcap_file::pcapng::{Block, PcapNgReader};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use user::{Outcome, User, finish};
use wyze_camera::{
    CameraConfig, CameraEvent, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, MediaSource, SyntheticConfig,
};

fn camera(change: impl FnOnce(&mut CameraConfig)) -> CameraServer {
    let mut config = CameraConfig::demo().unwrap();
    change(&mut config);
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap()
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {outcome:?}"))
}

/// Runs a probe that writes a trace, and returns what it printed and the file.
fn trace(user: &User, arguments: &[&str], environment: &[(&str, &str)]) -> (Outcome, Vec<u8>) {
    let path = user.home.path().join("trace.pcapng");
    let mut command = user.tool(&[&["probe", "--seconds", "1", "--trace", path.to_str().unwrap()], arguments].concat());
    command.envs(environment.iter().copied());
    let outcome = finish(command, "", false);
    (outcome, std::fs::read(&path).unwrap_or_default())
}

#[test]
fn a_probe_tells_what_the_camera_is_like_and_the_store_keeps_it() {
    for (envelope, sdk) in [(Envelope::Transcode, "4.2.1.1"), (Envelope::Cc51, "4.3.8.0")] {
        let user = User::new();
        let camera = camera(|config| config.envelope = envelope);
        user.add("Front Door", camera.addr().port());
        let told = user.run(&["probe", "Front Door", "--seconds", "1"], "").ok();
        let mut at = 0;
        for words in [
            "auth ",
            "connected",
            "talk:     yes\n",
            "resend:   not granted\n",
            "can:      0x001F07FB\n",
            "video:    H.264 (0x4E), video/x-h264 ",
            " frames/s, ",
            " kbit/s; it says ",
            "audio:    ",
            " Hz, 1 channel",
            "clock:    ",
            " this machine's\n",
            "loss:     0 records and 0 frames of ",
            "in 1 s, 0 in disorder\n",
            "versions: SDK ",
            sdk,
            "AV 000B\n",
        ] {
            at += told[at..].find(words).unwrap_or_else(|| panic!("{words} is not there, or not in its place: {told}"));
        }
        let stored = &user.store().cameras().unwrap()[0];
        assert_eq!((stored.model.as_str(), stored.firmware.as_str()), ("WYZE_CAKP2JFUS", "4.36.13.0416"));
        let log = camera.stop();
        assert!(log.is_empty(), "{log}");
    }
}

#[test]
fn a_probe_is_one_json_object_for_programs() {
    let user = User::new();
    let camera = camera(|_| {});
    user.add("Front Door", camera.addr().port());
    let outcome = user.run(&["probe", "--json", "--seconds", "1"], "");
    let told = json(&outcome);
    outcome.ok();
    assert_eq!((&told["camera"], &told["connected"]), (&"Front Door".into(), &true.into()));
    for stage in ["discovery", "session", "dtls", "login", "auth"] {
        assert!(told["stages_ms"][stage].is_number(), "{stage}: {told}");
    }
    assert_eq!((&told["envelope"], &told["model"]), (&"transcode".into(), &"WYZE_CAKP2JFUS".into()));
    assert_eq!((&told["resend"], &told["two_way_audio"]), (&false.into(), &true.into()));
    assert_eq!((&told["versions"]["marker"], &told["versions"]["av"]), (&"1A".into(), &"000B".into()));
    assert_eq!((&told["media"]["video"]["codec_id"], &told["loss"]["records"]), (&0x4E.into(), &0.into()));
    assert!(told["media"]["video"]["caps"].as_str().unwrap().contains("width=(int)"), "{told}");
    assert!(told["clock"]["ahead_seconds"].as_f64().unwrap().abs() < 5.0, "{told}");
    assert_eq!(told["error"], Value::Null);
    camera.configure(|config| config.max_clients = 0);
    let outcome = user.run(&["probe", "--json", "--timeout", "1"], "");
    let told = json(&outcome);
    outcome.fails(1, &["too many viewers"]);
    assert_eq!((&told["connected"], &told["error"]["reason"]), (&false.into(), &"camera-full".into()));
}

#[test]
fn a_probe_tells_what_resends_came_to() {
    let user = User::new();
    let camera = camera(|config| *config = config.clone().with_resends());
    user.add("Front Door", camera.addr().port());
    let told = user.run(&["probe", "--seconds", "1", "--resend", "on"], "").ok();
    assert!(told.contains("resend:   granted\n"), "{told}");
    assert!(told.contains("resends:  0 packets asked for, 0 came, 0 given up\n"), "{told}");
    assert!(!user.run(&["probe", "--seconds", "1"], "").ok().contains("resends:"), "it was not asked");
    let log = camera.stop();
    assert!(log.is_empty(), "{log}");
}

#[test]
fn a_probe_without_media_asks_for_none() {
    let user = User::new();
    let camera = camera(|_| {});
    user.add("Front Door", camera.addr().port());
    let told = user.run(&["probe", "--seconds", "0"], "").ok();
    assert!(told.contains("connected") && !told.contains("video:"), "{told}");
    let asked = |event: &CameraEvent| matches!(event, CameraEvent::Streaming { video, audio, .. } if *video || *audio);
    assert!(!camera.take_events().iter().any(asked));
}

#[test]
fn a_clock_that_was_never_set_is_told() {
    let user = User::new();
    let camera = camera(|_| {});
    camera.change_synthetic(|config| config.start = std::time::Duration::from_secs(1000));
    user.add("Front Door", camera.addr().port());
    let told = user.run(&["probe", "--seconds", "1"], "").ok();
    assert!(told.contains("clock:    was never set\n"), "{told}");
}

#[test]
fn without_a_camera_a_probe_tells_who_answered_instead() {
    let user = User::new();
    // Another camera is at the address.
    let other = camera(|config| {
        config.credentials =
            gstwyze::protocol::credentials::Credentials::new("ABCDEFGHJK1234567890", DEMO_ENR, DEMO_MAC).unwrap();
    });
    user.add("Front Door", other.addr().port());
    let outcome = user.run(&["probe", "--timeout", "1"], "");
    assert!(outcome.stdout.contains("answered: nobody\n"), "{outcome:?}");
    outcome.fails(1, &["no camera with this UID answered"]);

    let closed = UdpSocket::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let outcome = user.run(&["probe", "--port", &closed.port().to_string(), "--timeout", "1"], "");
    assert!(outcome.stdout.contains(&format!("  {closed} answered \"port unreachable\"\n")), "{outcome:?}");

    // Somebody who answers everything, and is no camera.
    let liar = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let address = liar.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let (_, from) = liar.recv_from(&mut buffer).unwrap();
        liar.send_to(b"what do you want from me?", from).unwrap();
    });
    let outcome = user.run(&["probe", "--port", &address.port().to_string(), "--timeout", "1"], "");
    answering.join().unwrap();
    assert!(outcome.stdout.contains(&format!("  {address} answered with something else")), "{outcome:?}");
    let log = other.stop();
    assert!(log.is_empty(), "{log}");
}

#[test]
fn a_trace_tells_what_is_in_it_and_has_no_keys() {
    for envelope in [Envelope::Transcode, Envelope::Cc51] {
        let user = User::new();
        let camera = camera(|config| config.envelope = envelope);
        user.add("Front Door", camera.addr().port());
        let (outcome, file) = trace(&user, &[], &[]);
        let told = outcome.ok();
        for words in ["trace:    ", " datagrams, and ", "  replaced: ", "ENR ", "MAC ", "left out: picture and sound"] {
            assert!(told.contains(words), "{words} is not in: {told}");
        }
        assert!(!told.contains("key log"), "{told}");
        assert!(file.len() > 10_000, "{}", file.len());
        for secret in [DEMO_UID, DEMO_ENR, DEMO_MAC] {
            assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
        let log = camera.stop();
        assert!(log.is_empty(), "{log}");
    }
}

#[test]
fn a_trace_that_keeps_everything_is_larger_and_says_so() {
    let user = User::new();
    let camera = camera(|_| {});
    user.add("Front Door", camera.addr().port());
    let (_, cut) = trace(&user, &[], &[]);
    let (outcome, full) = trace(&user, &["--full"], &[]);
    assert!(outcome.ok().contains("PICTURE AND SOUND"));
    assert!(full.len() > 2 * cut.len(), "{} and {} bytes", full.len(), cut.len());
    user.run(&["probe", "--full"], "").fails(2, &["--trace"]);
    user.run(&["probe", "--trace", "/no/such/folder/x"], "").fails(1, &["/no/such/folder/x cannot be written"]);
}

#[test]
fn a_trace_of_a_failure_is_written_too() {
    let user = User::new();
    let camera = camera(|config| config.max_clients = 0);
    user.add("Front Door", camera.addr().port());
    let (outcome, file) = trace(&user, &["--timeout", "1"], &[]);
    assert!(outcome.stdout.contains("answered in transcode, for this UID"), "{outcome:?}");
    assert!(outcome.stdout.contains("trace:    "), "{outcome:?}");
    outcome.fails(1, &["opens no session"]);
    assert!(file.len() > 1000, "{}", file.len());
}

#[test]
fn the_key_log_is_written_with_a_trace_only() {
    let user = User::new();
    let camera = camera(|_| {});
    user.add("Front Door", camera.addr().port());
    let path = user.home.path().join("keys.log");
    let environment = [("SSLKEYLOGFILE", path.to_str().unwrap())];
    let mut command = user.tool(&["probe", "--seconds", "0"]);
    command.envs(environment);
    finish(command, "", false).ok();
    assert!(!path.exists(), "without --trace nothing is logged");
    let (outcome, _) = trace(&user, &[], &environment);
    assert!(outcome.ok().contains("keep the key log to yourself"));
    let keys = std::fs::read_to_string(&path).unwrap();
    assert!(keys.lines().any(|line| line.starts_with("CLIENT_RANDOM ")), "{keys}");
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let user = User::new();
    let deaf = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    user.add("Front Door", deaf.local_addr().unwrap().port());
    let outcome = user.run(&["probe", "--timeout", "1"], "");
    assert!(!outcome.stderr.contains('\r'), "{outcome:?}");
    // script(1) gives the program a terminal.
    let mut command = Command::new("script");
    let probe = format!("{} probe --timeout 2", env!("CARGO_BIN_EXE_wyze-cameras"));
    command.args(["--quiet", "--command", &probe, "/dev/null"]);
    command.env("HOME", user.home.path()).env("XDG_CONFIG_HOME", user.home.path());
    let outcome = finish(command, "", false);
    assert!(outcome.stdout.contains("discovery … 1 s"), "{outcome:?}");
}

#[test]
fn a_scan_lists_stored_cameras_and_whoever_else_answers() {
    let user = User::new();
    let (stored, other) = (
        camera(|config| config.envelope = Envelope::Cc51),
        camera(|config| {
            config.credentials =
                gstwyze::protocol::credentials::Credentials::new("ABCDEFGHJK1234567890", DEMO_ENR, DEMO_MAC).unwrap();
        }),
    );
    user.add("Front Door", stored.addr().port());
    let arguments = ["scan", "--host", "127.0.0.1", "--port", &other.addr().port().to_string()];
    let outcome = user.run(&arguments, "");
    assert!(outcome.stderr.contains("no Wyze camera is known to answer"), "{outcome:?}");
    let table = outcome.ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "ONLINE", "ADDRESS", "ENVELOPE", "UID"]);
    assert_eq!((rows[1][2], rows[1][4], rows[1][5]), ("yes", "cc51", "-"), "{table}");
    assert_eq!((rows[2][0], rows[2][3], rows[2][4]), ("-", "transcode", "ABCDEFGHJK1234567890"), "{table}");

    other.configure(|config| config.answers_search = false);
    let outcome = user.run(&[&arguments[..], &["--json"]].concat(), "");
    let list = json(&outcome);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list[0]["name"], &list[0]["online"]), (&"Front Door".into(), &true.into()));
    for camera in [stored, other] {
        let log = camera.stop();
        assert!(log.is_empty(), "{log}");
    }
}

#[test]
fn a_scan_names_a_stored_camera_instead_of_its_uid() {
    let user = User::new();
    let camera = camera(|_| {});
    // The store knows another port, so only the empty UID finds it.
    let closed = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    user.add("Front Door", closed.local_addr().unwrap().port());
    let table = user.run(&["scan", "--host", "127.0.0.1", "--port", &camera.addr().port().to_string()], "").ok();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].starts_with("Front Door  no ") && rows[2].starts_with("Front Door  yes"), "{table}");
}

#[test]
fn the_list_marks_what_answers_now() {
    let user = User::new();
    let camera = camera(|_| {});
    user.add("Front Door", camera.addr().port());
    let listed = user.run(&["list", "--online"], "").ok();
    assert!(listed.contains("NAME        ONLINE  MODEL") && listed.contains("Front Door  yes     "), "{listed}");
    let log = camera.stop();
    assert!(log.is_empty(), "{log}");
    let listed = user.run(&["list", "--online"], "").ok();
    assert!(listed.contains("Front Door  no      "), "{listed}");
    let list = json(&user.run(&["list", "--online", "--json"], ""));
    assert_eq!(list[0]["online"], Value::from(false));
    let list = json(&user.run(&["list", "--json"], ""));
    assert_eq!(list[0]["online"], Value::Null);
}

/// Prints "skipped" and ends if network namespaces cannot be created, which takes root.
#[test]
fn in_a_network_a_scan_finds_cameras_and_a_trace_has_both_addresses() {
    let Some(switch) = Switch::new() else { return };
    let (there, here) = (Host::new(), Host::new());
    there.plug(&switch, "eth0", "10.77.0.1/24");
    here.plug(&switch, "eth0", "10.77.0.2/24");
    let listen = SocketAddr::from(([0, 0, 0, 0], 32761));
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    let camera = there.run(|| CameraServer::start(CameraConfig::demo().unwrap(), listen, media).unwrap());
    let user = User::new();
    let table = here.run(|| finish(user.tool(&["scan"]), "", true)).ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), rows[1][1], rows[1][3], rows[1][4]), (2, "yes", "transcode", DEMO_UID), "{table}");
    assert!(rows[1][2].starts_with("10.77.0.1:"), "{table}");

    // Nothing is known of its address.
    let input = format!("{DEMO_UID}\n{DEMO_ENR}\n{DEMO_MAC}\n");
    user.run(&["add", "Front Door"], &input).ok();
    let table = here.run(|| user.run(&["scan"], "")).ok();
    assert_eq!(table.matches("Front Door").count(), 1, "it is listed once: {table}");
    assert!(here.run(|| user.run(&["list", "--online"], "")).ok().contains("Front Door  yes "));
    let (outcome, file) = here.run(|| trace(&user, &[], &[]));
    outcome.ok();
    assert_eq!(user.store().cameras().unwrap()[0].host.as_deref(), Some("10.77.0.1"));
    let mut reader = PcapNgReader::new(&file[..]).unwrap();
    let mut ways = [0; 2];
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.unwrap() else { continue };
        let is_between = |from: [u8; 4], to: [u8; 4]| packet.data[12..20] == [from, to].concat();
        if packet.interface_id == 0 {
            ways[0] += usize::from(is_between([10, 77, 0, 2], [10, 77, 0, 1]));
            ways[1] += usize::from(is_between([10, 77, 0, 1], [10, 77, 0, 2]));
        }
    }
    assert!(ways.iter().all(|&datagrams| datagrams > 20), "{ways:?}");
    let log = camera.stop();
    assert!(log.is_empty(), "{log}");
}
