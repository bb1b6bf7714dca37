//! The settings of a simulated WebRTC camera.

use gstwyze::protocol::wire::codec::CodecId;
use std::net::IpAddr;
use std::time::Duration;

/// When the camera tells its ICE candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateOrder {
    /// In messages after the answer.
    AfterAnswer,
    /// In messages before the answer, as the order of messages is not fixed.
    BeforeAnswer,
    /// In the answer itself.
    InAnswer,
}

/// What the camera has, and how it behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebCameraConfig {
    /// H.264 or H.265: the only video codec that it answers with.
    pub video: CodecId,
    /// Opus, µ-law or A-law: the only audio codec that it answers with.
    pub audio: CodecId,
    /// Whether it sends sound.
    pub sends_audio: bool,
    /// Whether it takes sound, where a viewer offers some.
    pub takes_talk: bool,
    /// Answer `sendrecv` to `recvonly`, as KVS cameras do against RFC 3264.
    pub answers_sendrecv: bool,
    /// Answer with mids 0, 1, 2, whatever was offered, as old ones are said to do.
    pub own_mids: bool,
    pub candidates: CandidateOrder,
    /// Empty messages between the others, as Amazon's server sends them.
    pub empty_messages: bool,
    /// Whether the answer has RTX. Without it, lost packets are sent again as they were.
    pub rtx: bool,
    /// Time from the offer to the answer.
    pub answer_delay: Duration,
    /// Answer nothing, as signalling does for a camera that is away.
    pub no_answer: bool,
    /// Refuse each offer by a STATUS_RESPONSE of this error type.
    pub refuses: Option<String>,
    /// Close signalling when an offer comes.
    pub hangs_up: bool,
    /// Send GO_AWAY and close signalling, once the viewer is connected.
    pub goes_away: bool,
    /// Whether viewers are told when the camera stops, by DTLS's close_notify.
    pub says_goodbye: bool,
    /// Neither send nor hear anything. Viewers who were there before find the camera as they left it once this is over,
    /// unless they have given up.
    pub is_gone: bool,
    /// Takes datagrams of this host only, as if there were no way to it for others.
    pub hears_only: Option<IpAddr>,
    /// How many viewers may be connected; the offers of others are refused.
    pub max_viewers: usize,
}

impl Default for WebCameraConfig {
    /// A camera that keeps to the standards.
    fn default() -> Self {
        WebCameraConfig {
            video: CodecId::H264,
            audio: CodecId::MULAW,
            sends_audio: true,
            takes_talk: true,
            answers_sendrecv: false,
            own_mids: false,
            candidates: CandidateOrder::AfterAnswer,
            empty_messages: false,
            rtx: true,
            answer_delay: Duration::ZERO,
            no_answer: false,
            refuses: None,
            hangs_up: false,
            goes_away: false,
            says_goodbye: true,
            is_gone: false,
            hears_only: None,
            max_viewers: 10,
        }
    }
}

impl WebCameraConfig {
    /// This camera with all in which KVS cameras are known to differ from the standards, at once.
    pub fn with_every_quirk(self) -> Self {
        WebCameraConfig {
            answers_sendrecv: true,
            own_mids: true,
            candidates: CandidateOrder::BeforeAnswer,
            empty_messages: true,
            rtx: false,
            answer_delay: Duration::from_millis(500),
            goes_away: true,
            ..self
        }
    }
}
