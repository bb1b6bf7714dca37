//! What the camera store adds to an identity, and the address that goes back there when the camera is found elsewhere.

use crate::account::{Camera, Secret, Store};
use crate::identity::{DEFAULT_PORT, Identity, IdentityError, Transport};
use crate::session::{self, Peer, TicketSource};
#[cfg(feature = "webrtc")]
use crate::ticket;
use gst::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// The store's camera that an element uses, whose address there is kept up to date.
pub struct StoredCamera {
    store: Store,
    uid: Secret,
    known: Option<Ipv4Addr>,
}

/// What the store knows of an identity's camera.
pub struct Filled {
    pub peer: Peer,
    /// The stored camera, if its address there is to follow what a search finds.
    pub stored: Option<StoredCamera>,
}

/// Adds to `identity` what the store knows and nobody set: of the camera that `identity.camera` names, or of the one with
/// this UID where the store knows more of it.
pub fn fill(identity: &mut Identity) -> Result<Filled, IdentityError> {
    let is_whole = identity.uid.is_some() && identity.enr.is_some() && identity.mac.is_some();
    if identity.camera.is_none() && (identity.uid.is_none() || is_whole) {
        return without_store(identity);
    }
    let store = Store::open_default();
    let cameras = store.cameras()?;
    let camera = match &identity.camera {
        Some(name) => Some(cameras.find(name)?),
        None => identity.uid.as_deref().and_then(|uid| cameras.with_uid(uid)),
    };
    let Some(camera) = camera else { return without_store(identity) };
    let is_searched = identity.host.is_none();
    fill_from(identity, camera);
    let peer = peer(identity, camera, is_whole, &store)?;
    let is_same = identity.uid.as_deref().is_some_and(|uid| uid.eq_ignore_ascii_case(camera.uid.expose()));
    let follows = is_same && is_searched && identity.host.is_none();
    let stored = follows.then(|| StoredCamera { store, uid: camera.uid.clone(), known: identity.known });
    Ok(Filled { peer, stored })
}

fn without_store(identity: &Identity) -> Result<Filled, IdentityError> {
    let peer = Peer::from(identity.credentials()?).with_transport(identity.transport.into());
    Ok(Filled { peer, stored: None })
}

/// Decides on the ways to a camera of the store. Where all its keys were set besides, it is not the store that says
/// whether they are good for the local network.
fn peer(identity: &Identity, camera: &Camera, is_whole: bool, store: &Store) -> Result<Peer, IdentityError> {
    let paths = camera.paths();
    let lan = if is_whole { Ok(()) } else { paths.lan };
    let webrtc = tickets(identity, camera, store);
    let obstacle = |why| IdentityError::Obstacle { name: camera.name.clone(), why };
    match (lan, webrtc) {
        (Ok(()), tickets) if identity.transport != Transport::WebRtc => {
            let peer = Peer::from(identity.credentials()?).with_transport(identity.transport.into());
            Ok(match tickets {
                Ok(tickets) => peer.with_tickets(tickets),
                Err(_) => peer,
            })
        }
        (_, Ok(tickets)) => {
            let peer = identity.credentials().map_or_else(|_| Peer::by_mac(camera.mac.expose()), Peer::from);
            Ok(peer.with_tickets(tickets).with_transport(session::Transport::WebRtc))
        }
        (Err(why), _) if identity.transport == Transport::Lan => Err(obstacle(why)),
        (_, Err(why)) => Err(obstacle(why)),
    }
}

/// Returns where to get tickets for WebRTC, or why there are none.
#[cfg(feature = "webrtc")]
fn tickets(identity: &Identity, camera: &Camera, store: &Store) -> Result<TicketSource, &'static str> {
    if identity.transport == Transport::Lan {
        return Err("transport is lan");
    }
    ticket::source(store, camera)
}

#[cfg(not(feature = "webrtc"))]
fn tickets(_: &Identity, camera: &Camera, _: &Store) -> Result<TicketSource, &'static str> {
    camera.paths().lan?;
    Err("this build has no WebRTC")
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
