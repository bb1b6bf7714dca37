//! What the camera store adds to what is set.

use crate::identity::{DEFAULT_PORT, Identity, IdentityError};
use crate::account::{Camera, Secret, Store, StoreError};
use gst::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// The store's camera that an element uses, whose address there is kept up to date.
pub struct StoredCamera {
    store: Store,
    uid: Secret,
    known: Option<Ipv4Addr>,
}

impl Identity {
    /// With what the store knows and nobody set: of the camera that [`Identity::camera`] names, or of the one with this UID where
    /// there is more to know of it. The camera is given where its address in the store is to follow what a search finds.
    pub fn filled(mut self) -> Result<(Identity, Option<StoredCamera>), IdentityError> {
        let is_whole = self.uid.is_some() && self.enr.is_some() && self.mac.is_some();
        if self.camera.is_none() && (self.uid.is_none() || is_whole) {
            return Ok((self, None));
        }
        let store = Store::open_default();
        let cameras = store.cameras()?;
        let camera = match &self.camera {
            Some(name) => Some(cameras.find(name)?),
            None => self.uid.as_deref().and_then(|uid| cameras.with_uid(uid)),
        };
        let Some(camera) = camera else { return Ok((self, None)) };
        if let Some(why) = camera.obstacle().filter(|_| !is_whole) {
            return Err(IdentityError::Obstacle { name: camera.name.clone(), why });
        }
        let searched = self.host.is_none();
        self.fill(camera);
        let is_same = self.uid.as_deref().is_some_and(|uid| uid.eq_ignore_ascii_case(camera.uid.expose()));
        let follows = is_same && searched && self.host.is_none();
        let stored = follows.then(|| StoredCamera { store, uid: camera.uid.clone(), known: self.known });
        Ok((self, stored))
    }

    fn fill(&mut self, camera: &Camera) {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        self.uid = self.uid.take().or_else(|| text(camera.uid.expose()));
        self.enr = self.enr.take().or_else(|| text(camera.enr.expose()));
        self.mac = self.mac.take().or_else(|| text(camera.mac.expose()));
        self.model = self.model.take().or_else(|| text(&camera.model));
        if self.port == DEFAULT_PORT {
            self.port = camera.port.unwrap_or(DEFAULT_PORT);
        }
        if self.host.is_none() {
            self.known = camera.known_address();
            // A name follows its camera by itself.
            self.host = camera.host.clone().filter(|_| self.known.is_none());
        }
    }
}

impl StoredCamera {
    /// Keeps the address that the camera was found at, where it is another than before. Does not block.
    pub fn found_at(&mut self, address: IpAddr, element: &impl IsA<gst::Element>, category: gst::DebugCategory) {
        let IpAddr::V4(ip) = address else { return };
        if self.known.replace(ip) == Some(ip) {
            return;
        }
        let (store, uid) = (self.store.clone(), self.uid.clone());
        element.as_ref().call_async(move |element| {
            let kept = store.update(|cameras| {
                let camera = cameras.iter_mut().find(|camera| camera.uid == uid);
                camera.into_iter().for_each(|camera| camera.host = Some(ip.to_string()));
                Ok::<_, StoreError>(())
            });
            match kept {
                Ok(()) => gst::info!(category, obj = element, "The camera's address in the store is {ip} now"),
                Err(e) => gst::warning!(category, obj = element, "The camera's new address is not kept: {e}"),
            }
        });
    }
}
