//! The cloud client against a cloud on 127.0.0.1: every way to log in, the list, and every error.

#[path = "support/cloud.rs"]
mod cloud;

use cloud::{API_KEY, Answer, EMAIL, KEY_ID, MAILED_CODE, MockCloud, PASSWORD, TOTP_SECRET, device};
use gstwyze::account::cloud::{ApiKey, CameraList, Cloud, CloudError, CodeSource, Hosts, Limits, Login, new_phone_id};
use gstwyze::account::{Access, AccessError, Camera, Origin, Secret, Store};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const UID: &str = "HSBJYB5HSETGCDWD111A";
const ENR: &str = "roTRg3tiuL3TjXhm";
const LIST: &str = "/app/v2/home_page/get_object_list";
const LOGIN: &str = "/api/user/login";
const REFRESH: &str = "/app/user/refresh_token";

fn hosts(mock: &MockCloud) -> Hosts {
    Hosts { auth: mock.auth_url(), api: mock.api_url(), app: mock.app_url() }
}

fn client(mock: &MockCloud) -> Cloud {
    Cloud::new(hosts(mock), &new_phone_id(), Limits::new()).unwrap()
}

fn owner() -> Login {
    let api_key = Some(ApiKey { id: KEY_ID.into(), key: API_KEY.into() });
    Login { email: EMAIL.into(), password: PASSWORD.into(), api_key, totp_secret: None }
}

fn nobody(_: CodeSource) -> Option<String> {
    panic!("nobody should be asked")
}

fn whole_list(mock: &MockCloud) -> Result<CameraList, CloudError> {
    let cloud = client(mock);
    let granted = cloud.login(&owner(), &mut nobody)?;
    cloud.cameras(&granted.access_token)
}

fn list(mock: &MockCloud) -> Result<Vec<Camera>, CloudError> {
    let list = whole_list(mock)?;
    assert!(list.left_out.is_empty(), "{:?}", list.left_out);
    Ok(list.cameras)
}

