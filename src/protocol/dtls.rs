//! DTLS 1.2 with a pre-shared key, by OpenSSL, in memory: datagrams in, datagrams out.
//!
//! OpenSSL because the main channel's suite, ECDHE-PSK with ChaCha20-Poly1305, exists in no pure-Rust DTLS. Four things
//! keep one stray datagram from ending a session:
//!
//! - encrypt-then-MAC is off: with it, one bad CBC record is fatal in OpenSSL 3;
//! - `prefilter` lets only records through that can be genuine: a short AEAD record, or noise in a handshake, is fatal
//!   too, and so is an alert in plain text, which anybody may have sent: [`Endpoint::alert`] tells of it, and the
//!   handshake goes on;
//! - the thread's error queue is drained before each call: a stale entry of another OpenSSL user turns "no data" into
//!   failure;
//! - one endpoint serves one handshake: an endpoint that failed or was closed is replaced, not revived.
//!
//! OpenSSL's handshake timer reads the real clock; once established there is no timer.

mod prefilter;
pub mod record;

use super::credentials::Psk;
use super::trace::Trace;
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslStream,
    SslVersion,
};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::raw::{c_int, c_long, c_uint};
use std::sync::OnceLock;
use std::time::Duration;

/// Parts of OpenSSL that neither `openssl` nor `openssl-sys` has.
mod sys {
    use super::{c_int, c_uint};
    pub use openssl_sys::{SSL, SSL_ctrl};

    pub const DTLS_CTRL_GET_TIMEOUT: c_int = 73;
    pub const DTLS_CTRL_HANDLE_TIMEOUT: c_int = 74;
    pub const SSL_OP_NO_EXTENDED_MASTER_SECRET: u64 = 1 << 0;
    pub const SSL_OP_NO_ENCRYPT_THEN_MAC: u64 = 1 << 19;

    unsafe extern "C" {
        pub fn DTLS_set_timer_cb(ssl: *mut SSL, cb: Option<extern "C" fn(*mut SSL, c_uint) -> c_uint>);
        pub fn SSL_has_pending(ssl: *const SSL) -> c_int;
    }
}

const IDENTITY: &[u8] = b"AUTHPWD_admin";
const MTU: u32 = 1200;
/// The most bytes that one record can carry.
const RECORD: usize = 16384;
const MAX_RESEND: Duration = Duration::from_secs(1);
/// After this many unanswered resends of our Finished, the peer seems unable to read it.
const RESENDS_OF_WRONG_KEY: u32 = 3;
/// The alert of a peer that hangs up.
pub const CLOSE_NOTIFY: u8 = 0;
const ALERT_BAD_RECORD_MAC: u8 = 20;
const ALERT_DECRYPT_ERROR: u8 = 51;
const ALERT_UNKNOWN_PSK_IDENTITY: u8 = 115;

/// A cipher suite. Wyze cameras speak the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// 0xCCAC, the main channel of most cameras.
    EcdhePskChacha20Poly1305,
    /// 0x00AE, the back channel, and all that Doorbell v1 takes.
    PskAes128CbcSha256,
    /// 0x00A8. No camera takes it; it serves tests of ends that have no suite in common.
    PskAes128GcmSha256,
}

impl Suite {
    fn openssl_name(self) -> &'static str {
        match self {
            Suite::EcdhePskChacha20Poly1305 => "ECDHE-PSK-CHACHA20-POLY1305",
            Suite::PskAes128CbcSha256 => "PSK-AES128-CBC-SHA256",
            Suite::PskAes128GcmSha256 => "PSK-AES128-GCM-SHA256",
        }
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        match self {
            Suite::EcdhePskChacha20Poly1305 => "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
            Suite::PskAes128CbcSha256 => "TLS_PSK_WITH_AES_128_CBC_SHA256",
            Suite::PskAes128GcmSha256 => "TLS_PSK_WITH_AES_128_GCM_SHA256",
        }
    }

    /// The shortest encrypted body of a record in bytes: a tag and one byte, in GCM behind 8 bytes of nonce, in CBC
    /// with IV, MAC and padding in whole blocks.
    fn min_record(self) -> usize {
        match self {
            Suite::EcdhePskChacha20Poly1305 => 17,
            Suite::PskAes128CbcSha256 => 64,
            Suite::PskAes128GcmSha256 => 25,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Client,
    /// `hello_verify` asks the client for a cookie first.
    Server {
        hello_verify: bool,
    },
}

/// How an endpoint shakes hands.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    pub role: Role,
    pub psk: Psk,
    /// In order of preference.
    pub suites: Vec<Suite>,
    /// When the first flight is sent again. The interval doubles up to a second, or to itself where that is more, for
    /// at most 12 resends. It has to be over 15 ms, as OpenSSL takes less for none.
    pub first_resend: Duration,
    /// Who is told the keys of the session; `None` for nobody.
    pub key_log: Option<Trace>,
}

