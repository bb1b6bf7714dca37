//! ACKs, and the control frames that carry HL messages. The modules of offsets below are their layouts; bytes that no
//! offset names are zero.

use super::{WireError, check_len, hl, put, put_u16, put_u32, u16_at, u32_at};

pub const ACK: u16 = 0x0009;
pub const CONTROL: u16 = 0x000C;
pub const CONTROL_ALT: u16 = 0x7000;
pub const CHANNEL_MESSAGE: u16 = 0x1000;
/// Cameras send packets of this number; what they mean is not known.
pub const OTHER_CONTROL: u16 = 0x7100;
/// Cameras send packets of this number; what they mean is not known.
pub const OTHER_CHANNEL: u16 = 0x1100;
/// The first byte of a control frame, whose second is a bit mask in the wrapped format.
const CONTROL_LOW: u8 = CONTROL as u8;
/// The bit of that mask by which all that follows the first 8 bytes is 8 bytes further on.
const IS_LONG: u8 = 0x08;
const EXTENSION_LEN: usize = 8;
/// The least that the length field of a frame with an HL message says, where the message begins at the earliest.
const MIN_BODY: usize = 12;
const VERSION: u16 = 0x000C;

/// IO types: what the message in a control frame is. All but [`HL`](io_type::HL) are TUTK's own; no client is known to
/// use them on Wyze cameras, whose HL messages do the same.
pub mod io_type {
    pub const HL: u16 = 0x0100;
    pub const VIDEO_START: u16 = 0x01FF;
    pub const VIDEO_STOP: u16 = 0x02FF;
    pub const AUDIO_START: u16 = 0x0300;
    pub const AUDIO_STOP: u16 = 0x0301;
    pub const DEVICE_INFO: u16 = 0x0340;
    pub const DEVICE_INFO_ANSWER: u16 = 0x0341;
    /// Talk-back begins.
    pub const SPEAKER_START: u16 = 0x0350;
    pub const SPEAKER_STOP: u16 = 0x0351;
    pub const PTZ: u16 = 0x1001;
    /// Asks for a key frame.
    pub const FIRST_FRAME: u16 = 0x1002;

    /// The types that get no answer, as far as is known.
    const UNANSWERED: [u16; 8] =
        [VIDEO_START, VIDEO_STOP, AUDIO_START, AUDIO_STOP, SPEAKER_START, SPEAKER_STOP, PTZ, FIRST_FRAME];

    /// Returns the type of the answer to a message of this type, `None` where none comes. Of types that are not known,
    /// the next number is taken for it.
    pub fn answer(io_type: u16) -> Option<u16> {
        io_type.checked_add(1).filter(|_| !UNANSWERED.contains(&io_type))
    }
}

/// The fields that ACKs and control frames begin with.
mod header {
    /// u16: 0x0009 in an ACK; 0x000C in a control frame, from a camera also 0x7000 or 0x1000.
    pub const MAGIC: usize = 0;
    /// u16: 0x000C.
    pub const VERSION: usize = 2;
    /// u32: counts ACKs and control frames together.
    pub const SEND_COUNTER: usize = 4;
    pub const LEN: usize = 8;
}

/// 24 bytes.
mod ack {
    /// u16: `HIGHEST` of the ACK before, FFFF in the first.
    pub const PREVIOUS_HIGHEST: usize = 8;
    /// u16: the highest sequence number of a control frame that was received, FFFF before any.
    pub const HIGHEST: usize = 10;
    /// u16: counts ACKs, from 1.
    pub const COUNTER: usize = 12;
    /// u16, in resend mode: how many packets are listed from [`LIST`] on.
    pub const LISTED: usize = 14;
    /// u32: the counter of ACKs in its upper half.
    pub const COUNTER_SHIFTED: usize = 16;
    /// u16: a clock's milliseconds, the low 16 bits.
    pub const MILLISECONDS: usize = 20;
    pub const LIST: usize = 22;
    pub const LEN: usize = 24;
}

