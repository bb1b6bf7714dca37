//! `wyze-cameras` as a user runs it, against a cloud on 127.0.0.1 and the simulated camera.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/user.rs"]
mod user;

use cloud::{API_KEY, Answer, EMAIL, KEY_ID, MAILED_CODE, MockCloud, PASSWORD, Proof, TOTP_SECRET};
use gstwyze::account::Secret;
use gstwyze::protocol::wire::hl::ChallengeStatus;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use terminal::{echoes, terminal};
use user::{ACCOUNT, User, finish};
use wyze_camera::{
    CameraConfig, CameraServer, DEMO_ENR, DEMO_MAC, DEMO_UID, Envelope, LiveMediaConfig, MediaSource, SyntheticConfig,
};

const LIST: &str = "/app/v2/home_page/get_object_list";

fn camera(change: impl FnOnce(&mut CameraConfig)) -> CameraServer {
    let mut config = CameraConfig::demo().unwrap();
    change(&mut config);
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap()
}

#[test]
fn a_login_from_the_environment_keeps_the_account_s_cameras() {
    let user = User::new();
    let outcome = user.run_with_account(&["login"]);
    assert!(outcome.stderr.contains("Logging in") && outcome.stderr.contains("Fetching"), "{outcome:?}");
    let listed = outcome.ok();
    assert_eq!(user.run(&["list"], "").ok(), listed);
    let rows: Vec<&str> = listed.lines().collect();
    assert!(rows[0].starts_with("NAME        MODEL           FIRMWARE      ADDRESS    AGE  STREAMS"), "{listed}");
    assert!(
        rows[1].starts_with("Front Door  WYZE_CAKP2JFUS  4.36.13.0416  127.0.0.1  new  yes, by LAN or WebRTC"),
        "{listed}"
    );
    assert!(rows[2].contains("GW_GC1") && rows[2].contains("yes, by WebRTC"), "{listed}");
    assert_eq!(rows.len(), 3);
    assert_eq!(user.cloud.logins(), 1);
}

#[test]
fn a_login_asks_for_what_the_environment_has_not() {
    let user = User::new();
    user.cloud.state().factors = vec!["Email"];
    let outcome = user.run(&["login"], &format!("{EMAIL}\n{PASSWORD}\n{KEY_ID}\n{API_KEY}\n{MAILED_CODE}\n"));
    for question in ["E-mail:", "Password:", "Key id", "API key:", "by e-mail:"] {
        assert!(outcome.stderr.contains(question), "{outcome:?}");
    }
    outcome.ok();
    assert_eq!(user.names(), ["Front Door", "Porch"]);
}