impl EndpointSettings {
    pub fn new(role: Role, psk: Psk) -> Self {
        EndpointSettings {
            role,
            psk,
            suites: vec![Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256],
            first_resend: Duration::from_millis(300),
            key_log: None,
        }
    }
}

/// Why a handshake or session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the peer could not decrypt: the keys differ")]
    WrongKey,
    #[error("the peer sent alert {0}")]
    Alert(u8),
    #[error("no answer to the handshake")]
    Timeout,
    #[error("OpenSSL: {0}")]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointState {
    Handshaking,
    Established,
    /// The peer said goodbye, or we did.
    Closed,
    Failed(Failure),
}

/// One end of a DTLS session.
pub struct Endpoint {
    stream: SslStream<Pipe>,
    state: EndpointState,
    suite: Option<Suite>,
    finished_resends: u32,
    alert: Option<u8>,
    buffer: Box<[u8; RECORD]>,
}

impl Endpoint {
    /// A client has its ClientHello ready to transmit at once. The error is OpenSSL's own refusal of the settings.
    pub fn new(settings: &EndpointSettings) -> Result<Self, ErrorStack> {
        let context = context(settings)?;
        let mut ssl = Ssl::new(&context)?;
        // Required before the handshake where the MTU is not asked of the BIO.
        ssl.set_mtu(MTU)?;
        match settings.role {
            Role::Client => ssl.set_connect_state(),
            Role::Server { .. } => ssl.set_accept_state(),
        }
        ssl.set_ex_data(first_resend_index()?, settings.first_resend);
        // SAFETY: the pointer is the live `ssl`'s; the callback only reads its ex data.
        unsafe { sys::DTLS_set_timer_cb(ssl.as_ptr().cast(), Some(resend_interval)) };
        let mut endpoint = Endpoint {
            stream: SslStream::new(ssl, Pipe::default())?,
            state: EndpointState::Handshaking,
            suite: None,
            finished_resends: 0,
            alert: None,
            buffer: Box::new([0; RECORD]),
        };
        if settings.role == Role::Client {
            endpoint.handshake();
        }
        Ok(endpoint)
    }

    pub fn state(&self) -> &EndpointState {
        &self.state
    }

    /// The negotiated suite; `None` before the handshake has succeeded.
    pub fn suite(&self) -> Option<Suite> {
        self.suite
    }

    /// Takes one received datagram and hands out what it decrypts to, record by record.
    pub fn handle_datagram(&mut self, datagram: &[u8], mut received: impl FnMut(&[u8])) {
        if matches!(self.state, EndpointState::Closed | EndpointState::Failed(_)) {
            return;
        }
        let pipe = self.stream.get_mut();
        let seen = prefilter::copy_plausible(datagram, self.suite.map(Suite::min_record), &mut pipe.received);
        pipe.unread = !pipe.received.is_empty();
        if pipe.unread {
            self.alert = None;
        }
        self.alert = seen.alert.or(self.alert);
        if !pipe.unread {
            return;
        }
        if self.state == EndpointState::Handshaking {
            self.handshake();
        }
        while self.state == EndpointState::Established {
            drain_error_queue();
            match self.stream.ssl_read(&mut self.buffer[..]) {
                Ok(n) => received(&self.buffer[..n]),
                Err(e) if e.code() == ErrorCode::WANT_READ => return,
                Err(e) if e.code() == ErrorCode::ZERO_RETURN => self.state = EndpointState::Closed,
                Err(e) => self.fail(e.ssl_error()),
            }
            // Most datagrams are one record, so this mostly spares the call that would only say "no more".
            // SAFETY: the pointer is the live `ssl`'s.
            let pending = unsafe { sys::SSL_has_pending(self.stream.ssl().as_ptr().cast()) };
            if !self.stream.get_ref().unread && pending == 0 {
                return;
            }
        }
    }

    /// Decrypts one record. `None` where it does not authenticate, or carries no application data.
    pub fn open(&mut self, record: &[u8]) -> Option<Vec<u8>> {
        let mut plain = None;
        self.handle_datagram(record, |data| plain = Some(data.to_vec()));
        plain
    }

