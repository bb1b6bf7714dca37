//! What ends a session. The text names the stage and the remedy, for the person who reads it on the bus.

use super::dtls::Failure;
use std::net::SocketAddr;
use std::time::Duration;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Discovery,
    Session,
    Dtls,
    Login,
    Auth,
    Streaming,
}

impl Stage {
    pub const ALL: [Stage; 6] =
        [Stage::Discovery, Stage::Session, Stage::Dtls, Stage::Login, Stage::Auth, Stage::Streaming];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Discovery => "discovery",
            Stage::Session => "session",
            Stage::Dtls => "dtls",
            Stage::Login => "login",
            Stage::Auth => "auth",
            Stage::Streaming => "streaming",
        }
    }
}

/// Which sort of remedy an error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The camera was not reached.
    NotFound,
    /// The keys or the account are wrong.
    NotAuthorized,
    /// The camera was reached, and then lost or unwilling.
    Lost,
}

const SUITES: &str = "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 and TLS_PSK_WITH_AES_128_CBC_SHA256";

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "discovery: no camera with this UID answered at {}; check that it is switched on and in this network, that the \
         firewall lets UDP from it in, and that uid, enr and mac are its own",
        Addresses(probed)
    )]
    NoAnswer { probed: Vec<SocketAddr> },
    #[error(
        "discovery: the name {host} cannot be resolved ({reason}); check host, or leave it empty to search the network"
    )]
    UnknownHost { host: String, reason: String },
    #[error(
        "discovery: {from} answered, but with another key: check enr and mac (fetch them anew if the camera was set up again)"
    )]
    WrongAuthKey { from: SocketAddr },
    #[error(
        "discovery: {from} answered \"port unreachable\": there is a device, but no camera that listens on this port; check host \
         and port, or leave host empty to search the network"
    )]
    PortUnreachable { from: SocketAddr },
    #[error("discovery: there is no network interface {name} ({reason}); check interface, or leave it empty")]
    NoInterface { name: String, reason: String },
    #[error(
        "session: the camera answers discovery but opens no session, as one does that has too many viewers; close other \
         viewers, or restart it"
    )]
    Full,
    #[error(
        "{}: the camera hung up while connecting, as one does that has too many viewers; close other viewers, or restart it",
        .0.name()
    )]
    HungUp(Stage),
    #[error(
        "dtls: the camera could not decrypt what was sent: check enr (fetch it anew if the camera was set up again)"
    )]
    WrongKey,
    #[error("dtls: the camera refused the handshake ({0}); {SUITES} were offered: update its firmware")]
    Handshake(Failure),
    #[error(
        "dtls: the camera did not finish the handshake in time; restart it, or raise connect-timeout on a bad link \
         ({SUITES} were offered)"
    )]
    HandshakeTimeout,
    #[error("login: the camera refused it (response {0}); check enr, and close other viewers")]
    LoginRefused(u8),
    #[error("login: the camera did not answer in time; restart it, or close other viewers")]
    LoginTimeout,
    #[error("auth: {}", challenge_status(*.0))]
    Challenge(u8),
    #[error(
        "auth: the camera refused the answer to its challenge (connectionRes 2): its enr has changed, fetch it anew"
    )]
    StaleEnr,
    #[error("auth: the camera refused the connection (connectionRes {0}); restart it, and fetch its enr anew")]
    Refused(String),
    #[error("auth: the camera's answer is not what this version understands ({0})")]
    AuthMalformed(&'static str),
    #[error("auth: the camera did not answer in time; restart it")]
    AuthTimeout,
    #[error("streaming: the camera sent nothing for {} s; check its power and Wi-Fi", .0.as_secs_f64())]
    Silent(Duration),
    #[error(
        "streaming: the camera sent no picture or sound for {} s, though it is there; restart it, or raise stall-timeout",
        .0.as_secs_f64()
    )]
    Stalled(Duration),
    #[error("streaming: the camera closed the connection; it may have restarted or have too many viewers")]
    Closed,
    #[error("streaming: the camera's port is closed, though its address is there; it has restarted")]
    PortClosed,
    #[error("{}: the connection broke ({reason})", .stage.name())]
    Broken { stage: Stage, reason: String },
}

