//! The settings of a simulated camera.

use gstwyze::protocol::credentials::{CredentialError, Credentials};
use gstwyze::protocol::dtls::Suite;
use gstwyze::protocol::wire::hl::ChallengeStatus;
use gstwyze::protocol::wire::login::Capabilities;
use std::time::Duration;

/// The identity of the project's test vectors, so that a demonstration needs no arguments.
pub const DEMO_UID: &str = "HSBJYB5HSETGCDWD111A";
pub const DEMO_ENR: &str = "roTRg3tiuL3TjXhm";
pub const DEMO_MAC: &str = "AABBCCDDEEFF";

/// The models that take resolution command K10052 instead of K10056.
const DOORBELL_MODELS: [&str; 4] = ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"];

/// The outer packet format, which a camera's firmware fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    Transcode,
    Cc51,
}

/// What a camera does with a login that asks for resends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResendSupport {
    /// Sends lost packets again, in the wrapped format.
    Granted,
    /// Lets the client in, without resends.
    Refused,
    /// Does not answer, as a camera that knows only the short layout may do.
    NotAnswered,
    /// Refuses the login.
    LoginRefused,
}

/// Identity, protocol variant and behaviour of a simulated camera.
#[derive(Debug, Clone)]
pub struct CameraConfig {
    pub credentials: Credentials,
    pub envelope: Envelope,
    /// Product model, such as `WYZE_CAKP2JFUS`; it decides which resolution command is the right one.
    pub model: String,
    pub firmware: String,
    /// Ask each DTLS client for a cookie first.
    pub hello_verify: bool,
    /// Answer a Finished that cannot be decrypted with an alert, as mbedTLS does. OpenSSL and GnuTLS stay silent.
    pub alert_wrong_key: bool,
    /// The DTLS suites that the camera takes.
    pub suites: Vec<Suite>,
    /// How the challenge is to be answered, or why the client is turned away.
    pub challenge: ChallengeStatus,
    /// Refuse the login, whatever the password is.
    pub refuse_login: bool,
    /// Answer K10002 with connectionRes "2" even when it is right.
    pub refuse_answer: bool,
    /// Whether the login answer claims two-way audio. If false, the camera also never opens the back channel.
    pub two_way_audio: bool,
    /// Do not answer K10010 for talk, neither on nor off.
    pub refuse_talk: bool,
    /// Answer K10010 for talk, but never open the back channel.
    pub stall_talk: bool,
    /// Time from switching talk on to the back channel's first packet.
    pub talk_delay: Duration,
    /// The suites that the camera, as the DTLS client of the back channel, offers.
    pub talk_suites: Vec<Suite>,
    /// Log in once more 200 ms after the first login, though it was answered.
    pub talk_login_twice: bool,
    /// Hang up this long after the login was answered; `None` for never.
    pub close_talk_after: Option<Duration>,
    /// Do not answer discovery with a wrong AuthKey. A wrong AuthKey is logged in any case.
    pub strict_auth_key: bool,
    /// Answer a search with an empty UID, which real ones may not do.
    pub answers_search: bool,
    /// The third byte of the camera's IOTC packets, which differs by device.
    pub marker: u8,
    /// The mode byte of the camera's IOTC data packets. With an even one, TransCode scrambles all of a packet.
    pub data_mode: u8,
    /// The capabilities in the login answer.
    pub capabilities: Capabilities,
    /// Send media only once K10010 has asked for it, though K10002 switched it on.
    pub media_by_command: bool,
    /// Send packets of the AV layer that mean nothing to a viewer: messages of the channel itself, and others.
    pub chatter: bool,
    /// What the camera's clock is off by, in seconds, until a client sets it.
    pub clock_error: i64,
    /// Neither set the clock by K10092 nor answer it.
    pub ignore_clock: bool,
    /// The protocol number of the camera's HL messages.
    pub protocol: u16,
    /// K-commands to which the camera stays silent. This and the next two hold for all commands after authentication.
    pub silent: Vec<u16>,
    /// K-commands that the camera agrees to and does not do.
    pub ignores: Vec<u16>,
    /// K-commands that the camera refuses.
    pub refuses: Vec<u16>,
    /// Answer K10050 with the battery's level, in percent, instead of the video parameters.
    pub battery: Option<u8>,
    /// ACK commands that cameras do, but do not answer.
    pub acks_commands: bool,
    /// Take control frames of TUTK's own IO types, and not only HL messages.
    pub io_types: bool,
    /// Send a timing probe before each video frame.
    pub probes: bool,
    /// Log in on the back channel with as few bytes as cameras do.
    pub short_talk_login: bool,
    /// Answer K10000 only where it asks the camera to wake up, as battery models do.
    pub asleep: bool,
    /// Sign CC51 data in a way that the client cannot verify.
    pub unknown_data_signature: bool,
    /// Vary the frame types of media packets at random, among those that mean the same.
    pub every_frame_type: bool,
    /// Bytes of FRAMEINFO: 16, 32, 40 or 48.
    pub frame_info_len: usize,
    /// Leave the fields of FRAMEINFO from byte 16 on zero: the frame's length and number, and the MAC.
    pub short_frame_info: bool,
    /// The version in the camera's media packets. One of 0x000C has nothing in the place of 0x507E.
    pub av_version: u16,
    /// Put media packets that fit into one DTLS record, and commands' answers, into one.
    pub join_packets: bool,
    /// Send media in the wrapped format.
    pub wrapped: bool,
    /// Send control frames in the wrapped format.
    pub wrapped_control: bool,
    /// In the wrapped format, follow so many packets by a parity packet; 0 for none.
    pub parity_after: u8,
    /// What the camera does with a login that asks for resends.
    pub resend: ResendSupport,
    /// The counter of a session's first media packet.
    pub first_counter: u16,
    /// Count media packets in their heads, and the packets of each medium in their tails.
    pub counts_by_head: bool,
    /// The first so many video frames of each session report `stale_frame_size` instead of their own size.
    pub stale_frames: u32,
    pub stale_frame_size: u8,
    /// Bytes of a frame in one media packet, up to 1200.
    pub packet_payload: usize,
    pub keepalive_interval: Duration,
    /// A client that is silent for this long is given up.
    pub idle_timeout: Duration,
    /// How many clients may have a session; further ones get an answer to discovery, but no session.
    pub max_clients: usize,
}

