//! The camera that a command is about, and where to look for it.

use super::Failure;
use clap::Args;
use gstwyze::account::{Camera, Store};
use gstwyze::identity::{self, Identity};
use gstwyze::session::Place;
use std::time::Duration;

/// Where to look for the camera.
#[derive(Args, Debug)]
pub struct PlaceArguments {
    /// Ask only this IPv4 address or host name. Without NAME, this means the camera that is known to be there
    #[arg(long)]
    pub host: Option<String>,
    /// The UDP port of discovery
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Use this network interface only
    #[arg(long)]
    interface: Option<String>,
    /// How many seconds to try
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

impl PlaceArguments {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Returns where an element would look for the camera: at a host that somebody set, or by a search that also asks
    /// the last address.
    pub fn of(&self, camera: &Camera) -> Place {
        let known = camera.known_address();
        let host = self.host.clone().or_else(|| camera.host.clone().filter(|_| known.is_none()));
        let port = self.port.or(camera.port).unwrap_or(identity::DEFAULT_PORT);
        Place { known: known.filter(|_| host.is_none()), host, port, interface: self.interface.clone() }
    }
}

/// Finds the camera of this name, MAC, UID or wyze:// URL; without one, the only one that fits.
pub fn choose(store: &Store, name: Option<&str>, place: &PlaceArguments) -> Result<Camera, Failure> {
    let mut given = Identity::default();
    if let Some(url) = name.filter(|name| name.contains("://")) {
        identity::apply(url, &mut given, |_, _| Ok(true)).map_err(Failure::other)?;
    }
    if given.uid.is_some() {
        return Ok(Camera {
            name: "camera".into(),
            uid: given.uid.unwrap_or_default().into(),
            enr: given.enr.unwrap_or_default(),
            mac: given.mac.unwrap_or_default().into(),
            host: given.host,
            port: Some(given.port),
            model: given.model.unwrap_or_default(),
            ..Camera::default()
        });
    }
    let cameras = store.cameras()?;
    if let Some(name) = given.camera.as_deref().or(name) {
        return Ok(cameras.find(name)?.clone());
    }
    let at_host = |camera: &&Camera| place.host.is_none() || camera.host == place.host;
    let candidates: Vec<&Camera> = cameras.iter().filter(at_host).collect();
    match candidates[..] {
        [camera] => Ok(camera.clone()),
        // The store has no camera, and the error says so.
        [] if cameras.is_empty() => Ok(cameras.find("")?.clone()),
        _ => Err(Failure::Several(candidates.len())),
    }
}