/// 40 bytes and an HL message. A camera's HL message may begin earlier.
mod frame {
    /// u16: 0x7000.
    pub const KIND: usize = 16;
    /// u16: counts commands, from 0.
    pub const COMMAND_COUNTER: usize = 18;
    /// u32: 1.
    pub const ONE: usize = 20;
    /// u16, and two zeros: the length of the HL message, and 4.
    pub const BODY_LEN: usize = 24;
    /// Where the bytes begin that it counts.
    pub const BODY: usize = 36;
    /// u32: the counter of commands again.
    pub const COMMAND_COUNTER_AGAIN: usize = 28;
    /// Where a camera's HL message begins at the earliest. In the wrapped format it begins here.
    pub const HL_EARLIEST: usize = 32;
    /// u16: 0x0100. In a camera's frame with magic 0x1000 and kind 0, the HL message begins here at the earliest.
    pub const IO_TYPE: usize = 36;
    pub const HL: usize = 40;
}

/// Returns by how much what follows the first 8 bytes of a frame is further on than usual.
fn shift(b: &[u8]) -> usize {
    if matches!(b, [CONTROL_LOW, mask, ..] if mask & IS_LONG != 0) { EXTENSION_LEN } else { 0 }
}

/// Whether a packet that begins with this is a control frame, plain or wrapped, and not media.
pub fn is_control(magic: u16) -> bool {
    matches!(magic, CONTROL_ALT | CHANNEL_MESSAGE) || magic as u8 == CONTROL_LOW
}

/// Returns the send counter of a message of the channel itself; `None` for another packet.
pub fn channel_message_counter(b: &[u8]) -> Option<u32> {
    (b.len() >= header::LEN && u16_at(b, header::MAGIC) == CHANNEL_MESSAGE).then(|| u32_at(b, header::SEND_COUNTER))
}

/// Returns what follows the ACK that `b` begins with. One of resend mode may list packets, 2 bytes each.
pub fn after_ack(b: &[u8]) -> &[u8] {
    let listed = b.get(ack::LISTED..ack::LISTED + 2).map_or(0, |listed| usize::from(u16_at(listed, 0)));
    b.get((ack::LIST + 2 * listed).max(ack::LEN)..).unwrap_or_default()
}

/// Tells the camera that the client lives, and how far it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub send_counter: u32,
    /// The value of `highest` in the ACK before, FFFF in the first.
    pub previous_highest: u16,
    /// The highest sequence number of a control frame that was received, FFFF before any.
    pub highest: u16,
    /// From 1.
    pub counter: u16,
    /// A clock's milliseconds, the low 16 bits.
    pub milliseconds: u16,
}

impl Ack {
    pub fn emit(&self) -> [u8; ack::LEN] {
        let mut b = [0; ack::LEN];
        put_u16(&mut b, header::MAGIC, ACK);
        put_u16(&mut b, header::VERSION, VERSION);
        put_u32(&mut b, header::SEND_COUNTER, self.send_counter);
        put_u16(&mut b, ack::PREVIOUS_HIGHEST, self.previous_highest);
        put_u16(&mut b, ack::HIGHEST, self.highest);
        put_u16(&mut b, ack::COUNTER, self.counter);
        put_u32(&mut b, ack::COUNTER_SHIFTED, u32::from(self.counter) << 16);
        put_u16(&mut b, ack::MILLISECONDS, self.milliseconds);
        b
    }

    pub fn parse(b: &[u8]) -> Result<Self, WireError> {
        check_len("ACK", b, ack::LEN)?;
        if u16_at(b, header::MAGIC) != ACK {
            return Err(WireError::Magic { what: "ACK" });
        }
        Ok(Ack {
            send_counter: u32_at(b, header::SEND_COUNTER),
            previous_highest: u16_at(b, ack::PREVIOUS_HIGHEST),
            highest: u16_at(b, ack::HIGHEST),
            counter: u16_at(b, ack::COUNTER),
            milliseconds: u16_at(b, ack::MILLISECONDS),
        })
    }
}

