//! What watching a camera over WebRTC needs, from a cloud on 127.0.0.1.

#[path = "support/cloud.rs"]
mod cloud;

use cloud::{API_KEY, Answer, EMAIL, KEY_ID, MockCloud, PASSWORD, SIGNALLING_URL, STREAMS, TURN_CREDENTIAL, device};
use gstwyze::account::cloud::{ApiKey, Hosts, Login};
use gstwyze::account::{Access, AccessError, Store};
use gstwyze::protocol::ticket::Ticket;
use serde_json::{Value, json};
use wyze_camera::webrtc::{CloudCamera, DemoCloud};

const REFRESH: &str = "/app/user/refresh_token";
/// The account's name for the camera.
const MAC: &str = "GW_GC1_80482C640246";

struct Home {
    mock: MockCloud,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockCloud::start();
        mock.state().devices = json!([device("Porch", "GW_GC1", MAC, "", "", "")]);
        Home { mock, store: Store::at(folder.path().join("store")), _folder: folder }
    }

    fn logged_in() -> Self {
        let home = Home::new();
        log_in(&home.access());
        home
    }

    /// Opens the account as a new process would.
    fn access(&self) -> Access<'_> {
        let hosts = Hosts { auth: self.mock.auth_url(), api: self.mock.api_url(), app: self.mock.app_url() };
        Access::new(&self.store, hosts).unwrap()
    }
}

fn log_in(access: &Access) {
    let api_key = Some(ApiKey { id: KEY_ID.into(), key: API_KEY.into() });
    let login = Login { email: EMAIL.into(), password: PASSWORD.into(), api_key, totp_secret: None };
    access.login(&login, &mut |_| panic!("nobody should be asked")).unwrap();
}

