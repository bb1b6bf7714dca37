//! A Wyze cloud on 127.0.0.1: an HTTP server, with TLS if wanted, that has one account and keeps all requests.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "certificate.rs"]
pub mod certificate;

pub use certificate::Proof;
use certificate::acceptor;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::SslAcceptor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const EMAIL: &str = "owner@example.com";
pub const PASSWORD: &str = "correct horse battery";
pub const KEY_ID: &str = "11111111-2222-3333-4444-555555555555";
pub const API_KEY: &str = "kPq7Zr2mWx9vB4nT8sLd";
pub const TOTP_SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
pub const MAILED_CODE: &str = "314159";
pub const STREAMS: &str = "/app/v4/camera/get_streams";
/// As AWS writes them, encoded once.
pub const SIGNALLING_URL: &str = "wss://kvs.example.com/?X-Amz-Credential=AKIA%2F20261126%2Fkvs&X-Amz-Signature=5ec7e7";
pub const TURN_CREDENTIAL: &str = "turn-credential-1";
/// Shows that a request comes from the app.
const APP_KEY: &str = "WMXHYf79Nr5gIlt3r0r7p9Tcw5bvs6BB4U8O8nGJ";
/// What the app's id stands for when it signs a request.
const SIGNING_SECRET: &str = "wyze_app_secret_key_132";
const TOTP_APP: &str = "totp-app-1";
const USER_ID: &str = "user-1";

/// An answer to a request.
#[derive(Clone)]
pub enum Answer {
    Json(u16, Vec<(&'static str, String)>, Value),
    /// Bytes instead of JSON.
    Raw(u16, Vec<u8>),
    /// Closes the connection without a word.
    HangUp,
    /// Keeps the connection open until the client goes.
    Silence,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Answer::Json(status, Vec::new(), body)
    }

    pub fn refused(description: &str) -> Self {
        Answer::json(400, json!({ "errorCode": 1000, "description": description, "requestId": "r" }))
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Request {
    /// Returns a header's value; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The account and its history.
pub struct State {
    /// The account's second factors, in the words of `mfa_options`.
    pub factors: Vec<&'static str>,
    pub primary: &'static str,
    pub devices: Value,
    /// What is said of each device that is asked for to watch it.
    pub stream: Value,
    /// Headers that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The next answers on some paths, whatever the requests.
    pub next: Vec<(&'static str, Answer)>,
    pub requests: Vec<Request>,
    /// The valid access token; none before a login.
    pub access: Option<String>,
    /// The valid refresh token; none before a login.
    pub refresh: Option<String>,
    phone: Option<String>,
    issued: u32,
}

pub struct MockCloud {
    pub address: SocketAddr,
    scheme: &'static str,
    host: &'static str,
    /// The certificate authority in PEM, where this cloud has TLS.
    pub authority: Option<String>,
    state: Arc<Mutex<State>>,
}

impl MockCloud {
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// With a good certificate of an authority of its own.
    pub fn start_tls() -> Self {
        Self::start_tls_with(Proof::Good)
    }

    /// With a certificate of an authority of its own, if that signs it at all.
    pub fn start_tls_with(proof: Proof) -> Self {
        Self::listen(Some(acceptor(proof)))
    }

    fn listen(tls: Option<(SslAcceptor, String)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            factors: Vec::new(),
            primary: "Unknown",
            devices: json!([]),
            stream: stream(SIGNALLING_URL),
            headers: Vec::new(),
            next: Vec::new(),
            requests: Vec::new(),
            access: None,
            refresh: None,
            phone: None,
            issued: 0,
        }));
        let (acceptor, authority) = tls.unzip();
        let (scheme, host) = if acceptor.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
        thread::spawn({
            let state = state.clone();
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let (state, acceptor) = (state.clone(), acceptor.clone());
                    thread::spawn(move || serve(stream, acceptor, &state));
                }
            }
        });
        MockCloud { address, scheme, host, authority, state }
    }

