//! Tests our DTLS, which is OpenSSL's, against another implementation, GnuTLS, over UDP, with all suites.

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role, Suite};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::login;
use gstwyze::protocol::wire::talk::TalkFrame;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const ENR: &str = "roTRg3tiuL3TjXhm";
const FRAMES: u32 = 50;
/// How long to wait for what usually takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

fn credentials() -> Credentials {
    Credentials::new("HSBJYB5HSETGCDWD111A", ENR, "AABBCCDDEEFF").unwrap()
}

/// GnuTLS, in a program of its own, which sends back all that it gets.
struct GnuTls(Child);

impl GnuTls {
    fn start(role: &str, suite: Suite, socket: UdpSocket) -> Self {
        let (exchange, cipher) = match suite {
            Suite::EcdhePskChacha20Poly1305 => ("+ECDHE-PSK", "+CHACHA20-POLY1305:-MAC-ALL:+AEAD"),
            Suite::PskAes128CbcSha256 => ("+PSK", "+AES-128-CBC:-MAC-ALL:+SHA256"),
            Suite::PskAes128GcmSha256 => ("+PSK", "+AES-128-GCM:-MAC-ALL:+AEAD"),
        };
        let priority = format!("NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:{exchange}:-CIPHER-ALL:{cipher}");
        let key: String = credentials().psk().bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/gnutls.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([role, &priority, &key]).stdin(OwnedFd::from(socket));
        GnuTls(command.spawn().unwrap())
    }

    fn assert_ends_well(mut self) {
        assert!(self.0.wait().unwrap().success(), "GnuTLS ends without an error");
    }
}

impl Drop for GnuTls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end with our DTLS, and the records that it has read.
struct Ours {
    endpoint: Endpoint,
    socket: UdpSocket,
    received: Vec<Vec<u8>>,
}

impl Ours {
    fn new(role: Role, suite: Suite, socket: UdpSocket) -> Self {
        let mut settings = EndpointSettings::new(role, credentials().psk());
        settings.suites = vec![suite];
        Ours { endpoint: Endpoint::new(&settings).unwrap(), socket, received: Vec::new() }
    }

    fn transmit(&mut self) {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            self.socket.send(&datagram).unwrap();
        }
    }

    /// Carries datagrams until `done` returns true.
    fn run_until(&mut self, done: impl Fn(&Ours) -> bool) {
        let end = Instant::now() + LIMIT;
        let mut datagram = [0; 2048];
        loop {
            self.transmit();
            if done(self) {
                return;
            }
            let left = end.checked_duration_since(Instant::now()).expect("both ends finish in time");
            let due = self.endpoint.next_timeout().unwrap_or(left).min(left);
            // No time to wait would mean to wait for ever.
            self.socket.set_read_timeout(Some(due.max(Duration::from_millis(1)))).unwrap();
            match self.socket.recv(&mut datagram) {
                Ok(n) => {
                    let received = &mut self.received;
                    self.endpoint.handle_datagram(&datagram[..n], |plain| received.push(plain.to_vec()));
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    self.endpoint.handle_timeout();
                }
                Err(e) => panic!("the other end is gone: {e}"),
            }
        }
    }

    fn send(&mut self, data: &[u8]) {
        assert!(self.endpoint.send(data));
        self.transmit();
    }

    /// Sends a record and waits for it to come back.
    fn assert_comes_back(&mut self, record: &[u8]) {
        self.send(record);
        self.run_until(|ours| !ours.received.is_empty());
        assert_eq!(self.received, [record]);
        self.received.clear();
    }
}

/// Returns two sockets that are connected to each other.
fn sockets() -> (UdpSocket, UdpSocket) {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    a.connect(b.local_addr().unwrap()).unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    (a, b)
}

fn shake_hands(role: Role, their_role: &str, suite: Suite) -> (Ours, GnuTls) {
    let (ours, theirs) = sockets();
    let theirs = GnuTls::start(their_role, suite, theirs);
    let mut ours = Ours::new(role, suite, ours);
    ours.run_until(|ours| *ours.endpoint.state() != EndpointState::Handshaking);
    assert_eq!(ours.endpoint.state(), &EndpointState::Established);
    assert_eq!(ours.endpoint.suite(), Some(suite));
    (ours, theirs)
}

/// The packets of a talk: the login, then frames of sound.
fn packets() -> Vec<Vec<u8>> {
    let login = login::Request { second: false, random: [1, 2, 3, 4], password: ENR.as_bytes(), resend: false };
    let frames = (1..=FRAMES).map(|number| {
        let audio: Vec<u8> = (0..160).map(|i| (number * 31 + i) as u8).collect();
        let flags = AudioFlags::new(8000, false).unwrap();
        TalkFrame { number, microseconds: number * 20_000, codec: CodecId::MULAW, flags, audio: &audio }.emit()
    });
    std::iter::once(login.emit()).chain(frames).collect()
}

/// Runs two sessions: in one our end says goodbye, in the other the other end.
fn assert_talk(role: Role, their_role: &str) {
    for suite in [Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256, Suite::PskAes128GcmSha256] {
        for they_say_goodbye in [false, true] {
            let (mut ours, theirs) = shake_hands(role, their_role, suite);
            for packet in packets() {
                ours.assert_comes_back(&packet);
            }
            if they_say_goodbye {
                ours.send(b"goodbye");
                ours.run_until(|ours| *ours.endpoint.state() != EndpointState::Established);
                assert_eq!(ours.endpoint.state(), &EndpointState::Closed);
            } else {
                ours.endpoint.close();
            }
            ours.transmit();
            theirs.assert_ends_well();
        }
    }
}

#[test]
fn their_client_talks_to_our_server() {
    assert_talk(Role::Server { hello_verify: false }, "client");
}

#[test]
fn their_client_talks_to_our_server_that_asks_for_a_cookie() {
    assert_talk(Role::Server { hello_verify: true }, "client");
}

#[test]
fn our_client_talks_to_their_server() {
    assert_talk(Role::Client, "server");
}

#[test]
fn our_client_talks_to_their_server_that_asks_for_a_cookie() {
    assert_talk(Role::Client, "careful-server");
}
