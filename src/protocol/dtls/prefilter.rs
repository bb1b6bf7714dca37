//! Drops records that no peer of ours can have sent, before OpenSSL sees them and gives up over them.

use super::CLOSE_NOTIFY;

const HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const MAX_HANDSHAKE_MESSAGE: usize = 4096;

/// What there was besides plausible records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub dropped: u64,
    /// An alert in plain text that would end a handshake: fatal, or a goodbye.
    pub alert: Option<u8>,
}

/// Replaces `out` with the plausible records of `datagram`.
/// `min_record` is the negotiated suite's shortest encrypted body, `None` while the handshake is under way.
pub fn copy_plausible(datagram: &[u8], min_record: Option<usize>, out: &mut Vec<u8>) -> Dropped {
    out.clear();
    let mut seen = Dropped::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Some((record, tail)) = split_record(rest) else {
            seen.dropped += 1;
            return seen;
        };
        if is_plausible(record, min_record) {
            out.extend_from_slice(record);
        } else {
            seen.dropped += 1;
        }
        if min_record.is_none() {
            seen.alert = plain_alert(record).or(seen.alert);
        }
        rest = tail;
    }
    seen
}

fn plain_alert(record: &[u8]) -> Option<u8> {
    match (record[0], &record[3..5], &record[HEADER..]) {
        (ALERT, [0, 0], &[2, alert] | &[1, alert @ CLOSE_NOTIFY]) => Some(alert),
        _ => None,
    }
}

/// The first record, by its own length, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.len() <= HEADER || bytes[1] != 0xFE || !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&bytes[0]) {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([bytes[11], bytes[12]]));
    if len == 0 { None } else { bytes.split_at_checked(HEADER + len) }
}

fn is_plausible(record: &[u8], min_record: Option<usize>) -> bool {
    let (kind, body) = (record[0], &record[HEADER..]);
    match u16::from_be_bytes([record[3], record[4]]) {
        0 if min_record.is_some() => false,
        0 => match kind {
            CHANGE_CIPHER_SPEC => body == [1],
            HANDSHAKE => is_plausible_handshake(body),
            _ => false,
        },
        1 => kind != CHANGE_CIPHER_SPEC && body.len() >= min_record.unwrap_or(17),
        _ => false,
    }
}

/// One fragment of a message that a PSK handshake has: HelloRequest and certificates are not among them.
fn is_plausible_handshake(body: &[u8]) -> bool {
    if body.len() < 12 {
        return false;
    }
    let u24 = |at: usize| usize::from(body[at]) << 16 | usize::from(body[at + 1]) << 8 | usize::from(body[at + 2]);
    let (length, offset, fragment) = (u24(1), u24(6), u24(9));
    matches!(body[0], 1..=3 | 12 | 14 | 16)
        && length <= MAX_HANDSHAKE_MESSAGE
        && offset + fragment <= length
        && body.len() >= 12 + fragment
}