#[test]
fn what_is_secret_is_typed_in_a_terminal_without_echo() {
    let user = User::new();
    let (program, mut typist) = terminal();
    let mut command = user.command("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_wyze-cameras"), "login"]);
    command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).stderr(program);
    let mut child = command.spawn().expect("util-linux' setsid");
    // The command has the program's side of the terminal too, and would keep it open.
    drop(command);
    let mut shown = String::new();
    for (question, answer, is_secret) in [
        ("E-mail:", EMAIL, false),
        ("Password:", PASSWORD, true),
        ("Key id", KEY_ID, false),
        ("API key:", API_KEY, true),
    ] {
        let mut bytes = [0; 256];
        while !shown.contains(question) {
            let n = typist.read(&mut bytes).unwrap();
            shown.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
        while echoes(&typist) == is_secret {
            std::thread::yield_now();
        }
        typist.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    // This ends with an error when the program closes its side.
    let mut rest = Vec::new();
    let _ = typist.read_to_end(&mut rest);
    shown += &String::from_utf8(rest).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains(EMAIL) && shown.contains("Front Door"), "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains(API_KEY), "{shown}");
}

#[test]
fn a_login_without_a_key_is_the_app_s() {
    let user = User::new();
    user.run(&["login"], &format!("{EMAIL}\n{PASSWORD}\n\n")).ok();
    assert_eq!(user.cloud.asked("/user/login").len(), 1);
}

#[test]
fn a_totp_secret_in_the_environment_answers_for_the_owner() {
    let user = User::new();
    user.cloud.state().factors = vec!["TotpVerificationCode", "PrimaryPhone"];
    let mut command = user.tool(&["login"]);
    command.envs(ACCOUNT).env("WYZE_TOTP_SECRET", TOTP_SECRET);
    finish(command, "", false).ok();
}

#[test]
fn a_login_that_fails_says_why_and_is_not_tried_again_at_once() {
    let user = User::new();
    user.run(&["login"], "").fails(1, &["an e-mail address and a password are needed"]);
    user.run(&["login"], &format!("{EMAIL}\nwrong\n{KEY_ID}\n{API_KEY}\n")).fails(1, &["check e-mail, password"]);
    user.run_with_account(&["login"]).fails(1, &["tried a moment ago"]);
    assert_eq!(user.cloud.logins(), 1);
    let user = User::new();
    user.cloud.state().factors = vec!["PrimaryPhone"];
    user.run_with_account(&["login"]).fails(1, &["by SMS:", "second factor"]);
    assert!(user.names().is_empty());
    let user = User::new();
    user.cloud.next("/api/user/login", Answer::refused("Too many failed attempts"));
    user.run_with_account(&["login"]).fails(1, &["locked", "15 min"]);
    user.run_with_account(&["refresh"]).fails(1, &["tried a moment ago"]);
    assert_eq!(user.cloud.logins(), 1);
}

#[test]
fn a_cloud_is_trusted_by_its_certificate_only() {
    let user = User::with(MockCloud::start_tls());
    let authority = user.file("authority.pem", user.cloud.authority.as_ref().unwrap());
    let stranger = user.file("stranger.pem", &MockCloud::start_tls().authority.unwrap());
    let login = |authority: &str| {
        let mut command = user.tool(&["login"]);
        command.envs(ACCOUNT).env("SSL_CERT_FILE", authority);
        finish(command, "", false)
    };
    login(&stranger)
        .fails(1, &["localhost", "does not prove who it is (unable to get local issuer", "ca-certificates"]);
    assert!(user.cloud.state().requests.is_empty(), "nothing was said to it");
    login(&authority).ok();
    assert_eq!(user.names(), ["Front Door", "Porch"]);
}

#[test]
fn a_cloud_with_a_bad_certificate_is_told_nothing() {
    for (proof, problem) in [
        (Proof::SelfSigned, "signed certificate)"),
        (Proof::OtherName, "ostname mismatch)"),
        (Proof::Expired, "(certificate has expired)"),
    ] {
        let user = User::with(MockCloud::start_tls_with(proof));
        let authority = user.file("authority.pem", user.cloud.authority.as_ref().unwrap());
        let mut command = user.tool(&["login"]);
        command.envs(ACCOUNT).env("SSL_CERT_FILE", authority);
        let outcome = finish(command, "", false);
        assert!(!outcome.stderr.contains("error:"), "no codes of OpenSSL: {outcome:?}");
        outcome.fails(1, &["localhost", "does not prove who it is (", problem, "check the clock", "ca-certificates"]);
        assert!(user.cloud.state().requests.is_empty(), "{proof:?}");
    }
}

#[test]
fn what_answers_without_tls_is_no_cloud() {
    for (answer, words) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", ["localhost", "does not prove who it is ("]),
        ("", ["localhost", "cannot be reached (it closed the connection)"]),
    ] {
        let user = User::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole greeting: what is left unread would make for a reset.
            assert!(stream.read(&mut [0; 1 << 14]).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let mut command = user.tool(&["login"]);
        command.envs(ACCOUNT).env("WYZE_AUTH_URL", url);
        let outcome = finish(command, "", false);
        server.join().unwrap();
        assert!(!outcome.stderr.contains("error:"), "no codes of OpenSSL: {outcome:?}");
        outcome.fails(1, &words);
    }
}

#[test]
fn refresh_fetches_the_list_anew_and_never_logs_in_unasked() {
    let user = User::new();
    let outcome = user.run(&["refresh"], "");
    assert_eq!(outcome.stderr, "wyze-cameras: nobody is logged in: run wyze-cameras login\n");
    outcome.fails(1, &[]);
    assert_eq!(std::fs::read_dir(user.home.path()).unwrap().count(), 0, "no file is left behind");
    user.run_with_account(&["login"]).ok();
    user.cloud.state().devices[0]["nickname"] = "Back Door".into();
    assert!(user.run(&["refresh"], "").ok().contains("Back Door"));
    assert_eq!(user.names(), ["Back Door", "Porch"]);
    user.cloud.state().access = Some("another".into());
    user.run(&["refresh"], "").ok();
    user.cloud.state().access = Some("another".into());
    user.cloud.state().refresh = Some("another".into());
    user.run(&["refresh"], "").fails(1, &["run wyze-cameras login"]);
    assert_eq!(user.cloud.logins(), 1);
    user.cloud.next(LIST, Answer::json(200, json!({ "code": "1", "data": { "devices": [] } })));
    user.cloud.state().refresh = Some("another".into());
    user.run(&["refresh"], "").fails(1, &["data.device_list is missing"]);
    assert_eq!(user.names(), ["Back Door", "Porch"], "what is kept stays");
}

#[test]
fn an_odd_device_of_the_account_is_told_of_and_what_is_kept_of_it_stays() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    user.cloud.state().devices[0]["enr"] = json!([1]);
    let outcome = user.run(&["refresh"], "");
    let told = "wyze-cameras: Front Door is left out: ";
    assert!(
        outcome.stderr.contains(told) && outcome.stderr.contains("device_list[0].enr is not a text"),
        "{outcome:?}"
    );
    outcome.ok();
    assert_eq!(user.names(), ["Porch", "Front Door"]);
    assert_eq!(user.store().cameras().unwrap()[1].enr, Secret::from(DEMO_ENR));
}

#[test]
fn refresh_logs_in_again_where_the_environment_has_the_account() {
    let user = User::new();
    assert!(user.run_with_account(&["refresh"]).ok().contains("Front Door"));
    assert_eq!(user.cloud.logins(), 1);
    user.cloud.state().access = None;
    user.cloud.state().refresh = None;
    user.run_with_account(&["refresh"]).fails(1, &["tried a moment ago"]);
    assert_eq!(user.cloud.logins(), 1);
}

#[test]
fn logout_forgets_the_login_and_the_cameras_where_asked() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    let tokens = user.home.path().join("gst-plugin-wyze/tokens.json");
    assert!(std::fs::read_to_string(&tokens).unwrap().contains("access-token-1"));
    assert!(!std::fs::read_to_string(&tokens).unwrap().contains(PASSWORD));
    assert_eq!(user.run(&["logout"], "").ok(), "Logged out.\n");
    assert!(!std::fs::read_to_string(&tokens).unwrap().contains("token-1"));
    assert_eq!(user.names(), ["Front Door", "Porch"]);
    user.run(&["refresh"], "").fails(1, &["run wyze-cameras login"]);
    user.run(&["remove", "front door"], "").ok();
    user.add("By Hand", 1);
    assert_eq!(user.run(&["logout", "--cameras"], "").ok(), "Nobody was logged in.\nCameras removed: 1.\n");
    assert_eq!(user.names(), ["By Hand"]);
}

