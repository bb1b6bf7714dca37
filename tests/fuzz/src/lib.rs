//! The fuzz targets: one function each, which takes any bytes and panics if the library breaks a promise.
//!
//! `targets/` has a program of one line for each; `tests/fuzz_bodies.rs` runs the same functions as ordinary tests, on
//! [`seeds`] and on mutations of them. `run.sh` runs the fuzzers.

mod caps;
mod client;
mod dtls;
mod input;
mod memory;
mod parsers;
mod reassembly;
mod record_window;
mod relay;
mod seeds;
mod timeline;
mod uri;
#[path = "../../support/web_camera.rs"]
mod web_camera;
mod webrtc;

use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::wire::cc51;
use std::sync::LazyLock;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

pub use caps::caps;
pub use client::{auth_result, client};
pub use dtls::dtls;
pub use parsers::{cc51, control, iotc, media, talk};
pub use reassembly::reassembly;
pub use record_window::record_window;
pub use relay::relay;
pub use seeds::seeds;
pub use timeline::timeline;
pub use uri::uri;
pub use webrtc::{answer, signalling, viewer};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 17] = [
    ("iotc", iotc),
    ("cc51", cc51),
    ("control", control),
    ("media", media),
    ("talk", talk),
    ("auth_result", auth_result),
    ("record_window", record_window),
    ("reassembly", reassembly),
    ("dtls", dtls),
    ("client", client),
    ("caps", caps),
    ("timeline", timeline),
    ("uri", uri),
    ("signalling", signalling),
    ("answer", answer),
    ("viewer", viewer),
    ("relay", relay),
];

fn credentials() -> Credentials {
    static CREDENTIALS: LazyLock<Credentials> =
        LazyLock::new(|| Credentials::new(DEMO_UID, DEMO_ENR, DEMO_MAC).unwrap());
    CREDENTIALS.clone()
}

fn signer() -> cc51::Signer {
    static SIGNER: LazyLock<cc51::Signer> =
        LazyLock::new(|| cc51::Signer::new(&credentials().uid, &credentials().auth_key()));
    SIGNER.clone()
}
