//! Compares what clients send with the protocol's tables, field by field.
//!
//! It does not use the library's parsers, so that it finds mistakes that parsing and emitting share.

use crate::deviation_log::DeviationLog;
use std::ops::Range;
use std::time::Instant;

/// The IO type of HL messages, and those of TUTK's own that a client may send.
const HL: u16 = 0x0100;
const IO_TYPES: [u16; 9] = [0x01FF, 0x02FF, 0x0300, 0x0301, 0x0340, 0x0350, 0x0351, 0x1001, 0x1002];

/// The length, fixed fields and zero bytes that a packet has to have.
struct Layout<'a> {
    what: &'static str,
    len: usize,
    fields: &'a [(usize, &'a [u8], &'static str)],
    zeros: &'a [Range<usize>],
}

impl Layout<'_> {
    fn check(&self, now: Instant, b: &[u8], log: &mut DeviationLog) {
        let what = self.what;
        if b.len() != self.len {
            log.byte(now, format!("{what}: {} bytes instead of {}", b.len(), self.len));
            return;
        }
        for &(at, expected, name) in self.fields {
            let got = &b[at..at + expected.len()];
            if got != expected {
                log.byte(now, format!("{what}: {name} at {at} is {got:02x?} instead of {expected:02x?}"));
            }
        }
        for zeros in self.zeros {
            if b[zeros.clone()].iter().any(|&byte| byte != 0) {
                log.byte(now, format!("{what}: {zeros:?} has to be zero"));
            }
        }
    }
}

fn le16(value: usize) -> [u8; 2] {
    [value as u8, (value >> 8) as u8]
}

/// Checks a descrambled IOTC datagram that the camera could parse.
pub fn iotc(now: Instant, b: &[u8], log: &mut DeviationLog) {
    let body = le16(b.len().saturating_sub(16));
    let (marker, flags) = ("marker and mode", "flags");
    match b.get(8..10) {
        Some([0x01, 0x06]) => Layout {
            what: "discovery",
            len: 88,
            fields: &[
                (0, &[4, 2, 0x1A, 2], marker),
                (4, &body, "body length"),
                (10, &[0x21, 0], flags),
                (52, &[1, 1, 2, 4], "SDK version"),
            ],
            zeros: &[12..16, 36..52, 65..74, 82..88],
        }
        .check(now, b, log),
        Some([0x02, 0x04]) => Layout {
            what: "session request",
            len: 52,
            fields: &[(0, &[4, 2, 0x1A, 2], marker), (4, &body, "body length"), (10, &[0x33, 0], flags)],
            zeros: &[12..16, 44..48],
        }
        .check(now, b, log),
        Some([0x07, 0x04]) if b.len() >= 28 => Layout {
            what: "IOTC data",
            len: b.len(),
            fields: &[
                (0, &[4, 2, 0x1A, 0x0B], marker),
                (4, &body, "body length"),
                (10, &[0x21, 0], flags),
                (12, &b[20..22], "start of the session id"),
                (15, &[1], "byte after the channel"),
                (16, &[0x0C, 0, 0, 0], "sub-header length"),
            ],
            zeros: &[],
        }
        .check(now, b, log),
        Some([0x27, 0x04]) => Layout {
            what: "keepalive answer",
            len: 24,
            fields: &[(0, &[4, 2, 0x1A, 0x0A], marker), (4, &body, "body length"), (10, &[0x21, 0], flags)],
            zeros: &[12..14, 14..16],
        }
        .check(now, b, log),
        command => {
            log.byte(now, format!("IOTC packet of {} bytes with command {command:02x?} is not a client's", b.len()))
        }
    }
}