    pub fn auth_url(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.address.port())
    }

    pub fn api_url(&self) -> String {
        format!("{}/app", self.auth_url())
    }

    pub fn app_url(&self) -> String {
        self.api_url()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets the answer to the next request on this path, whatever it asks.
    pub fn next(&self, path: &'static str, answer: Answer) {
        self.state().next.push((path, answer));
    }

    /// Returns the requests on paths that begin so.
    pub fn asked(&self, path: &str) -> Vec<Request> {
        self.state().requests.iter().filter(|request| request.path.starts_with(path)).cloned().collect()
    }

    /// Returns how many logins were tried.
    pub fn logins(&self) -> usize {
        self.asked("/api/user/login").len() + self.asked("/user/login?").len()
    }
}

fn serve(stream: TcpStream, acceptor: Option<SslAcceptor>, state: &Mutex<State>) {
    let Some(acceptor) = acceptor else { return converse(stream, state) };
    // A client that does not trust the certificate goes away.
    if let Ok(stream) = acceptor.accept(stream) {
        converse(stream, state);
    }
}

/// Answers requests until the client goes.
fn converse(stream: impl Read + Write, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let answer = state.lock().unwrap().answer(request);
        let (status, headers, body) = match answer {
            Answer::HangUp => return,
            Answer::Silence => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Answer::Json(status, headers, body) => (status, headers, body.to_string().into_bytes()),
            Answer::Raw(status, body) => (status, Vec::new(), body),
        };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        let stream = stream.get_mut();
        if stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.write_all(&body))
            .and_then(|()| stream.flush())
            .is_err()
        {
            return;
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    assert!(line.starts_with("POST "), "{line}");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body: serde_json::from_slice(&body).unwrap(), bytes: body })
}

impl State {
    fn answer(&mut self, request: Request) -> Answer {
        self.requests.push(request.clone());
        let path = request.path.split('?').next().unwrap();
        if let Some(at) = self.next.iter().position(|(next, _)| *next == path) {
            return self.next.remove(at).1;
        }
        let mut answer = match path {
            "/api/user/login" => self.login_with_key(&request),
            "/user/login" => self.login_as_app(&request),
            "/user/login/sendSmsCode" => self.send_code(&request, "sms-session", "sms-verification"),
            "/v2/user/login/sendEmailCode" => self.send_code(&request, "email-session", "email-verification"),
            "/app/user/refresh_token" => self.refresh(&request),
            "/app/v2/home_page/get_object_list" => self.list(&request),
            "/app/v2/auto/run_action" => self.run_action(&request),
            STREAMS => self.streams(&request),
            _ => Answer::json(404, json!({ "msg": "no such path" })),
        };
        if let Answer::Json(_, headers, _) = &mut answer {
            headers.extend(self.headers.clone());
        }
        answer
    }

    fn login_with_key(&mut self, request: &Request) -> Answer {
        if request.header("user-agent").is_empty() {
            return Answer::json(403, json!({}));
        }
        if (request.header("keyid"), request.header("apikey")) != (KEY_ID, API_KEY) {
            return Answer::refused("Invalid credentials, please check username, password, keyid or apikey");
        }
        self.login(request)
    }

    fn login_as_app(&mut self, request: &Request) -> Answer {
        if request.headers.get("x-api-key").map(String::as_str) != Some(APP_KEY) {
            return Answer::json(403, json!({}));
        }
        self.login(request)
    }

    fn login(&mut self, request: &Request) -> Answer {
        let body = &request.body;
        let hashed =
            (0..3).fold(PASSWORD.to_owned(), |text, _| hex(&hash(MessageDigest::md5(), text.as_bytes()).unwrap()));
        if body["email"] != EMAIL || body["password"] != hashed {
            return Answer::refused("Invalid credentials, please check username, password, keyid or apikey");
        }
        let phone = request.headers.get("phone-id").cloned();
        assert!(phone.as_ref().is_some_and(|phone| phone.len() == 36), "{phone:?}");
        if self.factors.is_empty() {
            return self.grant();
        }
        let Some(kind) = body["mfa_type"].as_str() else {
            self.phone = phone;
            return Answer::json(
                200,
                json!({
                    "access_token": null, "refresh_token": null, "user_id": USER_ID,
                    "mfa_options": self.factors,
                    "mfa_details": {
                        "primary_option": self.primary,
                        "totp_apps": [{ "app_id": TOTP_APP }],
                        "phone_numbers": { "primary_phone": { "country_code": "1", "number": "***99" } },
                    },
                    "sms_session_id": "sms-session", "email_session_id": "email-session",
                }),
            );
        };
        assert!(self.factors.contains(&kind), "{kind}");
        let (id, code) = match kind {
            "TotpVerificationCode" => (TOTP_APP, totp(unix_time())),
            "PrimaryPhone" | "BackupPhone" => ("sms-verification", MAILED_CODE.to_owned()),
            _ => ("email-verification", MAILED_CODE.to_owned()),
        };
        // The time of the code before may just have ended.
        let is_right = body["verification_code"] == code
            || kind == "TotpVerificationCode" && body["verification_code"] == totp(unix_time() - 30);
        if body["verification_id"] != id || !is_right {
            return Answer::refused("Invalid Verification Code.");
        }
        self.grant()
    }

