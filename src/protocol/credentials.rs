//! The values that name a camera and prove that a client may see it, and the keys made of them. All are secret: `Debug`
//! prints `***`. ENR and PSK are wiped from memory when they are done with, and their clones share one copy.

use super::wire::hl::{Challenge, ChallengeStatus};
use super::wire::xxtea;
use base64::Engine;
use sha2::{Digest, Sha256};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The challenge key of all cameras, in ASCII.
const SHARED_KEY: [u8; 16] = *b"FFFFFFFFFFFFFFFF";

/// What is wrong with a setting; the text says what to do and never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("uid has {0} characters: it is the 20 letters and digits that name the camera (p2p_id in the Wyze cloud)")]
    UidLength(usize),
    #[error("uid may only have ASCII letters and digits")]
    UidCharacter,
    #[error("enr has {0} characters: it is the camera's key of 16 characters or more (enr in the Wyze cloud)")]
    EnrLength(usize),
    #[error("enr may only have printable ASCII characters; in a URI write '+' as %2B")]
    EnrCharacter,
    #[error("mac has to be 12 hexadecimal digits, with or without colons")]
    Mac,
}

macro_rules! secret_debug {
    ($($name:ty),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("***")
            }
        })*
    };
}
secret_debug!(Uid, Enr, Mac, AuthKey, Psk);

/// The 20 characters that name a camera in discovery.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uid([u8; 20]);

impl Uid {
    pub fn new(text: &str) -> Result<Self, CredentialError> {
        let bytes: [u8; 20] =
            text.as_bytes().try_into().map_err(|_| CredentialError::UidLength(text.chars().count()))?;
        Self::from_wire(bytes).ok_or(CredentialError::UidCharacter)
    }

    /// Takes the bytes of a packet; `None` where one is neither an ASCII letter nor a digit.
    pub fn from_wire(bytes: [u8; 20]) -> Option<Self> {
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Uid(bytes))
    }

    pub fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Returns a name for a camera that is made of its UID, the same each time, and is no secret: 32 hexadecimal digits.
pub fn public_id(uid: &str) -> String {
    Sha256::digest(uid)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The camera's key: 16 to 256 printable ASCII characters. The keys of DTLS and of the login challenge are made of it,
/// and it is the login's password.
#[derive(Clone, PartialEq, Eq)]
pub struct Enr(Arc<Zeroizing<Box<str>>>);

impl Enr {
    pub fn new(text: &str) -> Result<Self, CredentialError> {
        if !text.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(CredentialError::EnrCharacter);
        }
        if !(16..=256).contains(&text.len()) {
            return Err(CredentialError::EnrLength(text.len()));
        }
        Ok(Enr(Arc::new(Zeroizing::new(text.into()))))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Hash for Enr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// The camera's MAC address: 12 hexadecimal digits in upper case, without colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 12]);

impl Mac {
    /// Takes either case, and `:` or `-` anywhere.
    pub fn new(text: &str) -> Result<Self, CredentialError> {
        let digits: Vec<u8> =
            text.bytes().filter(|c| !matches!(c, b':' | b'-')).map(|c| c.to_ascii_uppercase()).collect();
        let digits: [u8; 12] = digits.try_into().map_err(|_| CredentialError::Mac)?;
        if digits.iter().all(u8::is_ascii_hexdigit) { Ok(Mac(digits)) } else { Err(CredentialError::Mac) }
    }

    pub fn bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// The 8 ASCII bytes by which a camera sees in discovery that the client knows ENR and MAC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthKey([u8; 8]);

impl AuthKey {
    pub fn from_wire(bytes: [u8; 8]) -> Self {
        AuthKey(bytes)
    }

    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// The 32 bytes of DTLS's pre-shared key.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(Arc<Zeroizing<[u8; 32]>>);

impl Psk {
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A camera's name and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    pub uid: Uid,
    pub enr: Enr,
    pub mac: Mac,
}

impl Credentials {
    pub fn new(uid: &str, enr: &str, mac: &str) -> Result<Self, CredentialError> {
        Ok(Credentials { uid: Uid::new(uid)?, enr: Enr::new(enr)?, mac: Mac::new(mac)? })
    }

    /// Returns base64(SHA256(ENR + MAC)[0..6]) with `+`, `/` and `=` replaced by `Z`, `9` and `A`.
    pub fn auth_key(&self) -> AuthKey {
        let hash = Sha256::new().chain_update(self.enr.bytes()).chain_update(self.mac.bytes()).finalize();
        let text = base64::engine::general_purpose::STANDARD.encode(&hash[..6]);
        let mut key = [0; 8];
        for (out, c) in key.iter_mut().zip(text.bytes()) {
            *out = match c {
                b'+' => b'Z',
                b'/' => b'9',
                b'=' => b'A',
                c => c,
            };
        }
        AuthKey(key)
    }

    /// Returns SHA256(ENR), with zeros from its first zero byte on: the vendor's library takes it for a C string. One
    /// ENR in eight has such a byte, and its camera never connects without this rule.
    pub fn psk(&self) -> Psk {
        // It is computed in its final place, as a move would leave a copy behind.
        let mut psk = Arc::new(Zeroizing::new([0; 32]));
        let bytes: &mut Zeroizing<[u8; 32]> = Arc::make_mut(&mut psk);
        Sha256::new().chain_update(self.enr.bytes()).finalize_into((&mut **bytes).into());
        if let Some(end) = bytes.iter().position(|&b| b == 0) {
            bytes[end..].fill(0);
        }
        Psk(psk)
    }

    /// Returns the answer to a login challenge; `None` for a status that wants none.
    pub fn answer(&self, challenge: &Challenge) -> Option<[u8; 16]> {
        let keys = Zeroizing::new(self.challenge_keys(challenge.status)?);
        Some(keys.iter().flatten().fold(challenge.challenge, |answer, &key| xxtea::decrypt(answer, key)))
    }

    /// Returns the one or two keys that a challenge status stands for, in the order of decryption. Where the ENR has no
    /// second half, the shared key takes its place; half of one is padded with zeros.
    pub fn challenge_keys(&self, status: ChallengeStatus) -> Option<[Option<[u8; 16]>; 2]> {
        // An ENR has 16 characters or more, and often no more.
        let (first, rest) = self.enr.bytes().split_at(16);
        let first: Option<[u8; 16]> = first.try_into().ok();
        match status {
            ChallengeStatus::SharedKey => Some([Some(SHARED_KEY), None]),
            ChallengeStatus::Enr => Some([first, None]),
            ChallengeStatus::LongEnr => {
                let mut second = [0; 16];
                let known = rest.len().min(second.len());
                second[..known].copy_from_slice(&rest[..known]);
                Some([first, Some(if known == 0 { SHARED_KEY } else { second })])
            }
            _ => None,
        }
    }
}
