//! Switching a camera on and off, which no command over the network can.

use super::{Cloud, CloudError};
use crate::account::Secret;
use crate::protocol::credentials::Mac;
use serde_json::json;

/// `sc` and `sv` of an action.
const CONSTANTS: [&str; 2] = ["01dd431d098546f9baf5233724fa2ee2", "2c0edc06d4c5465b8c55af207144f0d9"];

/// What the cloud can do to a camera's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    On,
    Off,
    Restart,
}

impl Cloud {
    /// Has the cloud switch a camera of this model and MAC. The cloud's yes does not mean that the camera did it.
    pub fn power(&self, token: &Secret, model: &str, mac: &Secret, action: PowerAction) -> Result<(), CloudError> {
        // The account writes the MAC in this way. Some devices that are no TUTK cameras have another kind of it.
        let written = Mac::new(mac).ok().and_then(|mac| Some(Secret::from(std::str::from_utf8(mac.bytes()).ok()?)));
        let body = json!({
            "access_token": token.expose(),
            "provider_key": model,
            "instance_id": written.as_deref().unwrap_or(mac),
            "action_key": match action {
                PowerAction::On => "power_on",
                PowerAction::Off => "power_off",
                PowerAction::Restart => "restart",
            },
            "action_params": {},
            "custom_string": "",
        });
        self.post_as_app("/v2/auto/run_action", CONSTANTS, body).map(drop)
    }
}