/// Asserts that the text has no secret in it, neither one that was sent to the cloud nor one that came from it.
fn assert_discreet(text: &str) {
    for secret in [EMAIL, PASSWORD, KEY_ID, API_KEY, TOTP_SECRET, UID, ENR, "access-token", "refresh-token"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Asserts that the error's text has all these words, and no secret.
fn assert_says<T>(result: Result<T, impl std::error::Error>, words: &[&str]) {
    let Err(error) = result else { panic!("no error, where it should say {words:?}") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert_discreet(&text);
    assert_discreet(&format!("{error:?}"));
}

#[test]
fn an_api_key_logs_in() {
    let mock = MockCloud::start();
    let granted = client(&mock).login(&owner(), &mut nobody).unwrap();
    assert_eq!(granted.access_token.expose(), "access-token-1");
    assert_eq!(granted.refresh_token.expose(), "refresh-token-1");
    assert_eq!(mock.logins(), 1);
    let sent = &mock.asked(LOGIN)[0];
    assert_eq!(sent.body.as_object().unwrap().len(), 2, "{:?}", sent.body);
    assert_discreet(&format!("{granted:?} {:?}", owner()));
}

#[test]
fn the_app_s_old_way_logs_in_without_a_key() {
    let mock = MockCloud::start();
    client(&mock).login(&Login { api_key: None, ..owner() }, &mut nobody).unwrap();
    assert_eq!((mock.asked(LOGIN).len(), mock.asked("/user/login").len()), (0, 1));
}

#[test]
fn a_hashed_password_is_taken_as_it_is() {
    let mock = MockCloud::start();
    let md5 = |text: String| {
        let digest = openssl::hash::hash(openssl::hash::MessageDigest::md5(), text.as_bytes()).unwrap();
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<String>().to_lowercase()
    };
    let hash = md5(md5(md5(PASSWORD.into())));
    for password in [format!("md5:{hash}"), format!("hashed:{}", hash.to_uppercase()), format!(" {PASSWORD}\n")] {
        client(&mock).login(&Login { password: password.into(), ..owner() }, &mut nobody).unwrap();
    }
}

#[test]
fn each_second_factor_logs_in() {
    for (factors, primary, source, kind) in [
        (vec!["PrimaryPhone"], "Unknown", CodeSource::Sms, "PrimaryPhone"),
        (vec!["Email"], "Email", CodeSource::Email, "Email"),
        (vec!["BackupPhone"], "Unknown", CodeSource::Sms, "BackupPhone"),
        (vec!["PrimaryPhone", "Email"], "Email", CodeSource::Email, "Email"),
        (vec!["TotpVerificationCode", "PrimaryPhone"], "Unknown", CodeSource::Sms, "PrimaryPhone"),
        (vec!["TotpVerificationCode", "PrimaryPhone"], "TotpVerificationCode", CodeSource::App, "TotpVerificationCode"),
    ] {
        let mock = MockCloud::start();
        mock.state().factors = factors;
        mock.state().primary = primary;
        let mut asked = Vec::new();
        let granted = client(&mock).login(&owner(), &mut |source| {
            asked.push(source);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            Some(if source == CodeSource::App { cloud::totp(now) } else { format!(" {MAILED_CODE}\n") })
        });
        assert!(granted.is_ok(), "{kind}: {granted:?}");
        assert_eq!(asked, [source], "{kind}");
        let last = mock.asked(LOGIN).pop().unwrap();
        assert_eq!(last.body["mfa_type"], kind);
        assert_eq!(mock.logins(), 2, "the login and its second factor");
    }
}

#[test]
fn a_totp_secret_needs_nobody() {
    let mock = MockCloud::start();
    mock.state().factors = vec!["PrimaryPhone", "TotpVerificationCode"];
    mock.state().primary = "PrimaryPhone";
    let login = Login { totp_secret: Some(TOTP_SECRET.to_lowercase().into()), ..owner() };
    client(&mock).login(&login, &mut nobody).unwrap();
    assert!(mock.asked("/user/login/sendSmsCode").is_empty());
}

#[test]
fn a_second_factor_that_fails_says_why() {
    let mock = MockCloud::start();
    mock.state().factors = vec!["Email"];
    let cloud = client(&mock);
    assert_says(cloud.login(&owner(), &mut |_| Some("000000".into())), &["code is wrong or too old"]);
    assert_says(cloud.login(&owner(), &mut |_| None), &["second factor", "by e-mail", "WYZE_TOTP_SECRET"]);
    mock.state().factors = vec!["Passkey"];
    assert_says(cloud.login(&owner(), &mut nobody), &["Passkey", "authenticator app"]);
    mock.state().factors = vec!["TotpVerificationCode"];
    let login = Login { totp_secret: Some("not base32".into()), ..owner() };
    assert_says(cloud.login(&login, &mut nobody), &["TOTP secret"]);
    mock.next("/v2/user/login/sendEmailCode", Answer::json(200, json!({})));
    mock.state().factors = vec!["Email"];
    assert_says(cloud.login(&owner(), &mut nobody), &["session_id is missing"]);
}

#[test]
fn each_refusal_of_a_login_has_its_remedy() {
    let mock = MockCloud::start();
    let wrong = Login { password: "wrong".into(), ..owner() };
    assert_says(client(&mock).login(&wrong, &mut nobody), &["check e-mail, password, key id and API key"]);
    let wrong = Login { api_key: Some(ApiKey { id: KEY_ID.into(), key: "wrong".into() }), ..owner() };
    assert_says(client(&mock).login(&wrong, &mut nobody), &["https://developer-api-console.wyze.com"]);
    let wrong = Login { api_key: Some(ApiKey { id: "ä\n".into(), key: "\u{1}x".into() }), ..owner() };
    assert_says(client(&mock).login(&wrong, &mut nobody), &["characters that no key has"]);
    for (answer, words) in [
        (Answer::refused("Too many failed attempts."), vec!["locked", "wait 15 min"]),
        (Answer::refused("Too many failed attempts, try again in 3 minutes"), vec!["locked", "wait 3 min"]),
        (Answer::refused("The api key is expired"), vec!["API key has expired", "make a new one"]),
        (
            Answer::json(200, json!({ "code": 1000, "msg": "Invalid User Name or Password." })),
            vec!["refused the login"],
        ),
        (Answer::json(401, json!({})), vec!["refused the login"]),
        (Answer::json(400, json!({ "errorCode": 3044, "msg": "something new" })), vec!["3044: something new"]),
        (Answer::refused(&format!("unknown user {EMAIL} with {API_KEY}")), vec!["unknown user *** with ***"]),
        (Answer::json(403, json!({ "message": "Forbidden" })), vec!["HTTP 403", "VPN"]),
        (Answer::json(503, json!({})), vec!["HTTP 503", "try again later"]),
        (Answer::HangUp, vec!["cannot be reached"]),
        (Answer::Raw(200, b"<html>".to_vec()), vec!["the answer is not JSON"]),
        (Answer::Raw(200, vec![b' '; 5 << 20]), vec!["longer than 4 MB"]),
        (Answer::json(200, json!({})), vec!["access_token is missing"]),
        (Answer::json(200, json!({ "access_token": "access-token-9" })), vec!["refresh_token is missing"]),
        (Answer::json(200, json!({ "access_token": 9 })), vec!["access_token is not a text"]),
        (Answer::json(200, json!({ "mfa_options": 9 })), vec!["mfa_options is not a list"]),
        (
            Answer::json(200, json!({ "mfa_options": ["TotpVerificationCode"], "mfa_details": { "totp_apps": [] } })),
            vec!["mfa_details.totp_apps has no app_id"],
        ),
        (Answer::json(200, json!([1])), vec!["access_token is missing"]),
    ] {
        mock.next(LOGIN, answer);
        assert_says(client(&mock).login(&owner(), &mut nobody), &words);
    }
}

#[test]
fn a_redirection_is_not_followed_with_a_password() {
    let (mock, other) = (MockCloud::start(), MockCloud::start());
    let location = vec![("location", format!("{}{LOGIN}", other.auth_url()))];
    mock.next(LOGIN, Answer::Json(307, location, json!({})));
    assert!(client(&mock).login(&owner(), &mut nobody).is_err());
    assert!(other.state().requests.is_empty());
}

#[test]
fn a_cloud_that_does_not_answer_is_not_waited_for_for_ever() {
    let mock = MockCloud::start();
    mock.next(LOGIN, Answer::Silence);
    let mut cloud = client(&mock);
    cloud.set_timeout(cloud::IMPATIENCE);
    assert_says(cloud.login(&owner(), &mut nobody), &["did not answer in time"]);
}

#[test]
fn a_cloud_that_is_not_there_is_said_to_be_unreachable() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let hosts = Hosts { auth: url.clone(), api: url.clone(), app: url };
    let cloud = Cloud::new(hosts, "phone", Limits::new()).unwrap();
    assert_says(cloud.login(&owner(), &mut nobody), &["cannot be reached", "127.0.0.1"]);
}

#[test]
fn passwords_are_not_sent_in_the_clear() {
    let unsafe_url = || "http://example.com".to_owned();
    for (hosts, what) in [
        (Hosts { auth: unsafe_url(), ..Hosts::default() }, "the login host"),
        (Hosts { api: unsafe_url(), ..Hosts::default() }, "the API host"),
        (Hosts { app: unsafe_url(), ..Hosts::default() }, "the app's host"),
    ] {
        let Err(error) = Cloud::new(hosts, "phone", Limits::new()) else { panic!("http:// to another machine") };
        assert_says(Err::<(), _>(error), &[what, "https://"]);
    }
}

#[test]
fn what_a_host_says_of_its_limits_is_kept() {
    let soon = |seconds| {
        let at = SystemTime::now() + Duration::from_secs(seconds);
        let date = httpdate(at);
        vec![("x-ratelimit-remaining", "10".to_owned()), ("x-ratelimit-reset-by", date)]
    };
    // There were too many requests already.
    let mock = MockCloud::start();
    mock.next(LOGIN, Answer::Json(429, soon(100), json!({})));
    let cloud = client(&mock);
    assert_says(cloud.login(&owner(), &mut nobody), &["too many requests", " s before the next one"]);
    assert_says(cloud.login(&owner(), &mut nobody), &["too many requests"]);
    assert_eq!(mock.logins(), 1, "the second one was not sent");
    // Only the requests to spare are left: this one counts, and no other is sent.
    let mock = MockCloud::start();
    mock.state().headers = soon(600);
    let cloud = client(&mock);
    let granted = cloud.login(&owner(), &mut nobody).unwrap();
    assert_says(cloud.cameras(&granted.access_token), &["too many requests", "wait 10 min"]);
    assert!(mock.asked(LIST).is_empty());
    // The next process knows.
    let next = Cloud::new(hosts(&mock), "phone", cloud.limits()).unwrap();
    assert_says(next.cameras(&granted.access_token), &["too many requests"]);
    assert!(mock.asked(LIST).is_empty());
    // Enough requests are left, or the time is over.
    let mock = MockCloud::start();
    mock.state().headers = vec![("x-ratelimit-remaining", "11".into()), soon(600).remove(1)];
    list(&mock).unwrap();
    mock.state().headers = soon(0);
    list(&mock).unwrap();
}

/// Writes a date as the cloud does: `Mon Apr 14 12:00:00 UTC 2026`.
fn httpdate(at: SystemTime) -> String {
    let date = httpdate::fmt_http_date(at);
    let part: Vec<_> = date.trim_end_matches(" GMT").split([' ', ',']).filter(|part| !part.is_empty()).collect();
    format!("{} {} {} {} UTC {}", part[0], part[2], part[1], part[4], part[3])
}

fn household() -> Value {
    let mut base = device("Base", "WVODB1", "2CAA8E000001", "BASEUID1111111111111", "basestationkey01", "192.168.1.50");
    base["product_type"] = "BaseStation".into();
    let mut outdoor = device("Garden", "WVOD1", "2CAA8E000002", "", "outdoorcamerakey", "192.168.200.102");
    outdoor["parent_device_mac"] = "2CAA8E000001".into();
    outdoor["parent_device_enr"] = "basestationkey01".into();
    let mut shared = device("Neighbour", "WVOD1", "2CAA8E000003", "", "outdoorcamerakey", "192.168.200.103");
    shared["parent_device_mac"] = "2CAA8E0000FF".into();
    shared["parent_device_enr"] = "theirstationkey1".into();
    let mut doorbell = device("Door", "HL_DB2", "2CAA8E000004", "DOORUID1111111111111", "doorbellkey12345", "");
    doorbell["product_type"] = "Doorbell".into();
    let mut v4 = device("Attic", "HL_CAM4", "2CAA8E000005", "FOURUID1111111111111", "v4key12345678901", "0.0.0.0");
    v4["device_params"]["dtls"] = 0.into();
    let mut old = device("Cellar", "WYZEC1", "2CAA8E000006", "OLD3UID1111111111111", "v3key12345678901", "10.0.0.6");
    old["device_params"]["dtls"] = 0.into();
    let gwell = json!({
        "mac": "GW_GC1_80482C", "nickname": " ", "product_model": "GW_GC1", "product_type": "Camera",
        "enr": null, "firmware_ver": null, "device_params": {},
    });
    let plug = json!({ "mac": "2CAA8E000009", "product_type": "Plug", "product_model": "WLPP1", "nickname": 9 });
    json!([
        device("Front Door", "WYZE_CAKP2JFUS", "AABBCCDDEEFF", UID, ENR, "192.168.1.20"),
        base,
        outdoor,
        shared,
        doorbell,
        v4,
        old,
        gwell,
        plug
    ])
}

#[test]
fn the_list_has_the_cameras_and_what_is_behind_a_base_station_has_its_keys() {
    let mock = MockCloud::start();
    mock.state().devices = household();
    let cameras = list(&mock).unwrap();
    let names: Vec<_> = cameras.iter().map(|camera| camera.name.as_str()).collect();
    assert_eq!(names, ["Front Door", "Garden", "Neighbour", "Door", "Attic", "Cellar", "GW_GC1"]);
    let front = &cameras[0];
    let keys = (front.uid.expose(), front.enr.expose(), front.mac.expose());
    assert_eq!(keys, (UID, ENR, "AABBCCDDEEFF"));
    assert_eq!((front.model.as_str(), front.firmware.as_str()), ("WYZE_CAKP2JFUS", "4.36.13.0416"));
    assert_eq!((front.host.as_deref(), front.dtls, front.origin), (Some("192.168.1.20"), Some(true), Origin::Account));
    assert_eq!(front.paths().obstacle(), None);
    assert!(front.age() < Duration::from_secs(600));
    let station = cameras[1].base_station.as_ref().unwrap();
    assert_eq!((station.uid.expose(), station.enr.expose()), ("BASEUID1111111111111", "basestationkey01"));
    assert_eq!(station.mac.expose(), "2CAA8E000001");
    assert_eq!(cameras[1].host.as_deref(), Some("192.168.1.50"), "the base station's, which can be reached");
    let station = cameras[2].base_station.as_ref().unwrap();
    assert_eq!((station.uid.expose(), station.enr.expose()), ("", "theirstationkey1"));
    assert_eq!(cameras[2].host, None);
    assert_eq!((cameras[3].host.as_deref(), cameras[3].paths().obstacle()), (None, None));
    assert_eq!(
        (cameras[4].host.as_deref(), cameras[4].paths().lan.err()),
        (None, None),
        "its dtls flag is not believed"
    );
    for (camera, why) in [(1, "base station"), (2, "base station"), (5, "DTLS"), (6, "WebRTC only")] {
        let obstacle = cameras[camera].paths().lan.unwrap_err();
        assert!(obstacle.contains(why), "{obstacle}");
    }
}

#[test]
fn a_list_of_another_shape_names_the_field() {
    let mock = MockCloud::start();
    let ok = |body: Value| Answer::json(200, json!({ "code": "1", "data": body }));
    for (answer, field) in [
        (ok(json!({})), "data.device_list is missing"),
        (ok(json!({ "device_list": {} })), "data.device_list is not a list"),
        (Answer::json(200, json!({ "code": 1 })), "device_list is missing"),
        (Answer::Raw(200, b"{".to_vec()), "the answer is not JSON"),
    ] {
        mock.next(LIST, answer);
        assert_says(list(&mock), &[field, "report it"]);
    }
    mock.next(LIST, Answer::json(200, json!({ "code": "1004", "msg": "invalid parameter" })));
    assert_says(list(&mock), &["1004: invalid parameter"]);
    // The shape without "data", and a code that is a number.
    mock.next(LIST, Answer::json(200, json!({ "code": 1, "device_list": household() })));
    assert_eq!(list(&mock).unwrap().len(), 7);
}

#[test]
fn an_odd_device_is_left_out_and_named_with_its_field_and_the_others_stay() {
    type Change = fn(&mut Value);
    let mock = MockCloud::start();
    let parameters: [Change; 3] =
        [|d| d["device_params"] = json!([]), |d| d["device_params"] = "none".into(), |d| d["device_params"] = 7.into()];
    let mut cases: Vec<(Change, &str)> = parameters.map(|change| (change, ".device_params is not an object")).into();
    cases.extend::<[(Change, &str); 13]>([
        (|d| d["product_type"] = 5.into(), ".product_type is not a text"),
        (|d| d["product_type"] = json!(["Camera"]), ".product_type is not a text"),
        (|d| d["mac"] = Value::Null, ".mac is missing"),
        (|d| drop(d.as_object_mut().unwrap().remove("mac")), ".mac is missing"),
        (|d| d["mac"] = 42.into(), ".mac is not a text"),
        (|d| d["product_model"] = "".into(), ".product_model is missing"),
        (|d| d["product_model"] = json!({}), ".product_model is not a text"),
        (|d| d["enr"] = json!([ENR]), ".enr is not a text"),
        (|d| d["device_params"]["p2p_id"] = 7.into(), ".device_params.p2p_id is not a text"),
        (|d| d["parent_device_mac"] = true.into(), ".parent_device_mac is not a text"),
        (|d| *d = Value::Null, " is not an object"),
        (|d| *d = "Camera".into(), " is not an object"),
        (|d| *d = json!([1]), " is not an object"),
    ]);
    for (change, problem) in cases {
        let mut odd =
            device("Odd \u{1b}[31m One", "HL_CAM4", "0123456789AB", "ODDUID11111111111111", "oddkey1234567890", "");
        change(&mut odd);
        let mut devices = household().as_array().unwrap().clone();
        devices.insert(1, odd.clone());
        mock.state().devices = devices.into();
        let CameraList { cameras, left_out } = whole_list(&mock).unwrap();
        assert_eq!(cameras.len(), 7, "{odd}");
        let [device] = &left_out[..] else { panic!("{odd}: {left_out:?}") };
        let text = device.error.to_string();
        assert!(text.contains(&format!("data.device_list[1]{problem}")), "{text}");
        assert_eq!(device.name, if odd.is_object() { "Odd [31m One" } else { "a device without a name" });
        assert_discreet(&format!("{text} {device:?}"));
    }
}

#[test]
fn what_is_only_shown_of_a_device_may_be_of_any_type() {
    let mock = MockCloud::start();
    for odd in [json!(7), json!([7]), json!({ "a": 1 }), json!(true), Value::Null, json!(1.5)] {
        let mut camera = device("Door", "HL_CAM4", "0123456789AB", UID, ENR, "10.0.0.1");
        for name in ["nickname", "firmware_ver", "hardware_ver", "timezone_name", "conn_state", "user_role", "new"] {
            camera[name] = odd.clone();
        }
        for name in ["p2p_type", "ip", "ssid", "dtls", "main_device_dtls"] {
            camera["device_params"][name] = odd.clone();
        }
        mock.state().devices = json!([odd, camera, { "product_type": null }, { "product_type": "Plug", "mac": odd }]);
        let CameraList { cameras, left_out } = whole_list(&mock).unwrap();
        assert_eq!((cameras.len(), left_out.len()), (1, usize::from(!odd.is_object())), "{odd}: {left_out:?}");
        let shown = if odd.is_number() { odd.to_string() } else { String::new() };
        assert_eq!(cameras[0].firmware, shown);
        assert_eq!(cameras[0].name, if shown.is_empty() { "HL_CAM4" } else { &shown });
        assert_eq!((cameras[0].host.as_deref(), cameras[0].paths().obstacle()), (None, None), "{odd}");
    }
}

#[test]
fn a_camera_without_parameters_stays_and_says_what_it_lacks() {
    let mock = MockCloud::start();
    for change in [(|d| d["device_params"] = Value::Null) as fn(&mut Value), |d| {
        drop(d.as_object_mut().unwrap().remove("device_params"))
    }] {
        let mut camera = device("Door", "HL_CAM4", "0123456789AB", UID, ENR, "10.0.0.1");
        change(&mut camera);
        mock.state().devices = json!([camera]);
        let cameras = list(&mock).unwrap();
        assert_eq!(cameras[0].paths().lan, Err("UID, ENR or MAC is not known"));
        assert_eq!(cameras[0].paths().open(), ["WebRTC"]);
    }
}

#[test]
fn odd_fields_in_the_answer_to_a_login_cost_nothing_that_is_not_needed() {
    let mock = MockCloud::start();
    mock.state().factors = vec!["TotpVerificationCode"];
    let details =
        json!({ "primary_option": ["x"], "totp_apps": [null, {}, { "app_id": [] }, { "app_id": "totp-app-1" }] });
    let first = json!({ "user_id": 7, "mfa_options": [7, null, "TotpVerificationCode"], "mfa_details": details });
    mock.next(LOGIN, Answer::json(200, first));
    let login = Login { totp_secret: Some(TOTP_SECRET.into()), ..owner() };
    client(&mock).login(&login, &mut nobody).unwrap();
    // Ids are written as numbers, too.
    mock.state().factors = vec!["Email"];
    let first = json!({ "user_id": 7, "email_session_id": 8, "mfa_options": [{}, "Email"], "mfa_details": "none" });
    mock.next(LOGIN, Answer::json(200, first));
    mock.next("/v2/user/login/sendEmailCode", Answer::json(200, json!({ "session_id": 9 })));
    mock.next(
        LOGIN,
        Answer::json(200, json!({ "access_token": "access-token-9", "refresh_token": "refresh-token-9" })),
    );
    client(&mock).login(&owner(), &mut |_| Some("1".into())).unwrap();
    let last = mock.asked(LOGIN).pop().unwrap();
    assert_eq!(last.body["verification_id"], "9");
}

/// An odd base station leaves its camera out, and no other.
#[test]
fn an_odd_base_station_costs_only_the_cameras_behind_it() {
    let mock = MockCloud::start();
    for (change, cameras) in [
        ((|base| base["enr"] = 7.into()) as fn(&mut Value), 6),
        (|base| base["device_params"] = json!([]), 6),
        (|base| base["mac"] = json!([]), 7),
        (|base| base["product_type"] = "Lock".into(), 7),
    ] {
        let mut devices = household();
        change(&mut devices[1]);
        mock.state().devices = devices;
        let list = whole_list(&mock).unwrap();
        assert_eq!((list.cameras.len(), list.left_out.len()), (cameras, 7 - cameras));
    }
}

struct Home {
    mock: MockCloud,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockCloud::start();
        mock.state().devices = household();
        Home { mock, store: Store::at(folder.path().join("store")), _folder: folder }
    }

    /// Opens the account as a new process would.
    fn access(&self) -> Access<'_> {
        Access::new(&self.store, hosts(&self.mock)).unwrap()
    }

    fn login(&self, login: &Login) -> Result<(), AccessError> {
        self.access().login(login, &mut nobody)
    }
}

