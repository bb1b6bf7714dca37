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
        let refused = |error| refused(error, &model);
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

fn refused(error: AccessError, model: &str) -> Error {
    match error {
        AccessError::Cloud(CloudError::NoWebRtc) => {
            Error::NoPath { model: model.into(), why: CloudError::NoWebRtc.to_string() }
        }
        AccessError::LoggedOut | AccessError::Cloud(CloudError::TokenExpired) => Error::LoginExpired,
        AccessError::Cloud(CloudError::CameraOffline) => Error::Offline,
        AccessError::Cloud(CloudError::CameraOff) => Error::SwitchedOff,
        other => Error::TicketRefused { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cloud_says_of_a_camera_is_an_error_of_its_own() {
        let errors = [
            (AccessError::LoggedOut, "login-expired"),
            (AccessError::Cloud(CloudError::TokenExpired), "login-expired"),
            (AccessError::Cloud(CloudError::CameraOffline), "offline"),
            (AccessError::Cloud(CloudError::CameraOff), "switched-off"),
            (AccessError::Cloud(CloudError::NoWebRtc), "no-path"),
            (AccessError::Cloud(CloudError::NoStream { code: 1000, why: "why" }), "ticket-refused"),
        ];
        for (error, reason) in errors {
            let told = error.to_string();
            assert_eq!(refused(error, "HL_PAN4").reason(), reason, "{told}");
        }
    }
}