    /// The alert that came in plain text while shaking hands, if nothing of a handshake has come since.
    pub fn alert(&self) -> Option<Failure> {
        (self.state == EndpointState::Handshaking).then_some(self.alert).flatten().map(failure)
    }

    /// The next datagram to send to the peer.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().to_send.pop_front()
    }

    /// Encrypts `data` (up to 16 KiB) into one record, one datagram. Returns false where the session is not
    /// established.
    pub fn send(&mut self, data: &[u8]) -> bool {
        if self.state != EndpointState::Established {
            return false;
        }
        drain_error_queue();
        match self.stream.ssl_write(data) {
            Ok(n) => n == data.len(),
            Err(e) => {
                self.fail(e.ssl_error());
                false
            }
        }
    }

    /// Says goodbye to the peer; the alert is ready to transmit.
    pub fn close(&mut self) {
        if self.state == EndpointState::Established {
            drain_error_queue();
            // An error leaves nothing more to do: the session is over either way.
            let _ = self.stream.shutdown();
        }
        if !matches!(self.state, EndpointState::Failed(_)) {
            self.state = EndpointState::Closed;
        }
    }

    /// Real time until [`Endpoint::handle_timeout`] is due; `None` when no handshake is under way.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.state != EndpointState::Handshaking {
            return None;
        }
        let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: the pointers are the live `ssl`'s and a timeval, which is what this control writes to.
        let running: c_long = unsafe {
            sys::SSL_ctrl(self.stream.ssl().as_ptr().cast(), sys::DTLS_CTRL_GET_TIMEOUT, 0, (&raw mut left).cast())
        };
        let micros = u64::try_from(left.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(left.tv_usec).unwrap_or(0);
        (running == 1).then(|| Duration::from_micros(micros))
    }

    /// Sends the current flight again where that is due.
    pub fn handle_timeout(&mut self) {
        if self.state != EndpointState::Handshaking {
            return;
        }
        drain_error_queue();
        let awaits_finished = self.awaits_finished();
        // SAFETY: the pointer is the live `ssl`'s; this control takes no argument.
        let resent = unsafe {
            sys::SSL_ctrl(self.stream.ssl().as_ptr().cast(), sys::DTLS_CTRL_HANDLE_TIMEOUT, 0, std::ptr::null_mut())
        };
        if resent > 0 && awaits_finished {
            self.finished_resends += 1;
        }
        if resent < 0 {
            drain_error_queue();
            self.state =
                EndpointState::Failed(if self.suspects_wrong_key() { Failure::WrongKey } else { Failure::Timeout });
        }
    }

    /// Whether the peer has read our hello but stays silent to our Finished: servers on OpenSSL or GnuTLS drop what
    /// they cannot decrypt without a word.
    pub fn suspects_wrong_key(&self) -> bool {
        self.finished_resends >= RESENDS_OF_WRONG_KEY
    }

    /// Whether this client has sent its Finished and waits for the server's.
    fn awaits_finished(&self) -> bool {
        self.stream.ssl().state_string_long() == "SSLv3/TLS write finished"
    }

    fn handshake(&mut self) {
        drain_error_queue();
        match self.stream.do_handshake() {
            Ok(()) => {
                self.suite = self.stream.ssl().current_cipher().map(|cipher| match cipher.standard_name() {
                    Some(name) if name.contains("CBC") => Suite::PskAes128CbcSha256,
                    Some(name) if name.contains("GCM") => Suite::PskAes128GcmSha256,
                    _ => Suite::EcdhePskChacha20Poly1305,
                });
                self.state = EndpointState::Established;
            }
            Err(e) if e.code() == ErrorCode::WANT_READ => {}
            Err(e) => self.fail(e.ssl_error()),
        }
    }

    fn fail(&mut self, errors: Option<&ErrorStack>) {
        // OpenSSL's reason for a received alert is 1000 and its number.
        let alert = errors.and_then(|stack| {
            stack.errors().iter().find_map(|e| u8::try_from(e.reason_code().checked_sub(1000)?).ok())
        });
        self.state = EndpointState::Failed(match alert {
            Some(alert) => failure(alert),
            None => {
                let reason = errors.and_then(|stack| stack.errors().first()?.reason().map(str::to_owned));
                Failure::Other(reason.unwrap_or_else(|| "handshake failed".into()))
            }
        });
    }
}

