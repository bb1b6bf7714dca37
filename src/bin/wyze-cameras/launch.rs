//! What names a camera in a launch line that people paste: safe for every shell, and for the parser of gst-launch-1.0
//! that reads what the shell leaves.

use gstwyze::account::{Camera, Cameras};
use gstwyze::identity::{self, Identity};

/// How a launch line names a camera of the store, without its keys.
pub struct ByName {
    /// The property with its value, as in `camera=Garden`.
    pub setting: String,
    pub uri: String,
}

impl ByName {
    /// Takes the MAC or the UID where the name does not lead to this camera alone.
    pub fn new(cameras: &Cameras, camera: &Camera) -> Self {
        let names = [&camera.name, camera.mac.expose(), camera.uid.expose()];
        let leads_here =
            |name: &&str| !name.trim().is_empty() && cameras.find(name).is_ok_and(|found| std::ptr::eq(found, camera));
        let name = names.into_iter().find(leads_here).unwrap_or_default();
        let identity = Identity { camera: Some(name.to_owned()), ..Identity::default() };
        let uri = identity::format(&identity, []).unwrap_or_default();
        let setting = match name {
            _ if !is_plain(name) => format!("uri={uri}"),
            name if name.contains(' ') => format!("camera=\"{name}\""),
            name => format!("camera={name}"),
        };
        ByName { setting, uri }
    }
}

/// Whether shells and GStreamer leave a text as it is, at least in double quotes. In a URI, all others are encoded.
fn is_plain(name: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    // GStreamer reads NULL as no text at all.
    name != "NULL" && name.trim() == name && name.chars().all(is_letter) && name.starts_with(char::is_alphanumeric)
}