/// Checks a CC51 datagram whose HMAC is right.
pub fn cc51(now: Instant, b: &[u8], log: &mut DeviationLog) {
    let length = le16(b.len().saturating_sub(12));
    match b.get(4..6) {
        Some([0x02, 0x10]) => Layout {
            what: "CC51 discovery",
            len: 52,
            fields: &[(6, &[0x28, 0], "length"), (24, &[0, 8, 3, 4], "version"), (28, &[0x1D, 0, 0, 0], "constant")],
            zeros: &[2..4, 8..12],
        }
        .check(now, b, log),
        Some([0x02, 0x12]) => {
            Layout { what: "CC51 keepalive", len: 48, fields: &[(6, &[0x24, 0], "length")], zeros: &[2..4, 8..16] }
                .check(now, b, log)
        }
        Some([0x02, 0x15]) => Layout {
            what: "CC51 data",
            len: b.len(),
            fields: &[(6, &length, "length"), (12, &[0x10], "constant"), (24, &[1, 0, 0, 0], "constant")],
            zeros: &[2..4, 8..12],
        }
        .check(now, b, log),
        command => log.byte(now, format!("CC51 packet of {} bytes has unknown command {command:02x?}", b.len())),
    }
}

/// Checks a login request, all but its password and random bytes, which the session checks.
pub fn login(now: Instant, b: &[u8], log: &mut DeviationLog) {
    let second = b.get(1) == Some(&0x20);
    let len = if second { 572 } else { 570 };
    let what = if second { "second login" } else { "first login" };
    Layout {
        what,
        len,
        fields: &[
            (0, &[0, if second { 0x20 } else { 0 }, 0x0C, 0], "magic and version"),
            (16, &le16(len - 24), "size"),
            (18, &[u8::from(!second), 0], "first or second"),
            (24, b"admin\0", "user"),
        ],
        zeros: &[4..16, 30..280],
    }
    .check(now, b, log);
    if b.len() != len {
        return;
    }
    if b[280] == 0 {
        let fields: &[_] = &[
            (538, &[1, 0, 0, 0, 4, 0, 0, 0][..], "resends and security mode"),
            (546, &[0xFB, 0x07, 0x1F, 0], "capabilities"),
            (558, &[0, 0, 3, 0], "last capabilities"),
            (566, &[1, 0, 0, 0], "video"),
        ];
        Layout { what, len, fields, zeros: &[537..538, 550..558, 562..566] }.check(now, b, log);
        return;
    }
    let fields: &[_] = &[(552, &[0xFB, 0x07, 0x1F, 0][..], "capabilities")];
    // Offsets 536 and 538 would ask for resends.
    Layout { what, len, fields, zeros: &[536..540, 544..552] }.check(now, b, log);
    if !matches!(b[540..544], [2 | 4, 0, 0, 0]) {
        log.byte(now, format!("login: security mode {:02x?} is neither 4 nor 2", &b[540..544]));
    }
}

pub fn ack(now: Instant, b: &[u8], log: &mut DeviationLog) {
    let counter = [b.get(12).copied().unwrap_or(0), b.get(13).copied().unwrap_or(0)];
    Layout {
        what: "ACK",
        len: 24,
        fields: &[(0, &[9, 0, 0x0C, 0], "magic and version"), (18, &counter, "ACK counter << 16")],
        zeros: &[14..16, 16..18, 22..24],
    }
    .check(now, b, log);
}

/// Checks the answer to a timing probe, all but its clock, which the session checks.
pub fn probe_answer(now: Instant, b: &[u8], version: u16, log: &mut DeviationLog) {
    let received = b.get(10..12).unwrap_or(&[0, 0]);
    Layout {
        what: "timing answer",
        len: 20,
        fields: &[
            (0, &[0x0B, 0], "magic"),
            (2, &le16(version.into()), "version"),
            (6, &[0x1F, 0], "constant"),
            (12, received, "packets received, again"),
        ],
        zeros: &[4..6, 14..20],
    }
    .check(now, b, log);
}

