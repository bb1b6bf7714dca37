//! What ends a session. The text names the stage and says what to do, for the person who reads it on the bus.
//!
//! To add an error, write one entry in `errors!`.

use super::dtls::Failure;
use super::wire::hl::ChallengeStatus;
use std::borrow::Cow;
use std::fmt;
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
    /// Over WebRTC: the cloud is asked for a ticket.
    Cloud,
    /// Over WebRTC: the connection to the signalling server, the offer and the camera's answer.
    Signalling,
    /// Over WebRTC: ICE looks for a way to the camera, and DTLS secures it.
    Path,
    Streaming,
}

impl Stage {
    pub const ALL: [Stage; 9] = [
        Stage::Discovery,
        Stage::Session,
        Stage::Dtls,
        Stage::Login,
        Stage::Auth,
        Stage::Cloud,
        Stage::Signalling,
        Stage::Path,
        Stage::Streaming,
    ];

    /// Returns the word for programs, which also begins the texts of errors.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Discovery => "discovery",
            Stage::Session => "session",
            Stage::Dtls => "dtls",
            Stage::Login => "login",
            Stage::Auth => "auth",
            Stage::Cloud => "cloud",
            Stage::Signalling => "signalling",
            Stage::Path => "path",
            Stage::Streaming => "streaming",
        }
    }
}

/// The class of an error, by which applications tell apart what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The camera was not reached.
    NotFound,
    /// The keys or the account are wrong.
    NotAuthorized,
    /// The camera was reached, and then lost or unwilling.
    Lost,
}

/// The columns of an error besides its text.
struct Row {
    stage: Stage,
    reason: &'static str,
    cause: Cause,
    may_pass: bool,
}

/// The host that refused to shake hands, and how many hosts answered the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedBy {
    pub address: SocketAddr,
    /// 1 or more.
    pub hosts: usize,
}

impl fmt::Display for RefusedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " by {}", self.address)?;
        if self.hosts > 1 {
            write!(f, ", one of {} that answered and perhaps not the camera", self.hosts)
        } else {
            Ok(())
        }
    }
}

/// How many ICE candidates there were of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidates {
    /// Addresses of the host itself.
    pub host: u32,
    /// Addresses that a STUN server or the other side saw.
    pub reflexive: u32,
    /// Addresses at a relay (TURN).
    pub relayed: u32,
}

impl Candidates {
    pub fn total(self) -> u32 {
        self.host + self.reflexive + self.relayed
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [(self.host, "host"), (self.reflexive, "reflexive"), (self.relayed, "relayed")];
        let mut separator = "";
        for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {kind}")?;
            separator = ", ";
        }
        if self.total() == 0 { f.write_str("none") } else { Ok(()) }
    }
}

/// Makes [`Error`] of a table. An entry is a variant, whose fields all have a name here, the columns of [`Row`], and
/// the text with its arguments.
macro_rules! errors {
    ($(
        $(#[$doc:meta])*
        $name:ident $(( $($unnamed:ident: $unnamed_type:ty),* ))? $({ $($field:ident: $type:ty),* })? => {
            stage: $stage:expr, reason: $reason:expr, cause: $cause:expr, may_pass: $may_pass:expr,
            text: $($text:expr),+
        }
    )*) => {
        /// Why a session ended.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Error {
            $($(#[$doc])* $name $(( $($unnamed_type),* ))? $({ $($field: $type),* })?,)*
        }

        impl Error {
            #[expect(unused_variables, reason = "most columns do not depend on the fields")]
            fn row(&self) -> Row {
                match self {
                    $(Error::$name $(( $($unnamed),* ))? $({ $($field),* })? => {
                        Row { stage: $stage, reason: $reason, cause: $cause, may_pass: $may_pass }
                    })*
                }
            }
        }

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Error::$name $(( $($unnamed),* ))? $({ $($field),* })? => write!(f, $($text),+),)*
                }
            }
        }
    };
}