#[test]
fn the_list_is_json_for_programs_without_secrets_unless_asked() {
    let user = User::new();
    assert_eq!(user.run(&["list", "--json"], "").ok().trim(), "[]");
    let nothing = user.run(&["list"], "");
    assert!(nothing.stderr.contains("wyze-cameras login"), "{nothing:?}");
    user.run_with_account(&["login"]).ok();
    let list: Value = serde_json::from_str(&user.run(&["list", "--json"], "").ok()).unwrap();
    assert_eq!(list[0]["name"], "Front Door");
    assert_eq!(list[0]["model"], "WYZE_CAKP2JFUS");
    assert_eq!((&list[0]["host"], &list[0]["port"]), (&json!("127.0.0.1"), &Value::Null));
    assert_eq!((&list[0]["streams"], &list[0]["why_not"]), (&json!(true), &Value::Null));
    assert_eq!((&list[0]["origin"], &list[1]["streams"]), (&json!("account"), &json!(true)));
    assert_eq!((&list[0]["paths"], &list[1]["paths"]), (&json!(["LAN", "WebRTC"]), &json!(["WebRTC"])));
    let list = finish(user.tool(&["list", "--json", "--secrets"]), "", true).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (&list[0]["uid"], &list[0]["enr"], &list[0]["mac"]),
        (&json!(DEMO_UID), &json!(DEMO_ENR), &json!(DEMO_MAC))
    );
    user.run(&["list", "--secrets"], "").fails(2, &["--json"]);
}

