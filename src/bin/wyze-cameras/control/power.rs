//! `control NAME power`: switches a camera by Wyze's cloud. One that is off refuses every connection.

use super::super::Failure;
use super::super::output::print;
use gstwyze::account::cloud::{Hosts, PowerAction};
use gstwyze::account::{Access, Camera, Store};

/// What may follow `power`.
pub const CHOICES: &[&str] = &["on", "off", "restart"];

/// Returns what the words after `power` ask for.
pub fn action(words: &[&str]) -> Result<PowerAction, Failure> {
    match words {
        ["on"] => Ok(PowerAction::On),
        ["off"] => Ok(PowerAction::Off),
        ["restart"] => Ok(PowerAction::Restart),
        _ => Err(Failure::Usage(format!("power takes one of {}, and is not read", CHOICES.join(", ")))),
    }
}

/// Tells the cloud. The camera is not asked.
pub fn power(store: &Store, camera: &Camera, action: PowerAction) -> Result<(), Failure> {
    for (what, value) in [("model", &*camera.model), ("MAC", camera.mac.expose())] {
        if value.is_empty() {
            return Err(failed(format_args!(
                "that needs the camera's {what}, which is not known; add it with the camera"
            )));
        }
    }
    let run = || Access::new(store, Hosts::from_environment())?.power(&camera.model, &camera.mac, action);
    run().map_err(failed)?;
    print("Wyze's cloud has taken it. It does not say whether the camera follows.")
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::Other(format!("power goes through Wyze's cloud: {why}"))
}
