//! Tests our DTLS, which is OpenSSL's, against another implementation, webrtc-dtls, over UDP.
//!
//! webrtc-dtls has none of the suites that cameras use, so both sides offer AES-128-GCM with the pre-shared key. Its
//! server always sends HelloVerifyRequest.

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role, Suite};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::login;
use gstwyze::protocol::wire::talk::TalkFrame;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{Config, ExtendedMasterSecretType};
use webrtc_dtls::conn::DTLSConn;

const ENR: &str = "roTRg3tiuL3TjXhm";
const RANDOM: [u8; 4] = [1, 2, 3, 4];
const FRAMES: u32 = 50;
/// How long to wait for what usually takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

fn credentials() -> Credentials {
    Credentials::new("HSBJYB5HSETGCDWD111A", ENR, "AABBCCDDEEFF").unwrap()
}

/// The end with our DTLS, and the records that it has read.
struct Ours {
    endpoint: Endpoint,
    socket: UdpSocket,
    received: Vec<Vec<u8>>,
}

impl Ours {
    fn new(role: Role, socket: UdpSocket) -> Self {
        let mut settings = EndpointSettings::new(role, credentials().psk());
        settings.suites = vec![Suite::PskAes128GcmSha256];
        Ours { endpoint: Endpoint::new(&settings).unwrap(), socket, received: Vec::new() }
    }

    async fn transmit(&mut self) {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            self.socket.send(&datagram).await.unwrap();
        }
    }

    /// Carries datagrams until `done` returns true.
    async fn run_until(&mut self, done: impl Fn(&Ours) -> bool) {
        let mut datagram = [0; 2048];
        loop {
            self.transmit().await;
            if done(self) {
                return;
            }
            let due = self.endpoint.next_timeout().unwrap_or(LIMIT);
            match tokio::time::timeout(due, self.socket.recv(&mut datagram)).await {
                Ok(n) => {
                    let received = &mut self.received;
                    self.endpoint.handle_datagram(&datagram[..n.unwrap()], |plain| received.push(plain.to_vec()));
                }
                Err(_) => self.endpoint.handle_timeout(),
            }
        }
    }

    async fn send(&mut self, data: &[u8]) {
        assert!(self.endpoint.send(data));
        self.transmit().await;
    }

    /// Waits for the next record and returns it.
    async fn receive(&mut self) -> Vec<u8> {
        self.run_until(|ours| !ours.received.is_empty()).await;
        self.received.remove(0)
    }
}

fn their_config(is_client: bool) -> Config {
    let psk = credentials().psk();
    Config {
        psk: Some(Arc::new(move |_| Ok(psk.bytes().to_vec()))),
        // The client sends this as its identity. A server would send it as a hint, which cameras do not do.
        psk_identity_hint: is_client.then(|| b"AUTHPWD_admin".to_vec()),
        cipher_suites: vec![CipherSuiteId::Tls_Psk_With_Aes_128_Gcm_Sha256],
        extended_master_secret: ExtendedMasterSecretType::Disable,
        ..Config::default()
    }
}

/// Returns two sockets that are connected to each other.
async fn sockets() -> (UdpSocket, UdpSocket) {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    (a, b)
}

async fn shake_hands(role: Role) -> (Ours, DTLSConn) {
    let (ours, theirs) = sockets().await;
    let mut ours = Ours::new(role, ours);
    let is_client = role != Role::Client;
    let (theirs, ()) = tokio::join!(
        DTLSConn::new(Arc::new(theirs), their_config(is_client), is_client, None),
        ours.run_until(|ours| *ours.endpoint.state() != EndpointState::Handshaking)
    );
    assert_eq!(ours.endpoint.state(), &EndpointState::Established);
    assert_eq!(ours.endpoint.suite(), Some(Suite::PskAes128GcmSha256));
    (ours, theirs.unwrap())
}

async fn read(theirs: &DTLSConn) -> Vec<u8> {
    let mut record = [0; 2048];
    let n = theirs.read(&mut record, None).await.unwrap();
    record[..n].to_vec()
}

/// Returns the first packet that a camera sends on the back channel.
fn login() -> Vec<u8> {
    login::Request { second: false, random: RANDOM, password: ENR.as_bytes(), resend: false }.emit()
}

fn answer(request: &[u8]) -> Vec<u8> {
    let request = login::Request::parse(request).unwrap();
    assert_eq!(request.password, ENR.as_bytes());
    login::Response::welcome(request.random).emit()
}

fn assert_answers_login(response: &[u8]) {
    let response = login::Response::parse(response).unwrap();
    assert!(response.success && response.two_way_audio);
    assert_eq!(response.echo, RANDOM);
}

fn talk_frame(number: u32) -> Vec<u8> {
    let audio: Vec<u8> = (0..160).map(|i| (number * 31 + i) as u8).collect();
    let flags = AudioFlags::new(8000, false).unwrap();
    TalkFrame { number, microseconds: number * 20_000, codec: CodecId::MULAW, flags, audio: &audio }.emit()
}

/// Runs a talk in which the other implementation plays the camera.
async fn talk_to_them(mut ours: Ours, theirs: DTLSConn) {
    theirs.write(&login(), None).await.unwrap();
    let request = ours.receive().await;
    ours.send(&answer(&request)).await;
    assert_answers_login(&read(&theirs).await);
    for number in 1..=FRAMES {
        ours.send(&talk_frame(number)).await;
    }
    for number in 1..=FRAMES {
        assert_eq!(read(&theirs).await, talk_frame(number));
    }
    ours.endpoint.close();
    ours.transmit().await;
    theirs.read(&mut [0; 64], None).await.expect_err("the goodbye ends the session");
}

/// Runs a talk in which our side plays the camera.
async fn talk_to_us(mut ours: Ours, theirs: DTLSConn) {
    ours.send(&login()).await;
    theirs.write(&answer(&read(&theirs).await), None).await.unwrap();
    assert_answers_login(&ours.receive().await);
    for number in 1..=FRAMES {
        theirs.write(&talk_frame(number), None).await.unwrap();
    }
    for number in 1..=FRAMES {
        assert_eq!(ours.receive().await, talk_frame(number));
    }
    theirs.close().await.unwrap();
    ours.run_until(|ours| *ours.endpoint.state() != EndpointState::Established).await;
    assert_eq!(ours.endpoint.state(), &EndpointState::Closed);
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("both ends finish in time") });
}

#[test]
fn their_client_talks_to_our_server() {
    for hello_verify in [false, true] {
        run(async {
            let (ours, theirs) = shake_hands(Role::Server { hello_verify }).await;
            talk_to_them(ours, theirs).await;
        });
        run(async {
            let (ours, theirs) = shake_hands(Role::Server { hello_verify }).await;
            talk_to_us(ours, theirs).await;
        });
    }
}

#[test]
fn our_client_talks_to_their_server() {
    run(async {
        let (ours, theirs) = shake_hands(Role::Client).await;
        talk_to_us(ours, theirs).await;
    });
    run(async {
        let (ours, theirs) = shake_hands(Role::Client).await;
        talk_to_them(ours, theirs).await;
    });
}
