//! The cameras of an account.

use super::answer::Answer;
use super::{Cloud, CloudError};
use crate::account::{BaseStation, Camera, Origin, Secret};
use serde_json::json;
use std::net::Ipv4Addr;

/// Product types of devices that have a picture.
const CAMERAS: [&str; 2] = ["Camera", "Doorbell"];
const BASE_STATION: &str = "BaseStation";

impl Cloud {
    /// Fetches the account's cameras, in the account's order. Those that cannot be streamed from are among them.
    pub fn cameras(&self, access_token: &Secret) -> Result<Vec<Camera>, CloudError> {
        let body =
            self.post_as_app("/v2/home_page/get_object_list", json!({ "access_token": access_token.expose() }))?;
        let answer = Answer::new(&body);
        let data = answer.get("data");
        // Answers have been seen with `data` and without.
        let list = if data.is_null() { answer.get("device_list") } else { data.get("device_list") }.list()?;
        let mut cameras = Vec::new();
        for device in &list {
            if CAMERAS.contains(&device.get("product_type").text()?) {
                cameras.push(camera(device, &list)?);
            }
        }
        Ok(cameras)
    }
}

fn camera(device: &Answer, all: &[Answer]) -> Result<Camera, CloudError> {
    let parameters = device.get("device_params");
    let model = device.get("product_model").required_text()?.to_owned();
    let mac = device.get("mac").required_text()?;
    let name = match device.get("nickname").text()?.trim() {
        "" => model.clone(),
        name => name.to_owned(),
    };
    let (base_station, own_host) = base_station(device, all)?;
    let mut camera = Camera {
        name,
        uid: value(device, &parameters, "p2p_id")?.into(),
        enr: value(device, &parameters, "enr")?.into(),
        mac: mac.into(),
        firmware: device.get("firmware_ver").text()?.to_owned(),
        // A camera behind a base station is in that station's own network: only the station can be reached.
        host: match base_station {
            Some(_) => own_host,
            None => address(value(device, &parameters, "ip")?),
        },
        dtls: parameters.get("dtls").number().map(|dtls| dtls != 0),
        model,
        base_station,
        origin: Origin::Account,
        updated: Camera::now(),
        ..Camera::default()
    };
    camera.tidy();
    Ok(camera)
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
        if station.get("mac").text()? != mac || station.get("product_type").text()? != BASE_STATION {
            continue;
        }
        let parameters = station.get("device_params");
        let keys = BaseStation {
            uid: value(station, &parameters, "p2p_id")?.into(),
            enr: value(station, &parameters, "enr")?.into(),
            mac: mac.into(),
        };
        return Ok((Some(keys), address(value(station, &parameters, "ip")?)));
    }
    // A camera that somebody shares with this account: the list has no more of its base station than this.
    let enr = device.get("parent_device_enr").text()?;
    Ok((Some(BaseStation { enr: enr.into(), mac: mac.into(), ..BaseStation::default() }), None))
}

/// Returns a text that is an IPv4 address of a host.
fn address(text: &str) -> Option<String> {
    text.parse::<Ipv4Addr>().ok().filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string())
}