    fn send_code(&self, request: &Request, session: &str, verification: &str) -> Answer {
        let query: BTreeMap<_, _> = request
            .path
            .split('?')
            .nth(1)
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let header = |name: &str| request.headers.get(name).cloned();
        assert_eq!(header("x-api-key").as_deref(), Some(APP_KEY));
        assert_eq!(header("phone-id"), self.phone, "the phone that began the login");
        let decode = |name: &str| query.get(name).map(|value| value.replace("%2D", "-"));
        assert_eq!(decode("userId").as_deref(), Some(USER_ID));
        assert_eq!(decode("sessionId").as_deref(), Some(session));
        Answer::json(200, json!({ "session_id": verification }))
    }

    fn grant(&mut self) -> Answer {
        self.issue();
        let (access, refresh) = (&self.access, &self.refresh);
        let tokens = json!({
            "access_token": access, "refresh_token": refresh, "user_id": USER_ID, "mfa_options": null,
        });
        Answer::json(200, tokens)
    }

    fn issue(&mut self) {
        self.issued += 1;
        self.access = Some(format!("access-token-{}", self.issued));
        self.refresh = Some(format!("refresh-token-{}", self.issued));
    }

    fn refresh(&mut self, request: &Request) -> Answer {
        assert_standard(&request.body);
        if self.refresh.is_none() || request.body["refresh_token"].as_str() != self.refresh.as_deref() {
            return Answer::json(200, json!({ "code": "2002", "msg": "refresh token is error", "data": null }));
        }
        self.issue();
        let data = json!({ "access_token": self.access, "refresh_token": self.refresh });
        Answer::json(200, json!({ "code": "1", "msg": "SUCCESS", "data": data }))
    }

    /// The answer to a request without the valid access token; `None` to one that has it.
    fn refuse_token(&self, request: &Request) -> Option<Answer> {
        assert_standard(&request.body);
        let is_valid = self.access.is_some() && request.body["access_token"].as_str() == self.access.as_deref();
        let refused = json!({ "code": "2001", "msg": "access token is error", "data": {} });
        (!is_valid).then(|| Answer::json(200, refused))
    }

    /// Takes an action for a device of the account only.
    fn run_action(&self, request: &Request) -> Answer {
        if let Some(refused) = self.refuse_token(request) {
            return refused;
        }
        let body = &request.body;
        let is_own = |device: &Value| {
            (&device["mac"], &device["product_model"]) == (&body["instance_id"], &body["provider_key"])
        };
        if !self.devices.as_array().unwrap().iter().any(is_own) {
            return Answer::json(200, json!({ "code": "3019", "msg": "NoSuchDevice", "data": null }));
        }
        Answer::json(200, json!({ "code": "1", "msg": "SUCCESS", "data": {}, "ts": 1_700_000_000_000_u64 }))
    }