#[test]
fn show_has_the_lines_by_name_and_with_secrets_only_where_asked() {
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    for name in ["Front Door", "front door", &DEMO_MAC.to_lowercase(), "AA:BB:CC:DD:EE:FF", DEMO_UID] {
        let shown = user.run(&["show", name], "").ok();
        assert!(
            shown.contains("gst-launch-1.0 wyzesrc camera=\"Front Door\" ! decodebin ! autovideosink\n"),
            "{shown}"
        );
        assert!(shown.contains("wyze:///Front%20Door\n"), "{shown}");
    }
    let porch = user.run(&["show", "porch"], "").ok();
    assert!(porch.contains("  LAN: no: speaks WebRTC only") && porch.contains("  WebRTC: yes\n"), "{porch}");
    assert!(porch.contains("gst-launch-1.0 wyzesrc camera=Porch !"), "{porch}");
    let shown = finish(user.tool(&["show", "Front Door", "--secrets"]), "", true).ok();
    let uri = format!("wyze://127.0.0.1?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}&model=WYZE%5FCAKP2JFUS");
    let uri = uri.replace("%5F", "_");
    assert!(shown.contains(&format!("uri=\"{uri}\"")) && shown.ends_with(&format!("\n{uri}\n")), "{shown}");
    user.run(&["show", "Nowhere"], "").fails(3, &["no camera named \"Nowhere\"", "Front Door"]);
    user.cloud.state().devices[1]["nickname"] = "FRONT DOOR".into();
    user.run(&["refresh"], "").ok();
    user.run(&["show", "Front Door"], "").fails(3, &["several cameras", "GW_GC1", "WYZE_CAKP2JFUS"]);
}

#[test]
fn cameras_are_added_and_removed_by_hand() {
    let user = User::new();
    let mut command = user.tool(&["add", "Attic", "--model", "HL_CAM4", "--host", "10.0.0.7"]);
    command.envs([("WYZE_UID", DEMO_UID), ("WYZE_ENR", DEMO_ENR), ("WYZE_MAC", DEMO_MAC)]);
    assert_eq!(finish(command, "", false).ok(), "Added Attic.\n");
    let attic = user.store().cameras().unwrap()[0].clone();
    assert_eq!((attic.uid, attic.enr), (Secret::from(DEMO_UID), Secret::from(DEMO_ENR)));
    assert_eq!((attic.model.as_str(), attic.host.as_deref(), attic.port), ("HL_CAM4", Some("10.0.0.7"), None));
    let keys = format!("{DEMO_UID}\n{DEMO_ENR}\n{DEMO_MAC}\n");
    user.run(&["add", "Cellar"], &keys).fails(1, &["Attic has this UID already", "remove"]);
    user.run(&["add", "attic"], &keys.replace("111A", "222B")).fails(1, &["Attic has this name already"]);
    user.run(&["add", "Cellar"], "short\n").fails(1, &["uid has 5 characters"]);
    user.run(&["add", " "], &keys).fails(1, &["needs a name"]);
    user.run(&["add"], "").fails(2, &["Usage"]);
    user.run(&["remove", "cellar"], "").fails(3, &["no camera named"]);
    assert_eq!(user.run(&["remove", "ATTIC"], "").ok(), "Removed Attic.\n");
    assert!(user.names().is_empty());
}

