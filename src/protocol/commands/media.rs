//! Authentication, media, and the parameters of the video stream.

use super::{Command, NO, OutOfRange, Request, Support, Told, Value, in_range, json_object, whole_number};
use crate::protocol::model::{self, VideoWish};
use crate::protocol::wire::hl::{self, ChallengeAnswer, MediaKind, VideoParameters};
use crate::protocol::wire::{WireError, check_len, u16_at};

pub const CONNECT: Command = Command::new("connect", hl::AUTH_REQUEST);
pub const ANSWER: Command = Command::new("answer", hl::AUTH_ANSWER);
/// Doorbells also take [`ANSWER`].
pub const ANSWER_DOORBELL: Command = Command::new("answer-doorbell", 10006).known_to(Support::Lines([NO, 23, 23, NO]));
/// All models also take [`ANSWER`].
pub const ANSWER_USER: Command = Command::new("answer-user", 10008).known_to(Support::Lines([NO, 25, 25, 29]));
pub const MEDIA: Command = Command::new("media", hl::MEDIA);
pub const VIDEO: Command = Command::new("video", 10050);
pub const SET_VIDEO: Command = Command::new("set-video", hl::RESOLUTION_DOORBELL);
pub const SET_RESOLUTION: Command =
    Command::new("set-resolution", hl::RESOLUTION).known_to(Support::Lines([NO, 12, 12, NO]));

pub(super) const COMMANDS: &[Command] =
    &[CONNECT, ANSWER, ANSWER_DOORBELL, ANSWER_USER, MEDIA, VIDEO, SET_VIDEO, SET_RESOLUTION];

/// K10006: answers a doorbell's challenge. `answer.random` is the first four characters of the app's phone id.
///
/// # Errors
///
/// Where the user's id is longer than its length field can tell.
pub fn answer_doorbell(answer: &ChallengeAnswer, open_user_id: &str) -> Result<Request, OutOfRange> {
    answer_with_user(ANSWER_DOORBELL, answer, open_user_id)
}

/// K10008: as [`answer_doorbell`], for all models with newer firmware.
///
/// # Errors
///
/// Where the user's id is longer than its length field can tell.
pub fn answer_user(answer: &ChallengeAnswer, open_user_id: &str) -> Result<Request, OutOfRange> {
    answer_with_user(ANSWER_USER, answer, open_user_id)
}

/// The payload is that of K10002, a byte with the length of the user's id, and the id.
fn answer_with_user(command: Command, answer: &ChallengeAnswer, open_user_id: &str) -> Result<Request, OutOfRange> {
    in_range("length of the user's id", open_user_id.len() as i64, 0..=u8::MAX.into())?;
    let mut payload = answer.payload().to_vec();
    payload.push(open_user_id.len() as u8);
    payload.extend(open_user_id.bytes());
    Ok(command.request(&payload))
}

/// K10010: switches a medium.
pub fn media(kind: MediaKind, on: bool) -> Request {
    Request { command: MEDIA, message: hl::media(kind, on) }
}

/// K10052 or K10056, as the model takes it: asks for the picture that the user wishes for.
pub fn set_video(model: &str, wish: VideoWish) -> Request {
    let command = if model::takes_old_commands(model) { SET_VIDEO } else { SET_RESOLUTION };
    Request { command, message: model::video_command(model, wish) }
}

/// Whether a picture is mirrored. That 1 is off here, other than in a [`Switch`](super::Switch), is unproven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    Off = 1,
    On = 2,
}

impl Value for Flip {
    const ALL: &'static [Self] = &[Flip::Off, Flip::On];

    fn number(self) -> u8 {
        self as u8
    }
}

impl From<bool> for Flip {
    fn from(on: bool) -> Self {
        if on { Flip::On } else { Flip::Off }
    }
}

/// Changes to the video stream, for all who watch the camera. What is 0 or `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoChange {
    /// KB/s.
    pub bitrate: u16,
    /// Frames a second.
    pub fps: u8,
    pub horizontal_flip: Option<Flip>,
    pub vertical_flip: Option<Flip>,
}

/// K10052, as all models take it: changes parts of the video stream, but not its size. The payload has the bitrate
/// (u16), the size and one, the frames a second, and the horizontal and the vertical flip. The camera agrees also to
/// what it ignores: its flips are read back as parameters 6 and 7.
pub fn change_video(change: VideoChange) -> Request {
    let [low, high] = change.bitrate.to_le_bytes();
    let flip = |flip: Option<Flip>| flip.map_or(0, Flip::number);
    SET_VIDEO.request(&[low, high, 0, change.fps, flip(change.horizontal_flip), flip(change.vertical_flip)])
}

/// K10050: asks for the parameters of the video stream.
pub fn read_video() -> Request {
    VIDEO.request(&[])
}

/// K10051.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoAnswer {
    Video(VideoState),
    /// What battery cameras answered: their battery's level, in percent.
    Battery(i64),
}

/// The video stream as the camera sends it, to all who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoState {
    /// Some firmwares tell a wrong bitrate: 4.36.12 and 4.50.4.9222.
    pub parameters: VideoParameters,
    pub horizontal_flip: Told<Flip>,
    pub vertical_flip: Told<Flip>,
}

/// The payload of K10051, which is laid out as that of K10052.
mod video {
    /// u16.
    pub const BITRATE: usize = 0;
    /// One byte: the number of the size, and one.
    pub const FRAME_SIZE: usize = 2;
    /// One byte.
    pub const FPS: usize = 3;
    /// One byte.
    pub const HORIZONTAL_FLIP: usize = 4;
    /// One byte.
    pub const VERTICAL_FLIP: usize = 5;
    pub const LEN: usize = 6;
}

impl VideoAnswer {
    /// Parses the payload.
    ///
    /// # Errors
    ///
    /// Where it is too short, or JSON without a battery's level.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        if let Some(object) = json_object(payload) {
            let level = object.get("camerainfo").and_then(|info| whole_number(info.get("powerlevel")?));
            return level.map(VideoAnswer::Battery).ok_or(WireError::Value { what: "video parameters" });
        }
        check_len("video parameters", payload, video::LEN)?;
        Ok(VideoAnswer::Video(VideoState {
            parameters: VideoParameters {
                frame_size: payload[video::FRAME_SIZE].wrapping_sub(1),
                bitrate: u16_at(payload, video::BITRATE),
                fps: payload[video::FPS],
            },
            horizontal_flip: Told::new(payload[video::HORIZONTAL_FLIP]),
            vertical_flip: Told::new(payload[video::VERTICAL_FLIP]),
        }))
    }
}