    /// Lets a device of the account be watched, if the request is signed as the app does it.
    fn streams(&self, request: &Request) -> Answer {
        let token = request.header("access_token");
        let refused = |code: &str, text: &str| Answer::json(200, json!({ "code": code, "msg": text, "data": null }));
        if request.header("appid") != "9319141212m2ik" || request.header("signature2") != sign(token, &request.bytes) {
            return refused("1003", "signature is invalid");
        }
        if self.access.as_deref() != Some(token) || request.header("authorization") != token {
            return refused("2001", "access token is error");
        }
        assert!(request.body["nonce"].as_u64().unwrap().abs_diff(unix_time() * 1000) < 600_000);
        let [asked] = &request.body["device_list"].as_array().unwrap()[..] else { panic!("{:?}", request.body) };
        assert_eq!((&asked["provider"], &asked["parameters"]["use_trickle"]), (&json!("webrtc"), &json!(true)));
        let is_asked = |device: &Value| {
            (&device["mac"], &device["product_model"]) == (&asked["device_id"], &asked["device_model"])
        };
        if !self.devices.as_array().unwrap().iter().any(is_asked) {
            return refused("1001", "parameter is invalid");
        }
        let mut stream = self.stream.clone();
        stream["device_id"] = asked["device_id"].clone();
        Answer::json(200, json!({ "code": "1", "msg": "SUCCESS", "ts": 1_700_000_000_000_u64, "data": [stream] }))
    }

    fn list(&self, request: &Request) -> Answer {
        if let Some(refused) = self.refuse_token(request) {
            return refused;
        }
        let data = json!({ "device_list": self.devices, "device_group_list": [] });
        Answer::json(200, json!({ "code": "1", "msg": "SUCCESS", "data": data, "ts": 1_700_000_000_000_u64 }))
    }
}

fn assert_standard(body: &Value) {
    for name in ["sc", "sv", "app_ver", "app_version", "app_name", "phone_id"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name} is missing");
    }
    assert_eq!(body["phone_system_type"], 1);
    assert!(body["ts"].as_u64().unwrap().abs_diff(unix_time() * 1000) < 600_000);
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the code of an authenticator app that has [`TOTP_SECRET`].
pub fn totp(time: u64) -> String {
    let bits: String = TOTP_SECRET
        .bytes()
        .map(|c| format!("{:05b}", if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' }))
        .collect();
    let key: Vec<u8> = (0..bits.len() / 8).map(|i| u8::from_str_radix(&bits[i * 8..][..8], 2).unwrap()).collect();
    let key = PKey::hmac(&key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha1(), &key).unwrap();
    let mac = signer.sign_oneshot_to_vec(&(time / 30).to_be_bytes()).unwrap();
    let at = usize::from(mac[19] % 16);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) % (1 << 31);
    format!("{:06}", number % 1_000_000)
}

/// Signs a request's body as the phone app does.
fn sign(token: &str, body: &[u8]) -> String {
    let key = hex(&hash(MessageDigest::md5(), format!("{token}{SIGNING_SECRET}").as_bytes()).unwrap());
    let key = PKey::hmac(key.as_bytes()).unwrap();
    hex(&Signer::new(MessageDigest::md5(), &key).unwrap().sign_oneshot_to_vec(body).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a camera's entry of the list, as the cloud writes it.
pub fn device(name: &str, model: &str, mac: &str, uid: &str, enr: &str, ip: &str) -> Value {
    json!({
        "mac": mac, "enr": enr, "nickname": name, "product_model": model, "product_type": "Camera",
        "firmware_ver": "4.36.13.0416", "hardware_ver": "0.0.0.0", "timezone_name": "Europe/Berlin", "conn_state": 1,
        "user_role": 1, "parent_device_mac": "", "parent_device_enr": "",
        "device_params": { "p2p_id": uid, "p2p_type": 3, "ip": ip, "ssid": "home", "dtls": 1, "main_device_dtls": 0 },
    })
}

/// Returns what the cloud says of a camera that can be watched, but for its MAC.
pub fn stream(signalling_url: &str) -> Value {
    json!({
        "provider": "webrtc",
        "property": { "iot-device::iot-state": 1, "iot-device::iot-power": 1 },
        "params": {
            "signaling_url": signalling_url,
            "ice_servers": [
                { "url": "stun:stun.example.com:443" },
                { "url": "turn:turn.example.com:443?transport=udp", "username": "u", "credential": TURN_CREDENTIAL },
            ],
            "auth_token": "",
        },
    })
}

/// A timeout for requests that are not answered.
pub const IMPATIENCE: Duration = Duration::from_millis(300);