impl CameraConfig {
    /// A Cam v3 with these credentials and the defaults of all other fields.
    pub fn new(credentials: Credentials) -> Self {
        CameraConfig {
            credentials,
            envelope: Envelope::Transcode,
            model: "WYZE_CAKP2JFUS".into(),
            firmware: "4.36.13.0416".into(),
            hello_verify: false,
            alert_wrong_key: false,
            suites: vec![Suite::EcdhePskChacha20Poly1305, Suite::PskAes128CbcSha256],
            challenge: ChallengeStatus::Enr,
            refuse_login: false,
            refuse_answer: false,
            two_way_audio: true,
            refuse_talk: false,
            stall_talk: false,
            talk_delay: Duration::from_millis(50),
            talk_suites: vec![Suite::PskAes128CbcSha256],
            talk_login_twice: false,
            close_talk_after: None,
            strict_auth_key: true,
            answers_search: true,
            marker: 0x1A,
            data_mode: 0x0B,
            capabilities: Capabilities::CLIENT,
            media_by_command: false,
            chatter: false,
            clock_error: 0,
            ignore_clock: false,
            protocol: 25,
            silent: Vec::new(),
            ignores: Vec::new(),
            refuses: Vec::new(),
            battery: None,
            acks_commands: true,
            io_types: true,
            probes: false,
            short_talk_login: false,
            asleep: false,
            unknown_data_signature: false,
            every_frame_type: false,
            frame_info_len: 40,
            short_frame_info: false,
            av_version: 0x000B,
            join_packets: false,
            wrapped: false,
            wrapped_control: false,
            parity_after: 0,
            resend: ResendSupport::Refused,
            first_counter: 0,
            counts_by_head: false,
            stale_frames: 0,
            stale_frame_size: 1,
            packet_payload: 1024,
            keepalive_interval: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(10),
            max_clients: 4,
        }
    }

    /// A Cam v3 with the demonstration identity.
    pub fn demo() -> Result<Self, CredentialError> {
        Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).map(Self::new)
    }

    /// This camera with resends as they are known of HL_BC: groups with a parity packet, timing probes, and control
    /// frames in the wrapped format.
    pub fn with_resends(self) -> Self {
        CameraConfig {
            resend: ResendSupport::Granted,
            parity_after: 20,
            probes: true,
            wrapped_control: true,
            av_version: 0x000C,
            ..self
        }
    }

    /// This camera with everything different in which cameras are known to differ, all at once.
    pub fn with_every_variant(self) -> Self {
        CameraConfig {
            marker: 0x1D,
            data_mode: 0x0A,
            capabilities: Capabilities(0x8000_0800),
            media_by_command: true,
            chatter: true,
            probes: true,
            short_talk_login: true,
            unknown_data_signature: true,
            every_frame_type: true,
            frame_info_len: 16,
            av_version: 0x000C,
            join_packets: true,
            wrapped: true,
            wrapped_control: true,
            parity_after: 20,
            packet_payload: 500,
            challenge: ChallengeStatus::LongEnr,
            ..self
        }
    }

    /// Whether this model takes K10052.
    pub fn takes_doorbell_resolution(&self) -> bool {
        DOORBELL_MODELS.contains(&self.model.as_str())
    }
}