errors! {
    /// None of the addresses that were probed answered.
    NoAnswer { probed: Vec<SocketAddr> } => {
        stage: Stage::Discovery, reason: "no-answer", cause: Cause::NotFound, may_pass: true,
        text: "discovery: no camera with this UID answered at {}; check that it is switched on and in this network, \
               that the firewall lets UDP from it in, and that uid, enr and mac are its own",
        Addresses(probed)
    }
    UnknownHost { host: String, reason: String } => {
        stage: Stage::Discovery, reason: "unknown-host", cause: Cause::NotFound, may_pass: true,
        text: "discovery: the name {host} cannot be resolved ({reason}); check host, or leave it empty to search the \
               network"
    }
    WrongAuthKey { from: SocketAddr } => {
        stage: Stage::Discovery, reason: "wrong-auth-key", cause: Cause::NotAuthorized, may_pass: true,
        text: "discovery: {from} answered, but with another key: check enr and mac (fetch them anew if the camera was \
               set up again)"
    }
    PortUnreachable { from: SocketAddr } => {
        stage: Stage::Discovery, reason: "port-unreachable", cause: Cause::NotFound, may_pass: true,
        text: "discovery: {from} answered \"port unreachable\": there is a device, but no camera that listens on this \
               port; check host and port, or leave host empty to search the network"
    }
    NoInterface { name: String, reason: String } => {
        stage: Stage::Discovery, reason: "no-interface", cause: Cause::NotFound, may_pass: true,
        text: "discovery: there is no network interface {name} ({reason}); check interface, or leave it empty"
    }
    Full => {
        stage: Stage::Session, reason: "camera-full", cause: Cause::Lost, may_pass: true,
        text: "session: the camera answers discovery but opens no session, as one does that has too many viewers; \
               close other viewers, or restart it"
    }
    /// The camera said goodbye before it streamed.
    HungUp(stage: Stage) => {
        stage: *stage, reason: "hung-up", cause: Cause::Lost, may_pass: true,
        text: "{}: the camera hung up while connecting, as one does that has too many viewers; close other viewers, \
               or restart it",
        stage.name()
    }
    WrongKey { refused_by: RefusedBy } => {
        stage: Stage::Dtls, reason: "wrong-key", cause: Cause::NotAuthorized, may_pass: true,
        text: "dtls: the camera could not decrypt what was sent{refused_by}: check enr (fetch it anew if the camera was \
               set up again)"
    }
    Handshake { failure: Failure, refused_by: RefusedBy } => {
        stage: Stage::Dtls, reason: "handshake-refused", cause: Cause::Lost, may_pass: true,
        text: "dtls: the camera refused the handshake ({failure}){refused_by}; {SUITES} were offered: update its firmware"
    }
    HandshakeTimeout => {
        stage: Stage::Dtls, reason: "handshake-timeout", cause: Cause::Lost, may_pass: true,
        text: "dtls: the camera did not finish the handshake in time; restart it, or raise connect-timeout on a bad \
               link ({SUITES} were offered)"
    }
    /// The field is the status byte of the camera's login answer.
    LoginRefused(status: u8) => {
        stage: Stage::Login, reason: "login-refused", cause: Cause::NotAuthorized, may_pass: true,
        text: "login: the camera refused it (response {status}); check enr, and close other viewers"
    }
    LoginTimeout => {
        stage: Stage::Login, reason: "login-timeout", cause: Cause::Lost, may_pass: true,
        text: "login: the camera did not answer in time; restart it, or close other viewers"
    }
    /// The camera takes no answer to its challenge, or one that this ENR cannot give.
    Challenge(status: ChallengeStatus) => {
        stage: Stage::Auth, reason: refusal(*status).reason, cause: Cause::Lost, may_pass: refusal(*status).may_pass,
        text: "auth: {}", refusal(*status).text
    }
    StaleEnr => {
        stage: Stage::Auth, reason: "stale-enr", cause: Cause::NotAuthorized, may_pass: false,
        text: "auth: the camera refused the answer to its challenge (connectionRes 2): its enr has changed, fetch it \
               anew"
    }
    /// The field is the camera's `connectionRes`.
    Refused(result: String) => {
        stage: Stage::Auth, reason: "refused", cause: Cause::NotAuthorized, may_pass: false,
        text: "auth: the camera refused the connection (connectionRes {result}); restart it, and fetch its enr anew"
    }
    /// The field names the message that could not be read.
    AuthMalformed(what: &'static str) => {
        stage: Stage::Auth, reason: "auth-malformed", cause: Cause::Lost, may_pass: false,
        text: "auth: the camera's answer is not what this version understands ({what})"
    }
    AuthTimeout => {
        stage: Stage::Auth, reason: "auth-timeout", cause: Cause::Lost, may_pass: true,
        text: "auth: the camera did not answer in time; restart it"
    }
    /// The account has the camera, and nothing here can reach this model. The field says why.
    NoPath { model: String, why: String } => {
        stage: Stage::Cloud, reason: "no-path", cause: Cause::NotFound, may_pass: false,
        text: "cloud: there is no way to show a camera of the model {model}: {why}"
    }
    Offline => {
        stage: Stage::Cloud, reason: "offline", cause: Cause::NotFound, may_pass: true,
        text: "cloud: Wyze says that the camera is offline; check its power and Wi-Fi"
    }
    SwitchedOff => {
        stage: Stage::Cloud, reason: "switched-off", cause: Cause::Lost, may_pass: true,
        text: "cloud: Wyze says that the camera is switched off; switch it on in the Wyze app"
    }
    TicketRefused { reason: String } => {
        stage: Stage::Cloud, reason: "ticket-refused", cause: Cause::NotFound, may_pass: true,
        text: "cloud: Wyze gave no access to the camera over WebRTC ({reason}); check that the account still has it, and \
               the connection to the internet"
    }
    LoginExpired => {
        stage: Stage::Cloud, reason: "login-expired", cause: Cause::NotAuthorized, may_pass: false,
        text: "cloud: the login to the Wyze account has expired; run wyze-cameras login"
    }
    SignallingRefused { reason: String } => {
        stage: Stage::Signalling, reason: "signalling-refused", cause: Cause::NotFound, may_pass: true,
        text: "signalling: Wyze's server was not reached, or refused the connection ({reason}); check the connection to \
               the internet, and the clock of this computer"
    }
    SignallingClosed { reason: String } => {
        stage: Stage::Signalling, reason: "signalling-closed", cause: Cause::NotFound, may_pass: true,
        text: "signalling: Wyze's server closed the connection before the camera answered ({reason}); check that the \
               camera is online"
    }
    /// The server passed the offer on to nobody. The field is its word for why.
    OfferRefused { reason: String } => {
        stage: Stage::Signalling, reason: "offer-refused", cause: Cause::Lost, may_pass: true,
        text: "signalling: Wyze's server refused the offer ({reason}); close other viewers, and wait a minute"
    }
    /// The field says how long the camera was given.
    OfferUnanswered(time: Duration) => {
        stage: Stage::Signalling, reason: "offer-unanswered", cause: Cause::NotFound, may_pass: true,
        text: "signalling: the camera did not answer the offer for {} s, as one does that is offline or asleep; check its \
               power and Wi-Fi, or restart it",
        time.as_secs_f64()
    }
    /// The field names what could not be read.
    AnswerMalformed { reason: String } => {
        stage: Stage::Signalling, reason: "answer-malformed", cause: Cause::Lost, may_pass: true,
        text: "signalling: the camera's answer is not what this version understands ({reason})"
    }
    /// No pair of addresses works. `theirs` counts the camera's candidates, `ours` our own, which are at `addresses`.
    IceFailed { theirs: Candidates, ours: Candidates, addresses: Vec<SocketAddr> } => {
        stage: Stage::Path, reason: "ice-failed", cause: Cause::NotFound, may_pass: true,
        text: "path: no way to the camera works; its candidates: {theirs}; our own: {ours}, at {}; be in the camera's \
               network, or let UDP out to the internet",
        Addresses(addresses)
    }
    /// The camera has answered, and named no candidate that is of use. Our own count as in `IceFailed`.
    NoCandidate { ours: Candidates, addresses: Vec<SocketAddr> } => {
        stage: Stage::Path, reason: "no-candidate", cause: Cause::NotFound, may_pass: true,
        text: "path: the camera named no address at which it is; our own: {ours}, at {}; restart the camera, or try again",
        Addresses(addresses)
    }
    /// The field says how long there was none.
    NoPicture(time: Duration) => {
        stage: Stage::Streaming, reason: "no-picture", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera is connected, and sent no picture for {} s; restart it", time.as_secs_f64()
    }
    /// The field says how long nothing came.
    Silent(time: Duration) => {
        stage: Stage::Streaming, reason: "silent", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera sent nothing for {} s; check its power and Wi-Fi", time.as_secs_f64()
    }
    /// The field says how long no media came.
    Stalled(time: Duration) => {
        stage: Stage::Streaming, reason: "stalled", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera sent no picture or sound for {} s, though it is there; restart it, or raise \
               stall-timeout",
        time.as_secs_f64()
    }
    /// The field says how long no picture came that can be decoded.
    Unusable(time: Duration) => {
        stage: Stage::Streaming, reason: "unusable", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera sent pictures for {} s, and none that can be decoded; restart it",
        time.as_secs_f64()
    }
    Closed => {
        stage: Stage::Streaming, reason: "closed", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera closed the connection; it may have restarted or have too many viewers"
    }
    PortClosed => {
        stage: Stage::Streaming, reason: "port-closed", cause: Cause::Lost, may_pass: true,
        text: "streaming: the camera's port is closed, though its address is there; it has restarted"
    }
    /// DTLS or the computer's own network failed.
    Broken { stage: Stage, reason: String } => {
        stage: *stage, reason: "broken", cause: Cause::Lost, may_pass: true,
        text: "{}: the connection broke ({reason})", stage.name()
    }
}

