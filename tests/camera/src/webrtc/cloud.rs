//! As much of Wyze's cloud as leads a client to simulated cameras: it lets everybody in.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The longest request, in bytes, that is read.
const REQUEST_LIMIT: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// A camera of the account.
#[derive(Debug, Clone)]
pub struct CloudCamera {
    pub name: String,
    pub model: String,
    pub mac: String,
    /// Where its signalling is.
    pub url: String,
    /// What it names as STUN and TURN servers, as in its answer.
    pub ice_servers: Value,
}

/// An HTTP server on 127.0.0.1 that runs until the program ends.
pub struct DemoCloud {
    address: SocketAddr,
}

impl DemoCloud {
    pub fn start(cameras: Vec<CloudCamera>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let cameras: Arc<[CloudCamera]> = cameras.into();
        thread::Builder::new().name("demo-cloud".into()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let cameras = cameras.clone();
                // A client that does not get an answer tells so itself.
                thread::spawn(move || serve(stream, &cameras));
            }
        })?;
        Ok(DemoCloud { address })
    }

    /// The environment variables that lead the plugin and wyze-cameras here.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let url = format!("http://{}", self.address);
        [("WYZE_AUTH_URL", url.clone()), ("WYZE_API_URL", format!("{url}/app")), ("WYZE_APP_URL", format!("{url}/app"))]
    }
}

/// Answers requests until the client goes.
fn serve(stream: TcpStream, cameras: &[CloudCamera]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = read_request(&mut reader)? {
        let answer = answer(&path, &body, cameras).to_string();
        write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
    Ok(())
}

/// Reads a request; `None` where there is none any more.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(String, Value)>> {
    let mut reader = reader.take(REQUEST_LIMIT);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return Ok(None) };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Some((path, serde_json::from_slice(&body).unwrap_or_default())))
}

fn answer(path: &str, body: &Value, cameras: &[CloudCamera]) -> Value {
    match path {
        "/api/user/login" => json!({ "access_token": "demo", "refresh_token": "demo", "user_id": "demo" }),
        "/app/user/refresh_token" => done(json!({ "access_token": "demo", "refresh_token": "demo" })),
        "/app/v2/home_page/get_object_list" => {
            done(json!({ "device_list": cameras.iter().map(device).collect::<Vec<_>>() }))
        }
        "/app/v4/camera/get_streams" => {
            let mac = &body["device_list"][0]["device_id"];
            match cameras.iter().find(|camera| *mac == camera.mac) {
                Some(camera) => done(json!([stream(camera)])),
                None => json!({ "code": "1001", "msg": "no such camera" }),
            }
        }
        _ => json!({ "code": "404", "msg": "no such path" }),
    }
}

fn done(data: Value) -> Value {
    json!({ "code": "1", "msg": "SUCCESS", "data": data })
}

fn device(camera: &CloudCamera) -> Value {
    json!({
        "mac": camera.mac, "nickname": camera.name, "product_model": camera.model, "product_type": "Camera",
        "device_params": {},
    })
}

fn stream(camera: &CloudCamera) -> Value {
    json!({
        "device_id": camera.mac, "provider": "webrtc",
        "property": { "iot-device::iot-state": 1, "iot-device::iot-power": 1 },
        "params": { "signaling_url": camera.url, "ice_servers": camera.ice_servers, "auth_token": "" },
    })
}