/// Checks a control frame and the HL header in it. Returns the IO type of a frame that has another message than HL,
/// where the camera takes such (`takes_io_types`).
pub fn control(now: Instant, b: &[u8], takes_io_types: bool, log: &mut DeviationLog) -> Option<u16> {
    let io_type = b.get(36..40).map_or(HL, |b| u16::from_le_bytes([b[0], b[1]]));
    if takes_io_types && IO_TYPES.contains(&io_type) {
        let with_io_type = le16(b.len() - 36);
        Layout {
            what: "control frame of an IO type",
            len: b.len(),
            fields: &[
                (0, &[0x0C, 0, 0x0C, 0], "magic and version"),
                (16, &[0, 0x70], "kind"),
                (20, &[1, 0, 0, 0], "constant"),
                (24, &with_io_type, "length"),
                (28, &b[18..20], "second command counter"),
            ],
            zeros: &[8..16, 26..28, 30..36, 38..40],
        }
        .check(now, b, log);
        return Some(io_type);
    }
    if b.len() < 56 {
        let io_type = if io_type == HL { String::new() } else { format!(" of the unknown IO type {io_type:#06x}") };
        log.byte(now, format!("control frame{io_type}: {} bytes, at least 56 needed", b.len()));
        return None;
    }
    let with_io_type = le16(b.len() - 36);
    Layout {
        what: "control frame",
        len: 56 + usize::from(u16::from_le_bytes([b[46], b[47]])),
        fields: &[
            (0, &[0x0C, 0, 0x0C, 0], "magic and version"),
            (16, &[0, 0x70], "kind"),
            (20, &[1, 0, 0, 0], "constant"),
            (24, &with_io_type, "length"),
            (28, &b[18..20], "second command counter"),
            (36, &[0, 1], "IO type"),
            (40, b"HL\x05", "HL and protocol"),
        ],
        zeros: &[8..16, 26..28, 30..36, 38..40, 48..56],
    }
    .check(now, b, log);
    None
}

/// Checks a login answer on the back channel, all but its echo, which the session checks.
pub fn talk_login_answer(now: Instant, b: &[u8], log: &mut DeviationLog) {
    Layout {
        what: "talk login answer",
        len: 60,
        fields: &[
            (0, &[0, 0x21, 0x0C, 0], "magic and version"),
            (4, &[0x10], "success"),
            (16, &[0x24, 0, 0, 0], "size"),
            (29, &[1], "enabled"),
            (31, &[1], "two-way audio"),
            (36, &[4, 0, 0, 0], "constant"),
            (40, &[0xFB, 0x07, 0x1F, 0], "capabilities"),
            (54, &[3], "constant"),
            (56, &[2], "constant"),
        ],
        zeros: &[5..16, 24..29, 30..31, 32..36, 44..54, 55..56, 57..60],
    }
    .check(now, b, log);
}

/// Checks a frame of talk: 52 bytes and the audio. Returns false if it is too short to be one. [`crate::talk_checks`]
/// checks how it follows the frame before.
pub fn talk_frame(now: Instant, b: &[u8], log: &mut DeviationLog) -> bool {
    if b.len() <= 52 {
        log.byte(now, format!("talk frame: {} bytes, more than 52 needed", b.len()));
        return false;
    }
    let at = b.len() - 16;
    let number = [b[32], b[33], b[34], b[35]];
    let previous = u32::from_le_bytes(number).wrapping_sub(1).to_le_bytes();
    let is_first = number == [1, 0, 0, 0];
    let size = u32::try_from(b.len() - 36).unwrap_or(u32::MAX).to_le_bytes();
    Layout {
        what: "talk frame",
        len: b.len(),
        fields: &[
            (0, &[3, 9, 0x0C, 0], "channel, type and version"),
            (4, &number, "counter"),
            (12, &[1, 0, if is_first { 0 } else { 0x10 }, 0], "flags"),
            (16, &[3, 1], "channel and end"),
            (18, &previous[..2], "previous frame"),
            (20, &[1, 0], "constant"),
            (22, &[0x10, 0], "constant"),
            (24, &size, "size"),
            (28, &previous, "second previous frame"),
            (at + 4, &[1], "constant in the trailer"),
        ],
        zeros: &[at + 3..at + 4, at + 5..at + 12],
    }
    .check(now, b, log);
    true
}
