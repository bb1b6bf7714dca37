//! Where sessions get the tickets for WebRTC: from the Wyze cloud, with the login that the store keeps.
//!
//! Nothing else in the elements asks the cloud.

use crate::account::cloud::{CloudError, Hosts};
use crate::account::{Access, AccessError, Secret, Store};
use crate::protocol::error::Error;
use crate::session::TicketSource;
use std::sync::Arc;

/// Whether a login is kept, with which the cloud can be asked.
pub fn is_possible(store: &Store) -> bool {
    Access::new(store, Hosts::from_environment()).and_then(|access| access.is_logged_in()).unwrap_or(false)
}

/// Returns what asks for a new ticket for a camera, each time that it is called. Tokens that have expired are renewed.
pub fn source(store: Store, model: String, mac: Secret) -> TicketSource {
    Arc::new(move || {
        let access = Access::new(&store, Hosts::from_environment()).map_err(refused)?;
        access.streams(&model, &mac).map_err(refused)
    })
}

fn refused(error: AccessError) -> Error {
    match error {
        AccessError::LoggedOut | AccessError::Cloud(CloudError::TokenExpired) => Error::LoginExpired,
        AccessError::Cloud(CloudError::CameraOffline) => Error::Offline,
        AccessError::Cloud(CloudError::CameraOff) => Error::SwitchedOff,
        other => Error::TicketRefused { reason: other.to_string() },
    }
}
