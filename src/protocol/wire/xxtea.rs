//! XXTEA as published: the cipher of the camera's login challenge, which is one block of 16 bytes.

use super::u32_at;

const DELTA: u32 = 0x9E37_79B9;

/// Decrypts a block of two or more words of 4 bytes. A client decrypts a challenge to answer it.
pub fn decrypt<const LEN: usize>(block: [u8; LEN], key: [u8; 16]) -> [u8; LEN] {
    const { assert!(LEN >= 8 && LEN.is_multiple_of(4)) };
    let (mut v, k) = (words(&block), words(&key));
    let (n, rounds) = (v.len(), rounds(v.len()));
    let mut sum = rounds.wrapping_mul(DELTA);
    for _ in 0..rounds {
        for p in (0..n).rev() {
            let (y, z) = (v[(p + 1) % n], v[(p + n - 1) % n]);
            v[p] = v[p].wrapping_sub(mix(sum, y, z, p, &k));
        }
        sum = sum.wrapping_sub(DELTA);
    }
    bytes(&v)
}

/// Encrypts a block of two or more words of 4 bytes, the inverse of [`decrypt`]. The simulated camera checks answers
/// with it.
pub fn encrypt<const LEN: usize>(block: [u8; LEN], key: [u8; 16]) -> [u8; LEN] {
    const { assert!(LEN >= 8 && LEN.is_multiple_of(4)) };
    let (mut v, k) = (words(&block), words(&key));
    let n = v.len();
    let mut sum = 0u32;
    for _ in 0..rounds(n) {
        sum = sum.wrapping_add(DELTA);
        for p in 0..n {
            let (y, z) = (v[(p + 1) % n], v[(p + n - 1) % n]);
            v[p] = v[p].wrapping_add(mix(sum, y, z, p, &k));
        }
    }
    bytes(&v)
}

fn rounds(words: usize) -> u32 {
    // A block has two words or more, so there are 32 rounds at most.
    6 + 52 / words as u32
}

fn mix(sum: u32, y: u32, z: u32, p: usize, k: &[u32]) -> u32 {
    let e = (sum >> 2) as usize & 3;
    ((z >> 5 ^ y << 2).wrapping_add(y >> 3 ^ z << 4)) ^ ((sum ^ y).wrapping_add(k[p & 3 ^ e] ^ z))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    (0..bytes.len()).step_by(4).map(|at| u32_at(bytes, at)).collect()
}

fn bytes<const LEN: usize>(words: &[u32]) -> [u8; LEN] {
    let mut out = [0; LEN];
    for (chunk, word) in out.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    out
}
