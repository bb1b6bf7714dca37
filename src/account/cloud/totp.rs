//! The codes of authenticator apps: RFC 6238 with SHA-1, 30 s and 6 digits.

use super::CloudError;
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// How long a code is valid, in seconds.
const STEP: u64 = 30;

/// Returns the code at a time. `secret` is base32 as apps show it: in either case, with or without spaces and padding.
pub fn code(secret: &str, unix_seconds: u64) -> Result<String, CloudError> {
    let letters: String = secret.chars().filter(|c| !matches!(c, ' ' | '-' | '=')).collect();
    let key = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes()).map_err(|_| CloudError::TotpSecret)?;
    if key.is_empty() {
        return Err(CloudError::TotpSecret);
    }
    let hmac = Hmac::<Sha1>::new_from_slice(&key).expect("HMAC takes keys of any length");
    let hash = hmac.chain_update((unix_seconds / STEP).to_be_bytes()).finalize().into_bytes();
    let at = usize::from(hash[19] & 0xf);
    let number = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff;
    Ok(format!("{:06}", number % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, whose codes have two digits more at the front.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let secret = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ";
        for (time, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code(secret, time).unwrap(), expected[2..]);
            assert_eq!(code(&secret.to_lowercase().replace(' ', ""), time).unwrap(), expected[2..]);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "   ", "0189", "not base32!", "A"] {
            assert!(matches!(code(text, 0), Err(CloudError::TotpSecret)), "{text:?}");
        }
    }
}
