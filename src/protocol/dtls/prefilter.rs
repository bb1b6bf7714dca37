//! Drops records that no peer of ours can have sent, before OpenSSL sees them and gives up over them.

use super::CLOSE_NOTIFY;
use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record};

/// The first byte of the version of every DTLS.
const DTLS_MAJOR: u8 = 0xFE;
/// The shortest encrypted record of any suite: a tag of 16 bytes and one byte.
const MIN_ENCRYPTED: usize = 17;
const ALERT_LEVEL_WARNING: u8 = 1;
const ALERT_LEVEL_FATAL: u8 = 2;
const MAX_HANDSHAKE_MESSAGE: usize = 4096;

/// Messages of a handshake with a pre-shared key. HelloRequest and certificates are not among them.
mod message {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const SERVER_HELLO_DONE: u8 = 14;
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
}

/// Where the fields of a handshake message's header begin; the three numbers have 24 bits, big-endian.
mod offset {
    pub const KIND: usize = 0;
    pub const LENGTH: usize = 1;
    pub const FRAGMENT_OFFSET: usize = 6;
    pub const FRAGMENT_LENGTH: usize = 9;
    pub const FRAGMENT: usize = 12;
}

/// The part of a datagram that was not let through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// How many records were left out.
    pub dropped: u64,
    /// An alert in plain text that would end a handshake: a fatal one, or a goodbye.
    pub alert: Option<u8>,
}

/// Replaces `out` with the plausible records of `datagram`. `min_record` is the shortest encrypted body of the
/// negotiated suite, in bytes; `None` while the handshake is under way.
pub fn copy_plausible(datagram: &[u8], min_record: Option<usize>, out: &mut Vec<u8>) -> Filtered {
    out.clear();
    let mut seen = Filtered::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Some((record, tail)) = Record::split_first(rest).filter(|(record, _)| is_dtls(record)) else {
            // Where the next record would begin is unknown.
            seen.dropped += 1;
            return seen;
        };
        if is_plausible(&record, min_record) {
            out.extend_from_slice(record.bytes);
        } else {
            seen.dropped += 1;
        }
        if min_record.is_none() {
            seen.alert = plain_alert(&record).or(seen.alert);
        }
        rest = tail;
    }
    seen
}

/// Whether this is a record of DTLS with a body: no peer sends an empty one.
fn is_dtls(record: &Record<'_>) -> bool {
    record.version[0] == DTLS_MAJOR
        && (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&record.content_type)
        && !record.body().is_empty()
}

fn plain_alert(record: &Record<'_>) -> Option<u8> {
    match (record.content_type, record.epoch, record.body()) {
        (ALERT, 0, &[ALERT_LEVEL_FATAL, alert] | &[ALERT_LEVEL_WARNING, alert @ CLOSE_NOTIFY]) => Some(alert),
        _ => None,
    }
}

fn is_plausible(record: &Record<'_>, min_record: Option<usize>) -> bool {
    let body = record.body();
    match record.epoch {
        0 if min_record.is_some() => false,
        0 => match record.content_type {
            CHANGE_CIPHER_SPEC => body == [1],
            HANDSHAKE => is_plausible_handshake(body),
            _ => false,
        },
        1 => record.content_type != CHANGE_CIPHER_SPEC && body.len() >= min_record.unwrap_or(MIN_ENCRYPTED),
        _ => false,
    }
}

/// Whether a record holds one whole fragment of a message that a handshake with a pre-shared key has.
fn is_plausible_handshake(body: &[u8]) -> bool {
    use message::*;
    let Some((header, fragment)) = body.split_first_chunk::<{ offset::FRAGMENT }>() else { return false };
    let u24_at =
        |at: usize| usize::from(header[at]) << 16 | usize::from(header[at + 1]) << 8 | usize::from(header[at + 2]);
    let length = u24_at(offset::LENGTH);
    let fragment_length = u24_at(offset::FRAGMENT_LENGTH);
    let is_expected = matches!(
        header[offset::KIND],
        CLIENT_HELLO
            | SERVER_HELLO
            | HELLO_VERIFY_REQUEST
            | SERVER_KEY_EXCHANGE
            | SERVER_HELLO_DONE
            | CLIENT_KEY_EXCHANGE
    );
    is_expected
        && length <= MAX_HANDSHAKE_MESSAGE
        && u24_at(offset::FRAGMENT_OFFSET) + fragment_length <= length
        && fragment.len() >= fragment_length
}