fn failure(alert: u8) -> Failure {
    match alert {
        ALERT_BAD_RECORD_MAC | ALERT_DECRYPT_ERROR | ALERT_UNKNOWN_PSK_IDENTITY => Failure::WrongKey,
        alert => Failure::Alert(alert),
    }
}

fn context(settings: &EndpointSettings) -> Result<SslContext, ErrorStack> {
    let method = match settings.role {
        Role::Client => SslMethod::dtls_client(),
        Role::Server { .. } => SslMethod::dtls_server(),
    };
    let mut context = SslContext::builder(method)?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    let suites: Vec<_> = settings.suites.iter().map(|suite| suite.openssl_name()).collect();
    context.set_cipher_list(&suites.join(":"))?;
    context.set_groups_list("X25519")?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    let mut options = SslOptions::NO_TICKET
        | SslOptions::NO_RENEGOTIATION
        | SslOptions::NO_COMPRESSION
        | SslOptions::NO_QUERY_MTU
        | SslOptions::from_bits_retain(sys::SSL_OP_NO_EXTENDED_MASTER_SECRET)
        | SslOptions::from_bits_retain(sys::SSL_OP_NO_ENCRYPT_THEN_MAC);
    if let Role::Server { hello_verify: true } = settings.role {
        options |= SslOptions::COOKIE_EXCHANGE;
        set_cookies(&mut context)?;
    }
    context.set_options(options);
    if let Some(Trace(sink)) = settings.key_log.clone() {
        context.set_keylog_callback(move |_, line| sink.key_log(line));
    }
    set_psk(&mut context, settings);
    Ok(context.build())
}

fn set_psk(context: &mut SslContextBuilder, settings: &EndpointSettings) {
    let psk = settings.psk.clone();
    match settings.role {
        Role::Client => context.set_psk_client_callback(move |_, _hint, identity, key| {
            if identity.len() <= IDENTITY.len() || key.len() < psk.bytes().len() {
                return Ok(0);
            }
            identity[..IDENTITY.len()].copy_from_slice(IDENTITY);
            identity[IDENTITY.len()] = 0;
            key[..psk.bytes().len()].copy_from_slice(psk.bytes());
            Ok(psk.bytes().len())
        }),
        Role::Server { .. } => context.set_psk_server_callback(move |_, identity, key| {
            if identity != Some(IDENTITY) || key.len() < psk.bytes().len() {
                return Ok(0);
            }
            key[..psk.bytes().len()].copy_from_slice(psk.bytes());
            Ok(psk.bytes().len())
        }),
    }
}

/// Gives the context a random cookie. It names no peer: peers have no address here, and an endpoint has one peer.
fn set_cookies(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let mut cookie = [0; 16];
    openssl::rand::rand_bytes(&mut cookie)?;
    context.set_cookie_generate_cb(move |_, out| {
        out[..cookie.len()].copy_from_slice(&cookie);
        Ok(cookie.len())
    });
    context.set_cookie_verify_cb(move |_, got| got == cookie);
    Ok(())
}

fn first_resend_index() -> Result<Index<Ssl, Duration>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Duration>> = OnceLock::new();
    match INDEX.get() {
        Some(index) => Ok(*index),
        None => {
            let index = Ssl::new_ex_index()?;
            Ok(*INDEX.get_or_init(|| index))
        }
    }
}

/// OpenSSL's timer callback: takes the previous interval (0 at first) and returns the next one, both in microseconds.
extern "C" fn resend_interval(ssl: *mut sys::SSL, previous: c_uint) -> c_uint {
    // SAFETY: OpenSSL calls this with the live SSL that the callback was set on.
    let ssl = unsafe { SslRef::from_ptr(ssl.cast()) };
    let first = first_resend_index().ok().and_then(|index| ssl.ex_data(index)).copied().unwrap_or(MAX_RESEND);
    let next =
        if previous == 0 { first } else { (Duration::from_micros(previous.into()) * 2).min(MAX_RESEND.max(first)) };
    c_uint::try_from(next.as_micros()).unwrap_or(c_uint::MAX)
}

/// Empties the thread's error queue, as SSL_get_error looks at all of it.
fn drain_error_queue() {
    let _ = ErrorStack::get();
}

/// The datagram transport that OpenSSL reads from and writes to: one call, one datagram.
#[derive(Default)]
struct Pipe {
    received: Vec<u8>,
    unread: bool,
    to_send: VecDeque<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !std::mem::take(&mut self.unread) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.received.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.received[..n]);
        Ok(n)
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.to_send.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