#[test]
fn cameras_are_imported_from_go2rtc() {
    let user = User::new();
    let url = |uid: &str| {
        format!("wyze://10.0.0.1:32762?uid={uid}&enr={DEMO_ENR}&mac={DEMO_MAC}&model=HL_CAM4&subtype=hd&dtls=true")
    };
    let yaml = format!(
        "streams:\n  door: {}\n  garden:\n    - {}\n    - ffmpeg:garden#audio=opus\n  other: rtsp://10.0.0.9/live\n",
        url(DEMO_UID),
        url("HSBJYB5HSETGCDWD222B"),
    );
    let path = user.file("go2rtc.yaml", &yaml);
    assert_eq!(user.run(&["import", &path], "").ok(), "Imported door.\nImported garden.\n");
    let door = user.store().cameras().unwrap()[0].clone();
    assert_eq!((door.host.as_deref(), door.port, door.model.as_str()), (Some("10.0.0.1"), Some(32762), "HL_CAM4"));
    assert_eq!((door.enr, door.mac), (Secret::from(DEMO_ENR), Secret::from(DEMO_MAC)));
    let again = user.run(&["import", &path], "");
    assert!(again.stderr.contains("0 imported, 0 updated, 0 not"), "{again:?}");
    assert_eq!(again.ok(), "door is there already.\ngarden is there already.\n");
    let taken = yaml.replace("D222B", "D999X").replace("garden:", "Door :");
    user.run(&["import", "-"], &taken).fails(1, &["Door: door has this name already", "0 imported, 0 updated, 1 not"]);
    let third = url("HSBJYB5HSETGCDWD333C");
    user.run(&["import", "-", "--name", "Roof"], &third).ok();
    assert_eq!(user.names(), ["door", "garden", "Roof"]);
    let (broken, old) = (third.replace("uid=HSB", "uid="), third.replace("333C", "444D").replace("true", "false"));
    user.run(&["import", "-"], &format!("{broken}\n{old}\n")).fails(
        1,
        &["camera 1: uid has 17 characters", "camera 2: dtls=false is not supported", "0 imported, 0 updated, 2 not"],
    );
    user.run(&["import", "-"], "streams: {a: 'rtsp://bridge/a'}").fails(1, &["no wyze:// stream", "rtsp://"]);
    user.run(&["import", "-"], "streams: [").fails(1, &["no YAML, at line 2"]);
    user.run(&["import", "-"], "").fails(1, &["no streams"]);
    user.run(&["import", "/no/such/file"], "").fails(1, &["/no/such/file", "No such file"]);
    let binary = user.home.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
    user.run(&["import", binary.to_str().unwrap()], "").fails(1, &["no text"]);
}