#[test]
fn tokens_outlive_the_process() {
    let home = Home::new();
    assert_says(home.access().cameras(), &["wyze-cameras login"]);
    home.login(&owner()).unwrap();
    assert_eq!(home.access().cameras().unwrap().cameras.len(), 7);
    assert_eq!(home.access().cameras().unwrap().cameras.len(), 7);
    assert_eq!((home.mock.logins(), home.mock.asked(REFRESH).len()), (1, 0));
    let phones: std::collections::BTreeSet<_> =
        home.mock.asked(LIST).iter().map(|r| r.body["phone_id"].to_string()).collect();
    assert_eq!(phones.len(), 1, "one phone for the account");
    assert!(home.access().logout().unwrap());
    assert!(!home.access().logout().unwrap());
    assert_says(home.access().cameras(), &["wyze-cameras login"]);
}

#[test]
fn tokens_that_expired_are_renewed_once_without_a_login() {
    let home = Home::new();
    home.login(&owner()).unwrap();
    home.mock.state().access = Some("another".into());
    assert_eq!(home.access().cameras().unwrap().cameras.len(), 7);
    assert_eq!(home.access().cameras().unwrap().cameras.len(), 7, "with the new one");
    assert_eq!((home.mock.logins(), home.mock.asked(REFRESH).len()), (1, 1));
    // The cloud may take back the refresh token too. Then only a login helps, which is not done unasked.
    home.mock.state().access = None;
    home.mock.state().refresh = None;
    assert_says(home.access().cameras(), &["expired", "run wyze-cameras login"]);
    assert_eq!((home.mock.logins(), home.mock.asked(REFRESH).len()), (1, 2));
    home.mock.next(LIST, Answer::json(401, json!({})));
    home.mock.next(REFRESH, Answer::json(200, json!({ "code": "1", "data": {} })));
    assert_says(home.access().cameras(), &["data.access_token is missing"]);
}

