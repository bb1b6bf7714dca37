//! TransCode, the scrambling that every IOTC datagram goes through. It hides nothing: the key is in every client.
//!
//! A run of bytes goes in blocks of 16, each four words of 32 bits: word i is rotated right by 4i+1, the block is XORed
//! with the key, its bytes are permuted, and word i is rotated right by 4i+3. A shorter rest is XORed, and permuted
//! where its length is 2, 4 or 8. Decoding takes the same steps backwards.
//!
//! The 16 bytes of the header are one run. What follows is a second run: all of it, or where Mode is odd (data) only
//! the first 48 bytes, so that a DTLS record stays mostly as it is.

use super::iotc::header;
use super::{WireError, array, check_len, u32_at};

const KEY: [u8; 16] = *b"Charlie is the d";
const PERMUTATION: [usize; 16] = [11, 9, 8, 15, 13, 10, 12, 14, 2, 1, 5, 0, 6, 4, 7, 3];
/// How many bytes of a data packet's body are scrambled.
const DATA_RUN: usize = 48;

/// Scrambles a datagram in place. The error is [`WireError::TooShort`], where the header is not whole.
pub fn encode(datagram: &mut [u8]) -> Result<(), WireError> {
    check_len("TransCode", datagram, header::LEN)?;
    let run = body_run(datagram);
    encode_run(&mut datagram[header::LEN..run]);
    encode_run(&mut datagram[..header::LEN]);
    Ok(())
}

/// Restores a received datagram in place. The error is [`WireError::TooShort`], where the header is not whole.
pub fn decode(datagram: &mut [u8]) -> Result<(), WireError> {
    decode_where(datagram, |_| true).map(|_| ())
}

/// Restores a received datagram in place if its plain header is `wanted`, and returns whether it was. An unwanted
/// datagram costs no more than its header. The error is [`WireError::TooShort`], where the header is not whole.
pub fn decode_where(datagram: &mut [u8], wanted: impl FnOnce(&[u8; header::LEN]) -> bool) -> Result<bool, WireError> {
    check_len("TransCode", datagram, header::LEN)?;
    decode_run(&mut datagram[..header::LEN]);
    if !wanted(&array(datagram, 0)) {
        return Ok(false);
    }
    let run = body_run(datagram);
    decode_run(&mut datagram[header::LEN..run]);
    Ok(true)
}

/// Returns where the second run ends, by the Mode of the plain header.
fn body_run(datagram: &[u8]) -> usize {
    if datagram[header::MODE] & 1 == 1 { datagram.len().min(header::LEN + DATA_RUN) } else { datagram.len() }
}

fn encode_run(run: &mut [u8]) {
    let (blocks, tail) = run.as_chunks_mut::<16>();
    for block in blocks {
        rotate(block, |word, i| word.rotate_right(4 * i + 1));
        xor_key(block);
        let plain = *block;
        for (out, from) in block.iter_mut().zip(PERMUTATION) {
            *out = plain[from];
        }
        rotate(block, |word, i| word.rotate_right(4 * i + 3));
    }
    xor_key(tail);
    permute_tail(tail, false);
}

fn decode_run(run: &mut [u8]) {
    let (blocks, tail) = run.as_chunks_mut::<16>();
    for block in blocks {
        rotate(block, |word, i| word.rotate_left(4 * i + 3));
        let permuted = *block;
        for (byte, to) in permuted.into_iter().zip(PERMUTATION) {
            block[to] = byte;
        }
        xor_key(block);
        rotate(block, |word, i| word.rotate_left(4 * i + 1));
    }
    permute_tail(tail, true);
    xor_key(tail);
}

fn rotate(block: &mut [u8; 16], turn: impl Fn(u32, u32) -> u32) {
    for i in 0..4 {
        let word = turn(u32_at(block, 4 * i), i as u32);
        block[4 * i..4 * i + 4].copy_from_slice(&word.to_le_bytes());
    }
}

fn xor_key(run: &mut [u8]) {
    for (byte, key) in run.iter_mut().zip(KEY) {
        *byte ^= key;
    }
}

fn permute_tail(tail: &mut [u8], inverse: bool) {
    let permutation: &[usize] = match tail.len() {
        2 => &[1, 0],
        4 => &[2, 3, 0, 1],
        8 => &[7, 4, 3, 2, 1, 6, 5, 0],
        _ => return,
    };
    let mut before = [0; 8];
    before[..tail.len()].copy_from_slice(tail);
    for (at, &from) in permutation.iter().enumerate() {
        if inverse {
            tail[from] = before[at];
        } else {
            tail[at] = before[from];
        }
    }
}