#[test]
fn streams_are_found_wherever_they_stand_and_keep_their_names() {
    let url = |uid: &str| format!("wyze://10.0.0.1?uid=HSBJYB5HSETGCDWD{uid}&enr={DEMO_ENR}&mac={DEMO_MAC}");
    let shown = |uid: &str| url(uid).replace('&', "\\u0026");
    let (one, two) = (url("111A"), url("222B"));
    for (text, names) in [
        // Frigate.
        (
            format!("mqtt: {{}}\ngo2rtc:\n  streams:\n    door: {one}\n    roof: [{two}]\ncameras: {{}}\n"),
            ["door", "roof"],
        ),
        (format!("\u{feff}streams:\n  door: {one}\n  007: {two}\n"), ["door", "007"]),
        (format!("door: {one}\nFront Door: '{two}'\n"), ["door", "Front Door"]),
        // The URL begins a line of its own.
        (format!("streams:\n  door: >-\n    {one}\n  true: |\n    {two}\n"), ["door", "true"]),
        (format!("streams:\n  door:\n    {one}\n  1.50: \"{two}\"\n"), ["door", "1.50"]),
        (format!("streams:\n  door:\n  -\n    {one}\n  ~:\n  - rtsp://10.0.0.2\n  - {two}\n"), ["door", "~"]),
        // go2rtc's list of streams, and URLs as its pages show them.
        (
            json!({ "door": { "producers": [{ "url": one }], "consumers": null }, "roof": { "producers": [{ "url": two }] } })
                .to_string()
                .replace('&', "\\u0026"),
            ["door", "roof"],
        ),
        (format!("streams:\n  door: {}\n  roof: '{}'\n", shown("111A"), shown("222B")), ["door", "roof"]),
        (format!("{}\n\n{}\n", shown("111A"), two), ["camera 1", "camera 2"]),
        (format!("\u{feff}{one}\r\n{two}\r\n"), ["camera 1", "camera 2"]),
    ] {
        let user = User::new();
        let outcome = user.run(&["import", "-"], &text);
        assert!(outcome.stderr.ends_with("2 imported, 0 updated, 0 not.\n"), "{text}: {outcome:?}");
        assert_eq!(user.names(), names, "{text}");
        let cameras = user.store().cameras().unwrap();
        assert!(cameras.iter().all(|camera| camera.paths().obstacle().is_none() && camera.enr.expose() == DEMO_ENR), "{text}");
    }
}

#[test]
fn several_streams_of_a_camera_are_one_and_a_known_camera_is_updated() {
    let url =
        |host: &str, uid: &str, more: &str| format!("wyze://{host}?uid={uid}&enr={DEMO_ENR}&mac={DEMO_MAC}{more}");
    let user = User::new();
    user.run_with_account(&["login"]).ok();
    let garden = "HSBJYB5HSETGCDWD222B";
    let yaml = format!(
        "streams:\n  front_hd: {}\n  front_sd: {}\n  garden: {}\n  garden_sd: {}\n",
        url("10.0.0.7:4000", DEMO_UID, "&model=HL_CAM4&subtype=hd"),
        url("10.0.0.8", DEMO_UID, "&subtype=sd"),
        url("10.0.0.2", garden, ""),
        url("10.0.0.2", garden, "&subtype=sd"),
    );
    let outcome = user.run(&["import", "-"], &yaml);
    assert!(outcome.stderr.ends_with("1 imported, 1 updated, 0 not.\n"), "{outcome:?}");
    assert_eq!(
        outcome.ok(),
        "Updated Front Door (stream front_hd).\nfront_sd is another stream of the camera front_hd.\n\
         Imported garden.\ngarden_sd is another stream of the camera garden.\n"
    );
    assert_eq!(user.names(), ["Front Door", "Porch", "garden"]);
    let front = user.store().cameras().unwrap()[0].clone();
    assert_eq!((front.host.as_deref(), front.port, front.model.as_str()), (Some("10.0.0.7"), Some(4000), "HL_CAM4"));
    assert_eq!(front.enr, Secret::from(DEMO_ENR));

    // A camera that was paired anew has another key: the account's is the account's matter.
    let other_key = yaml.replace(DEMO_ENR, "ZQdg2W3LL9TZQL8K").replace("10.0.0.2", "10.0.0.3");
    user.run(&["import", "-"], &other_key).ok();
    let cameras = user.store().cameras().unwrap();
    assert_eq!((cameras[0].enr.expose(), cameras[2].enr.expose()), (DEMO_ENR, "ZQdg2W3LL9TZQL8K"));
    assert_eq!(cameras[2].host.as_deref(), Some("10.0.0.3"));
    // A stream without an address or a model takes nothing away.
    user.run(&["import", "-"], &url("", garden, "")).ok();
    assert_eq!(user.store().cameras().unwrap()[2].host.as_deref(), Some("10.0.0.3"));
}