/// A frame with a message of any IO type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub send_counter: u32,
    pub command_counter: u16,
    pub io_type: u16,
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns the frame, 40 bytes and the message.
    pub fn emit(&self) -> Vec<u8> {
        let mut b = vec![0; frame::HL + self.body.len()];
        put_u16(&mut b, header::MAGIC, CONTROL);
        put_u16(&mut b, header::VERSION, VERSION);
        put_u32(&mut b, header::SEND_COUNTER, self.send_counter);
        put_u16(&mut b, frame::KIND, CONTROL_ALT);
        put_u16(&mut b, frame::COMMAND_COUNTER, self.command_counter);
        put_u32(&mut b, frame::ONE, 1);
        // Messages are below 64 KiB.
        put_u32(&mut b, frame::BODY_LEN, self.body.len() as u32 + 4);
        put_u32(&mut b, frame::COMMAND_COUNTER_AGAIN, u32::from(self.command_counter));
        put_u16(&mut b, frame::IO_TYPE, self.io_type);
        put(&mut b, frame::HL, self.body);
        b
    }

    /// Parses a plain frame of an IO type other than [`io_type::HL`].
    ///
    /// # Errors
    ///
    /// Where it is none, or shorter than its length field says.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("control frame", b, frame::HL)?;
        let io_type = u16_at(b, frame::IO_TYPE);
        if u16_at(b, header::MAGIC) != CONTROL || io_type == io_type::HL {
            return Err(WireError::Magic { what: "control frame of another IO type" });
        }
        let end = frame::BODY + usize::from(u16_at(b, frame::BODY_LEN));
        check_len("control frame", b, end)?;
        Ok(Message {
            send_counter: u32_at(b, header::SEND_COUNTER),
            command_counter: u16_at(b, frame::COMMAND_COUNTER),
            io_type,
            body: b.get(frame::HL..end).unwrap_or_default(),
        })
    }
}

/// A frame with one HL message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlFrame<'a> {
    pub send_counter: u32,
    pub command_counter: u16,
    /// From "HL" on, to the end of the frame.
    pub hl: &'a [u8],
}

impl<'a> ControlFrame<'a> {
    /// Returns the frame, 40 bytes and the message.
    pub fn emit(&self) -> Vec<u8> {
        let &ControlFrame { send_counter, command_counter, hl } = self;
        Message { send_counter, command_counter, io_type: io_type::HL, body: hl }.emit()
    }

    /// Splits the frame that `b` begins with from what follows it, by the frame's length field. A field that leaves no
    /// room for an HL message is believed only where there is none: not all cameras may fill it.
    pub fn split(b: &[u8]) -> (&[u8], &[u8]) {
        let shift = shift(b);
        let len =
            b.get(shift + frame::BODY_LEN..shift + frame::BODY_LEN + 2).map_or(0, |len| usize::from(u16_at(len, 0)));
        let end = shift + frame::BODY + len;
        let is_told = len >= MIN_BODY || len > 0 && ControlFrame::parse(b).is_err();
        if is_told { b.split_at_checked(end).unwrap_or((b, &[])) } else { (b, &[]) }
    }

    /// Parses a frame of either side; an error where no HL message is in it.
    pub fn parse(b: &'a [u8]) -> Result<Self, WireError> {
        check_len("control frame", b, frame::IO_TYPE)?;
        let from = match u16_at(b, header::MAGIC) {
            CHANNEL_MESSAGE if b[frame::KIND] == 0 => frame::IO_TYPE,
            magic if is_control(magic) => frame::HL_EARLIEST,
            _ => return Err(WireError::Magic { what: "control frame" }),
        };
        let at = b[from..]
            .windows(hl::MAGIC.len())
            .position(|w| w == hl::MAGIC)
            .ok_or(WireError::Magic { what: "control frame's HL message" })?;
        Ok(ControlFrame {
            send_counter: u32_at(b, header::SEND_COUNTER),
            command_counter: u16_at(b, shift(b) + frame::COMMAND_COUNTER),
            hl: &b[from + at..],
        })
    }
}