const SUITES: &str = "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 and TLS_PSK_WITH_AES_128_CBC_SHA256";

impl std::error::Error for Error {}

impl Error {
    pub fn stage(&self) -> Stage {
        self.row().stage
    }

    pub fn cause(&self) -> Cause {
        self.row().cause
    }

    /// Returns a word for programs, the same for every error of a kind.
    pub fn reason(&self) -> &'static str {
        self.row().reason
    }

    /// Whether a camera that was connected before may be there again at another try. What only a change of settings or
    /// firmware mends is final. But a wrong key that shows in discovery or DTLS is not: any host's datagrams can make
    /// it look so.
    pub fn may_pass(&self) -> bool {
        self.row().may_pass
    }
}

/// The meaning of a challenge that was not answered.
struct Refusal {
    reason: &'static str,
    may_pass: bool,
    text: Cow<'static, str>,
}

fn refusal(status: ChallengeStatus) -> Refusal {
    let (reason, may_pass, text) = match status {
        ChallengeStatus::Updating => {
            ("updating", true, "the camera is updating its firmware; wait some minutes".into())
        }
        ChallengeStatus::Checking => {
            ("checking", true, "the camera is still checking its enr; try again in a minute".into())
        }
        ChallengeStatus::Off => {
            ("switched-off", true, "the camera is switched off in the Wyze app; switch it on there".into())
        }
        ChallengeStatus::SharedKey | ChallengeStatus::Enr | ChallengeStatus::LongEnr => {
            ("unknown-challenge", false, "the camera asks for a longer enr than was given: fetch it anew".into())
        }
        ChallengeStatus::Unknown(number) => {
            let text = format!("the camera asks for an unknown kind of authentication ({number}); update this plugin");
            ("unknown-challenge", false, text.into())
        }
    };
    Refusal { reason, may_pass, text }
}