#[test]
fn a_configuration_that_would_take_all_memory_is_refused() {
    let mut bomb = format!("streams:\n  door: wyze://10.0.0.1?uid={DEMO_UID}\nx0: &x0 [a,a,a,a,a,a,a,a,a]\n");
    for i in 1..20 {
        let one = format!("*x{}", i - 1);
        bomb += &format!("x{i}: &x{i} [{}]\n", [one.as_str(); 9].join(","));
    }
    let user = User::new();
    let mut command = user.command("sh");
    command.args(["-c", "ulimit -v 500000; exec \"$0\" import -", env!("CARGO_BIN_EXE_wyze-cameras")]);
    finish(command, &bomb, false).fails(1, &["line 4 has a YAML alias"]);
    user.run(&["import", "-"], &"- ".repeat(100_000)).fails(1, &["nested deeper"]);
    user.run(&["import", "-"], &"[".repeat(100_000)).fails(1, &["no YAML"]);
    assert!(user.names().is_empty());
}

#[test]
fn a_probe_tells_each_stage_and_what_was_found() {
    for (envelope, word) in [(Envelope::Transcode, "transcode"), (Envelope::Cc51, "cc51")] {
        let user = User::new();
        let camera = camera(|config| config.envelope = envelope);
        user.add("Front Door", camera.addr().port());
        let told = user.run(&["probe", "front door"], "").ok();
        let mut at = 0;
        for word in
            ["discovery", "session", "dtls", "login", "auth", "connected", "address:", "envelope: ", word, "suite:"]
        {
            at += told[at..].find(word).unwrap_or_else(|| panic!("{word} is not there, or not in its place: {told}"));
        }
        assert!(told.contains("model:    WYZE_CAKP2JFUS\nfirmware: 4.36.13.0416\ntalk:     yes\n"), "{told}");
        // By being the only one stored, by its address, and by URL.
        user.run(&["probe", "--seconds", "0"], "").ok();
        user.run(&["probe", "--host", "127.0.0.1", "--seconds", "0"], "").ok();
        let port = camera.addr().port();
        let url = format!("wyze://127.0.0.1:{port}?uid={DEMO_UID}&enr={DEMO_ENR}&mac={DEMO_MAC}");
        user.run(&["probe", &url, "--seconds", "0"], "").ok();
        user.run(&["probe", "wyze:///Front%20Door", "--seconds", "0"], "").ok();
        let log = camera.stop();
        assert!(log.is_empty(), "{log}");
    }
}

#[test]
fn a_probe_that_fails_names_the_stage_and_the_remedy() {
    type Change = fn(&mut CameraConfig);
    let cases: [(Change, &str, &str); 4] = [
        (|config| config.challenge = ChallengeStatus::Off, "auth", "switched off in the Wyze app"),
        (|config| config.challenge = ChallengeStatus::Updating, "auth", "updating its firmware"),
        (|config| config.refuse_answer = true, "auth", "its enr has changed"),
        (|config| config.max_clients = 0, "session", "too many viewers"),
    ];
    for (change, stage, why) in cases {
        let user = User::new();
        let camera = camera(change);
        user.add("Front Door", camera.addr().port());
        let outcome = user.run(&["probe", "Front Door", "--timeout", "2"], "");
        assert!(outcome.stdout.contains(&format!("  {stage:<10} failed after")), "{outcome:?}");
        outcome.fails(1, &[why]);
    }
    let user = User::new();
    let camera = camera(|config| {
        config.strict_auth_key = false;
        config.alert_wrong_key = true;
    });
    let port = camera.addr().port().to_string();
    let keys = format!("{DEMO_UID}\nanotherkey123456\n{DEMO_MAC}\n");
    user.run(&["add", "Front Door", "--host", "127.0.0.1", "--port", &port], &keys).ok();
    user.run(&["probe"], "").fails(1, &["dtls: the camera could not decrypt", "check enr"]);
    let deaf = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let port = deaf.local_addr().unwrap().port().to_string();
    let outcome = user.run(&["probe", "--port", &port, "--timeout", "1"], "");
    assert!(outcome.stdout.contains("  discovery  failed after 1."), "{outcome:?}");
    outcome.fails(1, &["no camera with this UID answered at 127.0.0.1", "firewall"]);
    user.run(&["probe", "--interface", "nosuch0"], "").fails(1, &["nosuch0"]);
    user.run(&["probe", "Back Door"], "").fails(3, &["no camera named"]);
    user.run(&["probe", "--host", "127.0.0.2"], "").fails(3, &["0 stored cameras fit"]);
    user.run(&["probe", "wyze://127.0.0.1?uid=x"], "").fails(1, &["uid has 1 characters"]);
    User::new().run(&["probe"], "").fails(3, &["no camera is stored"]);
}

