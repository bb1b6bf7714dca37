//! Where sessions get the tickets for WebRTC: from the Wyze cloud, with the login that the store keeps.
//!
//! Nothing else in the elements asks the cloud.

use crate::account::cloud::{CloudError, Hosts};
use crate::account::{Access, AccessError, Camera, Store};
use crate::protocol::error::Error;
use crate::session::{Peer, TICKET_PATIENCE, TicketSource, Transport};
use std::sync::Arc;

/// Returns what asks for a new ticket for a camera of the store each time that it is called, or says why there is no
/// asking. Tokens that have expired are renewed.
pub fn source(store: &Store, camera: &Camera) -> Result<TicketSource, &'static str> {
    camera.paths().webrtc?;
    let access = Access::new(store, Hosts::from_environment());
    if !access.and_then(|access| access.is_logged_in()).unwrap_or(false) {
        return Err("over WebRTC it needs the login to its account: run wyze-cameras login");
    }
    let (store, model, mac) = (store.clone(), camera.model.clone(), camera.mac.clone());
    Ok(Arc::new(move || {
        let mut access = Access::new(&store, Hosts::from_environment()).map_err(refused)?;
        access.set_timeout(TICKET_PATIENCE);
        access.streams(&model, &mac).map_err(refused)
    }))
}

/// Returns a camera of the store as one that is reached over WebRTC only, or says why it is not.
pub fn peer(store: &Store, camera: &Camera) -> Result<Peer, &'static str> {
    let tickets = source(store, camera)?;
    let peer = camera.credentials().map_or_else(|_| Peer::by_mac(camera.mac.expose()), Peer::from);
    Ok(peer.with_tickets(tickets).with_transport(Transport::WebRtc))
}

fn refused(error: AccessError) -> Error {
    match error {
        AccessError::LoggedOut | AccessError::Cloud(CloudError::TokenExpired) => Error::LoginExpired,
        AccessError::Cloud(CloudError::CameraOffline) => Error::Offline,
        AccessError::Cloud(CloudError::CameraOff) => Error::SwitchedOff,
        other => Error::TicketRefused { reason: other.to_string() },
    }
}
