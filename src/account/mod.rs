//! The cameras that are known by name, kept on disk, so that everything else is local.
//!
//! [`Store`] keeps them as [`Cameras`] in one file of the user's configuration folder. `wyze-cameras` writes there;
//! elements and the device provider read, and write the address where a camera was found. Only [`Access`] goes to the
//! Wyze cloud ([`cloud`]). Both are left out without the feature `cloud`.

#[cfg(feature = "cloud")]
mod access;
mod camera;
#[cfg(feature = "cloud")]
pub mod cloud;
mod owned_file;
mod store;
mod store_error;

#[cfg(feature = "cloud")]
pub use access::{Access, AccessError, replace_account};
pub use camera::{BaseStation, Camera, Cameras, LookupError, Origin, Paths, Secret, looks_secret};
pub use store::Store;
pub use store_error::StoreError;