impl Error {
    pub fn stage(&self) -> Stage {
        match self {
            Error::NoAnswer { .. }
            | Error::UnknownHost { .. }
            | Error::PortUnreachable { .. }
            | Error::NoInterface { .. }
            | Error::WrongAuthKey { .. } => Stage::Discovery,
            Error::Full => Stage::Session,
            Error::WrongKey | Error::Handshake(_) | Error::HandshakeTimeout => Stage::Dtls,
            Error::LoginRefused(_) | Error::LoginTimeout => Stage::Login,
            Error::Challenge(_)
            | Error::StaleEnr
            | Error::Refused(_)
            | Error::AuthMalformed(_)
            | Error::AuthTimeout => Stage::Auth,
            Error::Silent(_) | Error::Stalled(_) | Error::Closed | Error::PortClosed => Stage::Streaming,
            Error::HungUp(stage) | Error::Broken { stage, .. } => *stage,
        }
    }

    pub fn remedy(&self) -> Remedy {
        match self {
            Error::NoAnswer { .. }
            | Error::UnknownHost { .. }
            | Error::PortUnreachable { .. }
            | Error::NoInterface { .. } => Remedy::NotFound,
            Error::WrongAuthKey { .. }
            | Error::WrongKey
            | Error::LoginRefused(_)
            | Error::StaleEnr
            | Error::Refused(_) => Remedy::NotAuthorized,
            _ => Remedy::Lost,
        }
    }
}

impl Error {
    /// A word for programs, the same for every error of a kind.
    pub fn reason(&self) -> &'static str {
        match self {
            Error::NoAnswer { .. } => "no-answer",
            Error::UnknownHost { .. } => "unknown-host",
            Error::WrongAuthKey { .. } => "wrong-auth-key",
            Error::PortUnreachable { .. } => "port-unreachable",
            Error::NoInterface { .. } => "no-interface",
            Error::Full => "camera-full",
            Error::HungUp(_) => "hung-up",
            Error::WrongKey => "wrong-key",
            Error::Handshake(_) => "handshake-refused",
            Error::HandshakeTimeout => "handshake-timeout",
            Error::LoginRefused(_) => "login-refused",
            Error::LoginTimeout => "login-timeout",
            Error::Challenge(2) => "updating",
            Error::Challenge(4) => "checking",
            Error::Challenge(5) => "switched-off",
            Error::Challenge(_) => "unknown-challenge",
            Error::StaleEnr => "stale-enr",
            Error::Refused(_) => "refused",
            Error::AuthMalformed(_) => "auth-malformed",
            Error::AuthTimeout => "auth-timeout",
            Error::Silent(_) => "silent",
            Error::Stalled(_) => "stalled",
            Error::Closed => "closed",
            Error::PortClosed => "port-closed",
            Error::Broken { .. } => "broken",
        }
    }

    /// Whether a camera that was connected before may be there again at another try. What only a change of settings or
    /// firmware mends is final. A wrong key is not where it shows in discovery or DTLS: any host's datagrams can make it look so.
    pub fn may_pass(&self) -> bool {
        match self {
            Error::StaleEnr | Error::Refused(_) | Error::AuthMalformed(_) => false,
            // Updating, checking, switched off.
            Error::Challenge(status) => matches!(status, 2 | 4 | 5),
            _ => true,
        }
    }
}

fn challenge_status(status: u8) -> String {
    match status {
        1 | 3 | 6 => "the camera asks for a longer enr than was given: fetch it anew".into(),
        2 => "the camera is updating its firmware; wait some minutes".into(),
        4 => "the camera is still checking its enr; try again in a minute".into(),
        5 => "the camera is switched off in the Wyze app; switch it on there".into(),
        other => format!("the camera asks for an unknown kind of authentication ({other}); update this plugin"),
    }
}

/// Addresses in a row, for a sentence.
struct Addresses<'a>(&'a [SocketAddr]);

impl std::fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if i > 0 { ", " } else { "" })?;
        }
        if self.0.is_empty() { f.write_str("any address") } else { Ok(()) }
    }
}
