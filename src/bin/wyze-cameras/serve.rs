//! `serve`: an RTSP server for cameras of the store.

mod access;
mod clock;
mod complaint;
mod factory;
mod feed;
mod hub;
mod notify;
mod outlet;
mod server;
mod signals;
mod slug;
mod speaker;
mod status;
mod track;

use super::completion;
use super::{Failure, output, plugins};
use access::AccessArguments;
use clap::{Args, ValueHint};
use gstwyze::account::{Camera, Store};
use hub::{Hub, Policy};
use output::{print, tell};
use slug::slugs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Serve cameras by RTSP, to players, recorders and home automation.
///
/// Each camera has an address of its name, as rtsp://127.0.0.1:8554/front-door. Its session is opened by the first
/// client and closed 10 s after the last. Picture and sound are passed on as the camera sends them; sound that RTP has
/// no payload for becomes AAC. Ends on SIGINT and SIGTERM.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// The cameras' names, MACs or UIDs
    #[arg(value_name = "NAME", add = completion::camera_names())]
    names: Vec<String>,
    /// Serve all cameras of the store that can be streamed from
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8554")]
    listen: SocketAddr,
    /// Keep the cameras' sessions open without clients
    #[arg(long)]
    always_on: bool,
    #[command(flatten)]
    access: AccessArguments,
    /// Keep the server's state in this file, as JSON; SIGUSR1 prints it too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    status_file: Option<PathBuf>,
    /// How long a camera's session stays open after the last client, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, hide = true)]
    linger: u64,
    /// How long after a failure a camera is tried again, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000, hide = true)]
    retry: u64,
}

pub fn serve(store: &Store, arguments: &ServeArguments) -> Result<(), Failure> {
    if arguments.names.is_empty() && !arguments.all {
        return Err(Failure::Usage("give the names of cameras, or --all".into()));
    }
    let hubs = hubs(store, arguments)?;
    plugins::init()?;
    server::run(arguments, &hubs)
}

/// Returns a hub for each camera that is to be served.
fn hubs(store: &Store, arguments: &ServeArguments) -> Result<Vec<Arc<Hub>>, Failure> {
    let cameras = store.cameras()?;
    // All cameras have one, so that an address does not depend on which others are served.
    let slugs = slugs(cameras.iter().map(|camera| camera.name.as_str()));
    let mut wanted: Vec<&Camera> = Vec::new();
    if arguments.all {
        if cameras.is_empty() {
            cameras.find("")?;
        }
        let (bad, good): (Vec<_>, Vec<_>) = cameras.iter().partition(|camera| camera.paths().obstacle().is_some());
        for camera in bad {
            tell(format_args!(
                "wyze-cameras: not served: {}: {}",
                camera.name,
                camera.paths().obstacle().unwrap_or_default()
            ));
        }
        wanted = good;
    }
    for name in &arguments.names {
        let camera = cameras.find(name)?;
        if let Some(why) = camera.paths().obstacle() {
            tell(format_args!("wyze-cameras: this may not work: {}: {why}", camera.name));
        }
        if !wanted.iter().any(|other| std::ptr::eq(*other, camera)) {
            wanted.push(camera);
        }
    }
    if wanted.is_empty() {
        return Err(Failure::Other("no stored camera can be streamed from".into()));
    }
    let policy = Policy {
        always_on: arguments.always_on,
        linger: Duration::from_millis(arguments.linger),
        retry: Duration::from_millis(arguments.retry),
    };
    let hub = |camera: &&Camera| {
        let place = cameras.iter().position(|other| std::ptr::eq(other, *camera)).unwrap_or_default();
        Hub::new(camera.name.clone(), slugs[place].clone(), cameras.selector(camera).to_owned(), policy)
    };
    Ok(wanted.iter().map(hub).collect())
}

/// Tells people where a camera is.
fn announce(scheme: &str, address: SocketAddr, hubs: &[Arc<Hub>]) -> Result<(), Failure> {
    hubs.iter().try_for_each(|hub| print(format_args!("{scheme}://{address}/{}", hub.slug)))
}
