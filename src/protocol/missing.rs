//! What delivery has to know of packets that have not come.

/// Numbers in the order of sending: of DTLS records, or of media packets where the camera sends lost ones again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// The oldest one that may still come.
    pub oldest_awaited: Option<u64>,
    /// The newest one that was given up.
    pub newest_lost: Option<u64>,
}
