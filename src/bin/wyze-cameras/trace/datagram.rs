//! A datagram as a trace keeps it: without secrets, and what DTLS has encrypted left out.

use super::redactor::{HMAC, Redactor};
use gstwyze::protocol::dtls::record::records;
use gstwyze::protocol::wire::{cc51, iotc, transcode};
use std::ops::Range;

/// Where the DTLS datagram begins in a data packet of either envelope.
const DTLS: usize = 28;
/// The length of a DTLS record's header.
const RECORD_HEADER: usize = 13;
/// The length of the HMAC that ends a CC51 packet.
const HMAC_LEN: usize = 20;
/// TransCode goes in blocks of this size, and only the first four of a data packet are scrambled.
const BLOCK: usize = 16;
const SCRAMBLED: usize = 4 * BLOCK;

/// The bytes that a trace has of a datagram.
pub struct Kept {
    /// As long as the datagram was. What is left out is zeros.
    pub bytes: Vec<u8>,
    /// How many of the first ones are kept.
    pub len: usize,
}

/// Replaces the secrets of a datagram. Unless `full` is set, DTLS records of application data are cut to their headers:
/// the plain AV packets in them stand in the trace's other interface.
pub fn redact(datagram: &[u8], full: bool, redactor: &mut Redactor) -> Kept {
    let mut bytes = datagram.to_vec();
    if cc51::is_cc51(&bytes) {
        redactor.replace(&mut bytes);
        // The bytes that are signed have no secret in them, so the signature still fits.
        if cc51::sign_again(&mut bytes, &redactor.real_signer.clone(), &redactor.signer.clone()) {
            *redactor.replaced.entry(HMAC).or_default() += 1;
        }
        let end = bytes.len().saturating_sub(HMAC_LEN);
        let len = leave_out(&mut bytes, DTLS..end, full);
        return Kept { bytes, len };
    }
    let len = bytes.len();
    let mut plain = datagram.to_vec();
    if transcode::decode_where(&mut plain, |header| iotc::is_plausible(header, len)) != Ok(true) {
        return Kept { bytes: redact_foreign(bytes, redactor), len };
    }
    redactor.replace(&mut plain);
    let is_data = matches!(iotc::Packet::parse(&plain), Ok(iotc::Packet::Data { .. }));
    let len = if is_data { leave_out(&mut plain, DTLS..len, full) } else { len };
    if !is_data {
        redactor.replace_other_uids(&mut plain);
    }
    // The header is whole, as it has been decoded.
    let _ = transcode::encode(&mut plain);
    Kept { bytes: plain, len }
}

/// Replaces secrets in a datagram of neither envelope, whether it is scrambled or not. It may be of a kind that nobody
/// has met yet.
fn redact_foreign(mut bytes: Vec<u8>, redactor: &mut Redactor) -> Vec<u8> {
    redactor.replace(&mut bytes);
    let mut plain = bytes.clone();
    if transcode::decode(&mut plain).is_ok() && redactor.replace(&mut plain) && transcode::encode(&mut plain).is_ok() {
        return plain;
    }
    bytes
}

/// Zeros the bodies of encrypted records, and returns how many bytes of the datagram are worth keeping.
fn leave_out(bytes: &mut [u8], payload: Range<usize>, full: bool) -> usize {
    let len = bytes.len();
    if full || payload.end <= payload.start || payload.end > len {
        return len;
    }
    let mut bodies = Vec::new();
    let mut at = payload.start;
    for record in records(&bytes[payload]) {
        if record.is_application_data() {
            bodies.push(at + RECORD_HEADER..at + record.bytes.len());
        }
        at += record.bytes.len();
    }
    let Some(first) = bodies.first().map(|body| body.start) else { return len };
    for body in bodies {
        bytes[body].fill(0);
    }
    // What is scrambled can be restored in whole blocks only.
    first.next_multiple_of(BLOCK).max(SCRAMBLED).min(len)
}