/// Writes addresses in a row, for a sentence.
struct Addresses<'a>(&'a [SocketAddr]);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if i > 0 { ", " } else { "" })?;
        }
        if self.0.is_empty() { f.write_str("any address") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ice_failed() -> [Error; 2] {
        let addresses = vec![SocketAddr::from(([192, 0, 2, 9], 4000))];
        let ours = Candidates { host: 1, ..Candidates::default() };
        let theirs = Candidates { host: 2, reflexive: 0, relayed: 1 };
        [Error::IceFailed { theirs, ours, addresses: addresses.clone() }, Error::NoCandidate { ours, addresses }]
    }

    fn every_error() -> Vec<Error> {
        let from = SocketAddr::from(([192, 0, 2, 1], 32761));
        let (text, time) = (String::from("text"), Duration::from_millis(2500));
        let mut errors = vec![
            Error::NoAnswer { probed: vec![from, from] },
            Error::UnknownHost { host: text.clone(), reason: text.clone() },
            Error::WrongAuthKey { from },
            Error::PortUnreachable { from },
            Error::NoInterface { name: text.clone(), reason: text.clone() },
            Error::Full,
            Error::WrongKey { refused_by: RefusedBy { address: from, hosts: 1 } },
            Error::Handshake { failure: Failure::Alert(40), refused_by: RefusedBy { address: from, hosts: 3 } },
            Error::HandshakeTimeout,
            Error::LoginRefused(7),
            Error::LoginTimeout,
            Error::StaleEnr,
            Error::Refused(text.clone()),
            Error::AuthMalformed("challenge"),
            Error::AuthTimeout,
            Error::Silent(time),
            Error::Stalled(time),
            Error::Unusable(time),
            Error::Closed,
            Error::PortClosed,
            Error::NoPath { model: text.clone(), why: text.clone() },
            Error::Offline,
            Error::SwitchedOff,
            Error::TicketRefused { reason: text.clone() },
            Error::LoginExpired,
            Error::SignallingRefused { reason: text.clone() },
            Error::SignallingClosed { reason: text.clone() },
            Error::OfferRefused { reason: text.clone() },
            Error::OfferUnanswered(time),
            Error::AnswerMalformed { reason: text.clone() },
            Error::NoPicture(time),
        ];
        errors.extend(ice_failed());
        errors.extend(Stage::ALL.map(Error::HungUp));
        errors.extend(Stage::ALL.map(|stage| Error::Broken { stage, reason: text.clone() }));
        errors.extend((0..8).map(|status| Error::Challenge(ChallengeStatus::from(status))));
        errors
    }

    #[test]
    fn every_text_begins_with_its_stage_and_every_reason_is_one_word() {
        for error in every_error() {
            let (text, reason) = (error.to_string(), error.reason());
            assert!(text.starts_with(&format!("{}: ", error.stage().name())), "{text}");
            assert!(reason.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'), "{reason}");
        }
    }

    #[test]
    fn what_a_new_try_cannot_mend_is_final() {
        let errors = every_error();
        let mut last: Vec<_> = errors.iter().filter(|error| !error.may_pass()).map(Error::reason).collect();
        last.dedup();
        assert_eq!(last, ["stale-enr", "refused", "auth-malformed", "no-path", "login-expired", "unknown-challenge"]);
        let temporary = [ChallengeStatus::Updating, ChallengeStatus::Checking, ChallengeStatus::Off];
        assert!(temporary.into_iter().all(|status| Error::Challenge(status).may_pass()));
    }

    #[test]
    fn keys_that_are_wrong_and_cameras_that_are_not_there_are_told_apart() {
        let errors = every_error();
        let of =
            |cause| errors.iter().filter(move |error| error.cause() == cause).map(Error::reason).collect::<Vec<_>>();
        let on_lan = ["no-answer", "unknown-host", "port-unreachable", "no-interface"];
        let over_webrtc = [
            "no-path",
            "offline",
            "ticket-refused",
            "signalling-refused",
            "signalling-closed",
            "offer-unanswered",
            "ice-failed",
            "no-candidate",
        ];
        assert_eq!(of(Cause::NotFound), [&on_lan[..], &over_webrtc].concat());
        let keys = ["wrong-auth-key", "wrong-key", "login-refused", "stale-enr", "refused", "login-expired"];
        assert_eq!(of(Cause::NotAuthorized), keys);
    }

    #[test]
    fn texts_have_their_fields() {
        let probed = vec![SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 2))];
        let told = |error: Error, words: &str| assert!(error.to_string().contains(words), "{error}");
        told(Error::NoAnswer { probed }, "answered at 192.0.2.1:1, 192.0.2.2:2; check");
        told(Error::NoAnswer { probed: Vec::new() }, "answered at any address; check");
        told(Error::Silent(Duration::from_millis(2500)), "nothing for 2.5 s;");
        told(Error::Challenge(ChallengeStatus::Unknown(9)), "authentication (9);");
        let [failed, unnamed] = ice_failed();
        told(failed, "its candidates: 2 host, 1 relayed; our own: 1 host, at 192.0.2.9:4000; be in");
        told(unnamed, "named no address at which it is; our own: 1 host, at 192.0.2.9:4000; restart");
        told(Error::Broken { stage: Stage::Login, reason: "gone".into() }, "login: the connection broke (gone)");
    }
}
