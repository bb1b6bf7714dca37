//! `probe`: connects to a camera as an element would, and tells how far that goes and how long it takes.

use super::Failure;
use super::output::{print, tell};
use clap::Args;
use gstwyze::account::{Camera, Store};
use gstwyze::identity::{self, Identity};
use gstwyze::protocol::client::{CameraInfo, Config};
use gstwyze::protocol::error::Stage;
use gstwyze::session::{Event, Membership, Place, Use, Wants};
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Connect to a camera, and tell how far that goes.
///
/// Goes from discovery to authentication, asks for no picture, and prints each stage with its time. The output has no
/// keys in it: it is made for bug reports.
#[derive(Args, Debug)]
pub struct ProbeArguments {
    /// The camera's name, MAC or UID, or a wyze:// URL. May be left out where one camera is stored, or with --host
    name: Option<String>,
    /// Ask only this IPv4 address or host name. Without NAME, this means the camera that is known to be there
    #[arg(long)]
    host: Option<String>,
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

pub fn probe(store: &Store, arguments: &ProbeArguments) -> Result<(), Failure> {
    let camera = choose(store, arguments)?;
    if let Some(why) = camera.obstacle() {
        tell(format_args!("wyze-cameras: this may not work: {why}"));
    }
    let credentials = camera.credentials().map_err(|e| Failure::Other(e.to_string()))?;
    let place = place(&camera, arguments);
    let at = match (&place.host, place.known) {
        (Some(host), _) => format!("at {host}"),
        (None, Some(known)) => format!("by search, and at {known}"),
        (None, None) => "by search".into(),
    };
    let model = if camera.model.is_empty() { String::new() } else { format!(" ({})", camera.model) };
    print(format_args!("{}{model} {at}, port {}", camera.name, place.port))?;
    let config = Config { connect_timeout: Duration::from_secs(arguments.timeout), ..Config::new(credentials) };
    let is_searched = place.host.is_none();
    let info = connect(config, place)?;
    match info.address.ip() {
        IpAddr::V4(ip) if is_searched && camera.known_address() != Some(ip) => Ok(store.keep_address(&camera.uid, ip)?),
        _ => Ok(()),
    }
}

/// Returns where an element would look for the camera: at a host that somebody set, or by a search that also asks the
/// last address.
fn place(camera: &Camera, arguments: &ProbeArguments) -> Place {
    let known = camera.known_address();
    let host = arguments.host.clone().or_else(|| camera.host.clone().filter(|_| known.is_none()));
    let port = arguments.port.or(camera.port).unwrap_or(identity::DEFAULT_PORT);
    Place { known: known.filter(|_| host.is_none()), host, port, interface: arguments.interface.clone() }
}

/// Finds the camera that the arguments mean.
fn choose(store: &Store, arguments: &ProbeArguments) -> Result<Camera, Failure> {
    let mut given = Identity::default();
    if let Some(url) = arguments.name.as_ref().filter(|name| name.contains("://")) {
        identity::apply(url, &mut given, |_, _| Ok(true)).map_err(|e| Failure::Other(e.to_string()))?;
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
    if let Some(name) = given.camera.as_ref().or(arguments.name.as_ref()) {
        return Ok(cameras.find(name)?.clone());
    }
    let at_host = |camera: &&Camera| arguments.host.is_none() || camera.host == arguments.host;
    let candidates: Vec<&Camera> = cameras.iter().filter(at_host).collect();
    match candidates[..] {
        [camera] => Ok(camera.clone()),
        // The store has no camera, and the error says so.
        [] if cameras.is_empty() => Ok(cameras.find("")?.clone()),
        _ => Err(Failure::Several(candidates.len())),
    }
}

fn connect(config: Config, place: Place) -> Result<CameraInfo, Failure> {
    let (sender, events) = mpsc::channel();
    let start = Instant::now();
    let observer = move |event| {
        // Nobody listens once the camera has answered.
        let _ = sender.send((Instant::now(), event));
        Use::Used
    };
    let (_member, _) = Membership::join(config, place, Wants::default(), Some(0), None, observer)
        .map_err(|e| Failure::Other(e.to_string()))?;
    let (mut stage, mut since) = (None::<Stage>, start);
    for (at, event) in events {
        match event {
            Event::Stage(next) => {
                if let Some(stage) = stage.replace(next).filter(|stage| *stage != next) {
                    let milliseconds = (at - since).as_secs_f64() * 1000.0;
                    print(format_args!("  {:<10} {milliseconds:8.1} ms", stage.name()))?;
                    since = at;
                }
            }
            Event::Connected(info) => {
                report(&info, at - start)?;
                return Ok(info);
            }
            Event::Ended(error) => {
                let seconds = (at - since).as_secs_f64();
                print(format_args!("  {:<10} failed after {seconds:.1} s", error.stage().name()))?;
                return Err(Failure::Other(error.to_string()));
            }
            _ => {}
        }
    }
    Err(Failure::Other("the session ended without a reason".into()))
}

fn report(info: &CameraInfo, total: Duration) -> Result<(), Failure> {
    let known = |text: &str| if text.is_empty() { "not told".to_owned() } else { text.to_owned() };
    print(format_args!("  connected  {:8.1} ms", total.as_secs_f64() * 1000.0))?;
    print(format_args!("address:  {}", info.address))?;
    print(format_args!("envelope: {}", info.envelope.name()))?;
    print(format_args!("suite:    {}", info.suite.name()))?;
    print(format_args!("model:    {}", known(&info.model)))?;
    print(format_args!("firmware: {}", known(&info.firmware)))?;
    print(format_args!("talk:     {}", if info.two_way_audio { "yes" } else { "no" }))
}