#[test]
fn one_failed_login_keeps_all_processes_from_another() {
    let home = Home::new();
    let wrong = Login { password: "wrong".into(), ..owner() };
    assert_says(home.login(&wrong), &["refused the login"]);
    assert_says(home.login(&owner()), &["tried a moment ago"]);
    home.access().logout().unwrap();
    assert_says(home.login(&owner()), &["tried a moment ago"]);
    assert_eq!(home.mock.logins(), 1);
}

#[test]
fn a_lock_out_keeps_all_processes_away_for_as_long_as_it_lasts() {
    let home = Home::new();
    home.mock.next(LOGIN, Answer::refused("Too many failed attempts."));
    assert_says(home.login(&owner()), &["wait 15 min"]);
    let Err(AccessError::Cloud(CloudError::TooSoon { wait })) = home.login(&owner()) else { panic!("it asked again") };
    assert!(wait > Duration::from_secs(800), "{wait:?}");
    assert_eq!(home.mock.logins(), 1);
}

#[test]
fn processes_that_log_in_at_the_same_time_make_one_login() {
    let home = Home::new();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| home.login(&owner()).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|ok| **ok).count(), 1);
    assert_eq!(home.mock.logins(), 1);
}

#[test]
fn limits_outlive_the_process() {
    let home = Home::new();
    home.login(&owner()).unwrap();
    home.mock.next(LIST, Answer::Json(429, vec![("retry-after", "120".into())], json!({})));
    assert_says(home.access().cameras(), &["too many requests", "wait 2 min"]);
    assert_says(home.access().cameras(), &["too many requests"]);
    assert_eq!(home.mock.asked(LIST).len(), 1);
}

#[test]
fn a_secret_stays_out_of_debug_output() {
    assert_eq!(format!("{:?}", Secret::from(ENR)), "***");
}