fn assert_discreet(text: &str) {
    for secret in ["access-token", "refresh-token", EMAIL, "X-Amz", TURN_CREDENTIAL, MAC] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Asserts that the error's text has all these words, and no secret.
fn assert_says<T>(result: Result<T, AccessError>, words: &[&str]) {
    let Err(error) = result else { panic!("no error, where it should say {words:?}") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert_discreet(&text);
    assert_discreet(&format!("{error:?}"));
}

/// Asks for what watching the account's camera needs.
fn streams(access: &Access) -> Result<Ticket, AccessError> {
    access.streams("GW_GC1", &MAC.into())
}

#[test]
fn a_camera_is_watched_with_the_tokens_of_the_login() {
    assert_says(streams(&Home::new().access()), &["wyze-cameras login"]);
    let home = Home::logged_in();
    let ticket = streams(&home.access()).unwrap();
    assert_eq!(*ticket.url, SIGNALLING_URL);
    let servers: Vec<_> =
        ticket.ice_servers.iter().map(|s| (s.url.as_str(), s.username.as_str(), s.credential.as_str())).collect();
    let turn = ("turn:turn.example.com:443?transport=udp", "u", TURN_CREDENTIAL);
    assert_eq!(servers, [("stun:stun.example.com:443", "", ""), turn]);
    assert_discreet(&format!("{ticket:?} {:?}", ticket.ice_servers));
    // It is good for one connection, so each is asked for.
    streams(&home.access()).unwrap();
    let asked = home.mock.asked(STREAMS);
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("phoneid").len(), 36);
    assert_eq!(asked[0].header("phoneid"), asked[1].header("phoneid"), "one phone for the account");
    assert_eq!(asked[0].header("content-type"), "application/json");
}

#[test]
fn a_camera_that_cannot_be_watched_says_why() {
    let home = Home::logged_in();
    let access = home.access();
    let code = |code: Value| Answer::json(200, json!({ "code": code, "msg": "no reason", "data": null }));
    let data = |data: Value| Answer::json(200, json!({ "code": 1, "data": data }));
    let property = |name: &str, value: Value| {
        let mut stream = cloud::stream(SIGNALLING_URL);
        stream["property"][name] = value;
        data(json!([stream]))
    };
    let url = |url: &str| data(json!([cloud::stream(url)]));
    for (answer, words) in [
        (code("1000".into()), vec!["1000", "try again later"]),
        (code(1001.into()), vec!["1001", "wyze-cameras refresh"]),
        (code("1003".into()), vec!["1003", "signature"]),
        (code("3019".into()), vec!["the camera is offline", "Wi-Fi"]),
        (code("4711".into()), vec!["4711: no reason"]),
        (property("iot-device::iot-state", 0.into()), vec!["the camera is offline"]),
        (property("iot-device::iot-state", "2".into()), vec!["the camera is offline"]),
        (property("iot-device::iot-power", 0.into()), vec!["switched off", "power on"]),
        (data(Value::Null), vec!["data is missing"]),
        (data(json!({})), vec!["data is not a list"]),
        (data(json!([])), vec!["no WebRTC stream", "Agora"]),
        (data(json!([{ "provider": "lake", "params": { "signaling_url": SIGNALLING_URL } }])), vec!["Agora"]),
        (data(json!([{ "provider": "webrtc", "params": null }])), vec!["no WebRTC stream"]),
        (data(json!([{ "params": "none" }])), vec!["data[0].params is not an object"]),
        (data(json!([{ "params": { "signaling_url": 7 } }])), vec!["data[0].params.signaling_url is not a text"]),
        (url("ws://kvs.example.com/"), vec!["data[0].params.signaling_url is no wss:// address"]),
        (url("https://kvs.example.com/"), vec!["is no wss:// address"]),
        (url("wss://kvs.example.com/\u{7f}"), vec!["is no wss:// address"]),
        (Answer::json(403, json!({})), vec!["HTTP 403"]),
        (Answer::json(502, json!({})), vec!["HTTP 502"]),
        (Answer::Raw(200, b"<html>".to_vec()), vec!["the answer is not JSON"]),
        (Answer::HangUp, vec!["cannot be reached"]),
    ] {
        home.mock.next(STREAMS, answer);
        assert_says(streams(&access), &words);
    }
    assert_says(access.streams("GW_GC1", &"AABBCCDDEEFF".into()), &["1001", "does not know"]);
}

#[test]
fn what_a_camera_s_stream_does_not_say_is_no_obstacle() {
    let home = Home::logged_in();
    let access = home.access();
    for (stream, servers) in [
        (json!({ "params": { "signaling_url": SIGNALLING_URL } }), 0),
        (json!({ "property": [], "params": { "signaling_url": SIGNALLING_URL, "ice_servers": "none" } }), 0),
        (
            json!({ "property": { "iot-device::iot-state": "1", "iot-device::iot-power": null }, "params": {
                "signaling_url": format!(" {SIGNALLING_URL}\n"),
                "ice_servers": [
                    7, {}, { "url": "x".repeat(5000) }, { "url": "stun:a:1" }, { "urls": "stun:b:1" },
                    { "urls": ["turn:c:1", "turn:d:1", null], "username": 7, "credential": "c" },
                ],
            } }),
            4,
        ),
        (
            json!({ "params": { "signaling_url": SIGNALLING_URL,
                "ice_servers": vec![json!({ "urls": vec!["stun:a:1"; 1000] }); 100] } }),
            16,
        ),
    ] {
        home.mock.state().stream = stream;
        let ticket = streams(&access).unwrap();
        assert_eq!((ticket.url.as_str(), ticket.ice_servers.len()), (SIGNALLING_URL, servers));
    }
}

#[test]
fn a_signalling_url_that_is_encoded_twice_is_decoded_once() {
    let home = Home::logged_in();
    let access = home.access();
    let mars = "wss://mars.example.com?token=a%2Fb+c".to_owned();
    let here = "ws://127.0.0.1:8080/?token=a".to_owned();
    for (url, expected) in [
        (SIGNALLING_URL.replace('%', "%25"), SIGNALLING_URL),
        (mars.clone(), mars.as_str()),
        (here.clone(), here.as_str()),
    ] {
        home.mock.state().stream = cloud::stream(&url);
        assert_eq!(*streams(&access).unwrap().url, expected);
    }
}

#[test]
fn tokens_that_expired_are_renewed_once_for_all_who_watch() {
    let home = Home::logged_in();
    home.mock.state().access = Some("another".into());
    let watched = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| streams(&home.access()).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!((watched, home.mock.asked(REFRESH).len(), home.mock.logins()), (8, 1, 1));
    // An answer of HTTP 401 means the same. Only one more request follows it.
    home.mock.next(STREAMS, Answer::json(401, json!({})));
    home.mock.next(STREAMS, Answer::json(401, json!({})));
    let before = home.mock.asked(STREAMS).len();
    assert_says(streams(&home.access()), &["expired", "run wyze-cameras login"]);
    assert_eq!((home.mock.asked(STREAMS).len() - before, home.mock.asked(REFRESH).len()), (2, 2));
}

#[test]
fn a_limit_holds_for_those_who_have_been_there_before_it() {
    let home = Home::logged_in();
    let (first, second) = (home.access(), home.access());
    home.mock.next(STREAMS, Answer::Json(429, vec![("retry-after", "120".into())], json!({})));
    assert_says(streams(&first), &["too many requests", "wait 2 min"]);
    assert_says(streams(&second), &["too many requests"]);
    assert_says(streams(&home.access()), &["too many requests"]);
    assert_eq!(home.mock.asked(STREAMS).len(), 1);
}

#[test]
fn the_simulated_camera_s_own_cloud_leads_to_it() {
    let url = "ws://127.0.0.1:1/?a=b%2Fc";
    let (model, mac) = ("GW_GC1".into(), MAC.into());
    let camera = CloudCamera { name: "camera 1".into(), model, mac, url: url.into(), ice_servers: json!([]) };
    let cloud = DemoCloud::start(vec![camera]).unwrap();
    let [auth, api, app] = cloud.environment().map(|(_, url)| url);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store"));
    let access = Access::new(&store, Hosts { auth, api, app }).unwrap();
    log_in(&access);
    let cameras = access.cameras().unwrap().cameras;
    assert_eq!((cameras.len(), cameras[0].paths().open()), (1, vec!["WebRTC"]));
    assert_eq!(*streams(&access).unwrap().url, url);
    assert_says(access.streams("GW_GC1", &"AABBCCDDEEFF".into()), &["1001"]);
}