#[test]
fn help_versions_and_wrong_usage() {
    let user = User::new();
    let help = user.run(&["--help"], "").ok();
    for word in ["login", "import", "completions", "Exit codes: 0", "tokens.json", "camera=\"Front Door\""] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
    assert!(user.run(&["login", "--help"], "").ok().contains("WYZE_TOTP_SECRET"));
    assert!(user.run(&["--version"], "").ok().contains(env!("CARGO_PKG_VERSION")));
    user.run(&[], "").fails(2, &["Usage"]);
    user.run(&["fly"], "").fails(2, &["fly"]);
    user.run(&["probe", "--port", "0"], "").fails(2, &["port"]);
    user.run(&["completions", "cmd"], "").fails(2, &["cmd"]);
}

#[test]
fn a_store_that_is_damaged_is_told_of_and_left_alone() {
    let user = User::new();
    let folder = user.home.path().join("gst-plugin-wyze");
    std::fs::create_dir(&folder).unwrap();
    for name in ["cameras.json", "tokens.json"] {
        std::fs::write(folder.join(name), "not ours").unwrap();
    }
    user.run(&["list"], "").fails(1, &["cameras.json", "damaged"]);
    user.run_with_account(&["login"]).fails(1, &["tokens.json", "damaged"]);
    assert_eq!(user.cloud.logins(), 0, "what cannot be kept is not fetched");
    for name in ["cameras.json", "tokens.json"] {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), "not ours");
    }
}

/// The commands are login, list, and the launch line that `show` prints.
#[test]
fn from_nothing_to_a_picture_in_three_commands() {
    // Lines without a port mean the usual one, so this test needs an address of its own.
    let [_, _, b, c] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 77, b, c.clamp(1, 254));
    let media = LiveMediaConfig { width: 320, height: 180, ..LiveMediaConfig::default() };
    let listen = SocketAddr::from((address, gstwyze::identity::DEFAULT_PORT));
    let camera = CameraServer::start(CameraConfig::demo().unwrap(), listen, MediaSource::Live(media)).unwrap();
    let user = User::new();
    user.cloud.state().devices[0]["device_params"]["ip"] = address.to_string().into();

    user.run_with_account(&["login"]).ok();
    assert!(user.run(&["list"], "").ok().contains("Front Door"));
    let shown = user.run(&["show", "front door"], "").ok();
    let line = shown.lines().find(|line| line.starts_with("gst-launch-1.0")).unwrap();
    // This sink needs no screen, and ends after some pictures.
    let line =
        line.replace("autovideosink", "fakevideosink num-buffers=10").replace("gst-launch-1.0", "gst-launch-1.0 -e");

    let asked = user.cloud.state().requests.len();
    let test = std::env::current_exe().unwrap();
    let mut command = user.command("sh");
    command.args(["-c", &line]).env("GST_PLUGIN_PATH", test.ancestors().nth(2).unwrap());
    let outcome = finish(command, "", false);
    assert!(outcome.stdout.contains("Got EOS from element"), "{outcome:?}");
    outcome.ok();
    assert_eq!(user.cloud.state().requests.len(), asked, "streaming asks the cloud nothing");
    let log = camera.stop();
    assert!(log.is_empty(), "{log}");
}
