//! What the camera store adds to an identity, and the address that goes back there when the camera is found elsewhere.

use crate::account::{Camera, Secret, Store};
use crate::identity::{DEFAULT_PORT, Identity, IdentityError};
use gst::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// The store's camera that an element uses, whose address there is kept up to date.
pub struct StoredCamera {
    store: Store,
    uid: Secret,
    known: Option<Ipv4Addr>,
}

/// Adds what the store knows and nobody set: of the camera that `identity.camera` names, or of the one with this UID
/// where the store knows more of it. Returns the stored camera if its address there is to follow what a search finds.
pub fn fill(identity: &mut Identity) -> Result<Option<StoredCamera>, IdentityError> {
    let is_whole = identity.uid.is_some() && identity.enr.is_some() && identity.mac.is_some();
    if identity.camera.is_none() && (identity.uid.is_none() || is_whole) {
        return Ok(None);
    }
    let store = Store::open_default();
    let cameras = store.cameras()?;
    let camera = match &identity.camera {
        Some(name) => Some(cameras.find(name)?),
        None => identity.uid.as_deref().and_then(|uid| cameras.with_uid(uid)),
    };
    let Some(camera) = camera else { return Ok(None) };
    if let Some(why) = camera.paths().obstacle().filter(|_| !is_whole) {
        return Err(IdentityError::Obstacle { name: camera.name.clone(), why });
    }
    let is_searched = identity.host.is_none();
    fill_from(identity, camera);
    let is_same = identity.uid.as_deref().is_some_and(|uid| uid.eq_ignore_ascii_case(camera.uid.expose()));
    let follows = is_same && is_searched && identity.host.is_none();
    Ok(follows.then(|| StoredCamera { store, uid: camera.uid.clone(), known: identity.known }))
}

fn fill_from(identity: &mut Identity, camera: &Camera) {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    identity.name = text(&camera.name);
    identity.uid = identity.uid.take().or_else(|| text(camera.uid.expose()));
    identity.enr = identity.enr.take().or_else(|| Some(camera.enr.clone()).filter(|enr| !enr.is_empty()));
    identity.mac = identity.mac.take().or_else(|| text(camera.mac.expose()));
    identity.model = identity.model.take().or_else(|| text(&camera.model));
    if identity.port == DEFAULT_PORT {
        identity.port = camera.port.unwrap_or(DEFAULT_PORT);
    }
    if identity.host.is_none() {
        identity.known = camera.known_address();
        // A host name follows its camera by itself.
        identity.host = camera.host.clone().filter(|_| identity.known.is_none());
    }
}

impl StoredCamera {
    /// Writes the address that the camera was found at into the store, if it is a new one. Does not block.
    pub fn found_at(&mut self, address: IpAddr, element: &gst::Element, category: gst::DebugCategory) {
        let IpAddr::V4(ip) = address else { return };
        if self.known.replace(ip) == Some(ip) {
            return;
        }
        let (store, uid) = (self.store.clone(), self.uid.clone());
        element.call_async(move |element| match store.keep_address(&uid, ip) {
            Ok(()) => gst::info!(category, obj = element, "The camera's address in the store is {ip} now"),
            Err(e) => gst::warning!(category, obj = element, "The camera's new address is not kept: {e}"),
        });
    }
}
