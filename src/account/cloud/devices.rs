//! The cameras of an account.

use super::answer::Answer;
use super::{Cloud, CloudError, USUAL};
use crate::account::{BaseStation, Camera, Origin, Secret};
use crate::printable::is_printable;
use serde_json::json;
use std::net::Ipv4Addr;

/// Product types of devices that have a picture.
const CAMERAS: [&str; 2] = ["Camera", "Doorbell"];
const BASE_STATION: &str = "BaseStation";

/// The cameras of an account, in the account's order.
#[derive(Debug, Default)]
pub struct CameraList {
    /// Those that could be read. Some of them may not be streamed from.
    pub cameras: Vec<Camera>,
    pub left_out: Vec<LeftOut>,
}

/// A camera that the cloud describes in a way that is not understood.
#[derive(Debug)]
pub struct LeftOut {
    /// The nickname, as far as it is known.
    pub name: String,
    /// Empty where it is not known.
    pub mac: Secret,
    /// Names the field.
    pub error: CloudError,
}

impl Cloud {
    /// Fetches the account's cameras. Each is read by itself, so that one that is not understood costs no other.
    pub fn cameras(&self, access_token: &Secret) -> Result<CameraList, CloudError> {
        let token = json!({ "access_token": access_token.expose() });
        let body = self.post_as_app("/v2/home_page/get_object_list", USUAL, token)?;
        let answer = Answer::new(&body);
        let data = answer.get("data");
        // Answers have been seen with `data` and without.
        let list = if data.is_null() { answer.get("device_list") } else { data.get("device_list") }.list()?;
        let mut found = CameraList::default();
        for device in &list {
            match camera(device, &list) {
                Ok(camera) => found.cameras.extend(camera),
                Err(error) => found.left_out.push(left_out(device, error)),
            }
        }
        Ok(found)
    }
}

fn left_out(device: &Answer, error: CloudError) -> LeftOut {
    let mut name = device.get("nickname").word();
    name.retain(is_printable);
    let mac = device.get("mac").text().unwrap_or_default().into();
    LeftOut { name: if name.trim().is_empty() { "a device without a name".into() } else { name }, mac, error }
}

/// Reads a device; `None` where it is no camera.
fn camera(device: &Answer, all: &[Answer]) -> Result<Option<Camera>, CloudError> {
    if device.clone().object()?.is_null() {
        return Err(device.error("is not an object"));
    }
    if !CAMERAS.contains(&device.get("product_type").text()?) {
        return Ok(None);
    }
    let parameters = device.get("device_params").object()?;
    let model = device.get("product_model").required_text()?.to_owned();
    let mac = device.get("mac").required_text()?;
    let name = match device.get("nickname").word().trim() {
        "" => model.clone(),
        name => name.to_owned(),
    };
    let (base_station, own_host) = base_station(device, all)?;
    let mut camera = Camera {
        name,
        uid: value(device, &parameters, "p2p_id")?.into(),
        enr: value(device, &parameters, "enr")?.into(),
        mac: mac.into(),
        firmware: device.get("firmware_ver").word(),
        // A camera behind a base station is in that station's own network: only the station can be reached.
        host: match base_station {
            Some(_) => own_host,
            None => address(device, &parameters),
        },
        dtls: parameters.get("dtls").number().map(|dtls| dtls != 0),
        model,
        base_station,
        origin: Origin::Account,
        updated: Camera::now(),
        ..Camera::default()
    };
    camera.tidy();
    Ok(Some(camera))
}

/// Returns a text that some answers have in the device and others in its parameters.
fn value<'a>(device: &Answer<'a>, parameters: &Answer<'a>, name: &str) -> Result<&'a str, CloudError> {
    match device.get(name).text()? {
        "" => parameters.get(name).text(),
        text => Ok(text),
    }
}

/// Returns the keys of the base station that a camera connects through, if any, and the station's address.
fn base_station(device: &Answer, all: &[Answer]) -> Result<(Option<BaseStation>, Option<String>), CloudError> {
    let mac = device.get("parent_device_mac").text()?;
    if mac.is_empty() {
        return Ok((None, None));
    }
    for station in all {
        if station.get("mac").word() != mac || station.get("product_type").word() != BASE_STATION {
            continue;
        }
        let parameters = station.get("device_params").object()?;
        let keys = BaseStation {
            uid: value(station, &parameters, "p2p_id")?.into(),
            enr: value(station, &parameters, "enr")?.into(),
            mac: mac.into(),
        };
        return Ok((Some(keys), address(station, &parameters)));
    }
    // A camera that somebody shares with this account: the list has no more of its base station than this.
    let enr = device.get("parent_device_enr").text()?;
    Ok((Some(BaseStation { enr: enr.into(), mac: mac.into(), ..BaseStation::default() }), None))
}

/// Returns a device's IPv4 address, where the cloud knows one.
fn address(device: &Answer, parameters: &Answer) -> Option<String> {
    let text = value(device, parameters, "ip").unwrap_or_default();
    text.parse::<Ipv4Addr>().ok().filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string())
}
