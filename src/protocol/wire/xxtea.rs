//! XXTEA as published, on one 16-byte block: the cipher of the camera's login challenge.

use super::u32_at;

const DELTA: u32 = 0x9E37_79B9;
/// Words in a block.
const N: usize = 4;
const ROUNDS: u32 = 6 + 52 / N as u32;

/// What the client answers a challenge with.
pub fn decrypt(block: [u8; 16], key: [u8; 16]) -> [u8; 16] {
    let (mut v, k) = (words(block), words(key));
    let mut sum = ROUNDS.wrapping_mul(DELTA);
    for _ in 0..ROUNDS {
        for p in (0..N).rev() {
            let (y, z) = (v[(p + 1) % N], v[(p + N - 1) % N]);
            v[p] = v[p].wrapping_sub(mix(sum, y, z, p, &k));
        }
        sum = sum.wrapping_sub(DELTA);
    }
    bytes(v)
}

/// What the camera makes a challenge with.
pub fn encrypt(block: [u8; 16], key: [u8; 16]) -> [u8; 16] {
    let (mut v, k) = (words(block), words(key));
    let mut sum = 0u32;
    for _ in 0..ROUNDS {
        sum = sum.wrapping_add(DELTA);
        for p in 0..N {
            let (y, z) = (v[(p + 1) % N], v[(p + N - 1) % N]);
            v[p] = v[p].wrapping_add(mix(sum, y, z, p, &k));
        }
    }
    bytes(v)
}

fn mix(sum: u32, y: u32, z: u32, p: usize, k: &[u32; N]) -> u32 {
    let e = (sum >> 2) as usize & 3;
    ((z >> 5 ^ y << 2).wrapping_add(y >> 3 ^ z << 4)) ^ ((sum ^ y).wrapping_add(k[p & 3 ^ e] ^ z))
}

fn words(block: [u8; 16]) -> [u32; N] {
    std::array::from_fn(|i| u32_at(&block, 4 * i))
}

fn bytes(words: [u32; N]) -> [u8; 16] {
    let mut out = [0; 16];
    for (chunk, word) in out.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    out
}
