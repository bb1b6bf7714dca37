//! The cameras that are known by name, kept on disk, so that everything else is local.
//!
//! [`Store`] keeps them as [`Cameras`] in one file of the user's configuration folder. Whoever fetches or adds cameras
//! writes there; elements and the device provider read. Only [`Access`] goes to the Wyze cloud ([`cloud`]), and only
//! `wyze-cameras` uses that.

mod access;
mod camera;
pub mod cloud;
mod store;

pub use access::{Access, AccessError, replace_account};
pub use camera::{BaseStation, Camera, Cameras, LookupError, Origin, Secret, looks_secret};
pub use store::{Store, StoreError};
