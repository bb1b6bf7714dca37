//! `add` and `remove`.

use super::Failure;
use super::account::prompt;
use super::completion;
use super::output::{print, printable, tell};
use clap::Args;
use gstwyze::account::{Camera, Cameras, Origin, Store};
use zeroize::Zeroizing;

/// Add a camera by hand.
///
/// Asks for keys that are neither given nor in the environment. Every user of the machine can read arguments in the
/// process list: better let this ask, or set the environment.
#[derive(Args, Debug)]
pub struct AddArguments {
    /// The camera's name
    name: String,
    /// The 20 characters that name the camera (p2p_id in the Wyze cloud)
    #[arg(long, env = "WYZE_UID", hide_env_values = true)]
    uid: Option<String>,
    /// The camera's key, 16 characters or more
    #[arg(long, env = "WYZE_ENR", hide_env_values = true)]
    enr: Option<String>,
    /// The camera's MAC address
    #[arg(long, env = "WYZE_MAC", hide_env_values = true)]
    mac: Option<String>,
    /// IPv4 address or name; without it the camera is searched for on the local network
    #[arg(long)]
    host: Option<String>,
    /// The UDP port of discovery, where it is not 32761
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The product model, such as HL_CAM4
    #[arg(long)]
    model: Option<String>,
}

/// Remove a camera from this machine.
#[derive(Args, Debug)]
pub struct RemoveArguments {
    /// The camera's name, MAC or UID
    #[arg(add = completion::camera_names())]
    name: String,
}

pub fn add(store: &Store, arguments: AddArguments) -> Result<(), Failure> {
    let ask = |value: Option<String>, question, is_secret| match value {
        Some(value) => Ok(Zeroizing::new(value).trim().into()),
        None => prompt(question, is_secret),
    };
    let camera = Camera {
        name: arguments.name.trim().to_owned(),
        uid: ask(arguments.uid, "UID: ", false)?,
        enr: ask(arguments.enr, "ENR: ", true)?,
        mac: ask(arguments.mac, "MAC: ", false)?,
        host: arguments.host,
        port: arguments.port,
        model: arguments.model.unwrap_or_default(),
        origin: Origin::Added,
        updated: Camera::now(),
        ..Camera::default()
    };
    let name = camera.name.clone();
    store.update(|cameras| insert(cameras, camera))?;
    print(format_args!("Added {}.", printable(&name)))
}

/// Adds a camera. Fails where its keys are malformed, or where there is a camera of its name, UID or MAC.
pub fn insert(cameras: &mut Cameras, camera: Camera) -> Result<(), Failure> {
    if camera.name.is_empty() {
        return Err(Failure::Other("the camera needs a name".into()));
    }
    camera.credentials().map_err(Failure::other)?;
    let is_taken =
        |other: &&Camera| other.name.trim().to_lowercase() == camera.name.to_lowercase() || other.is_same_as(&camera);
    if let Some(other) = cameras.iter().find(is_taken) {
        let what = match other.name.eq_ignore_ascii_case(&camera.name) {
            true => "name",
            false if other.uid.is_empty() => "MAC",
            false => "UID",
        };
        let other = &other.name;
        return Err(Failure::Other(format!("{other} has this {what} already: run wyze-cameras remove for it first")));
    }
    cameras.push(camera);
    Ok(())
}

pub fn remove(store: &Store, arguments: &RemoveArguments) -> Result<(), Failure> {
    let (name, origin) = store.update(|cameras| {
        let found = cameras.find(&arguments.name)?;
        let at = cameras.iter().position(|camera| std::ptr::eq(camera, found)).unwrap_or_default();
        let camera = cameras.remove(at);
        Ok::<_, Failure>((camera.name, camera.origin))
    })?;
    print(format_args!("Removed {name}."))?;
    if origin == Origin::Account {
        tell("It is in the account: wyze-cameras login and refresh bring it back.");
    }
    Ok(())
}
