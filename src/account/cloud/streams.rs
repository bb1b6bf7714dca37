//! What watching a camera over WebRTC needs: the address of its signalling, and servers that help to find a path.
//!
//! The call is one of the phone app's newer ones. They are signed: the host compares the signature with the very bytes
//! of the body.

use super::answer::Answer;
use super::http::{WEBSOCKET, Wiped, is_safe, unix_milliseconds};
use super::{Cloud, CloudError, accepted};
use crate::account::Secret;
use crate::protocol::ticket::{IceServer, Ticket};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::json;
use zeroize::Zeroizing;

const PATH: &str = "/v4/camera/get_streams";
const APP_ID: &str = "9319141212m2ik";
const SIGNING_SECRET: &str = "wyze_app_secret_key_132";
/// The app's name and version, which go with its id and secret.
const APP_INFO: &str = "wyze_ios_3.6.5.5";
const APP_VERSION: &str = "3.6.5.5";
/// The only provider that has an open client.
const PROVIDER: &str = "webrtc";
/// What the codes of this call mean. Of others, some of them mean other things.
const CODE_FAULT: i64 = 1000;
const CODE_PARAMETER: i64 = 1001;
const CODE_SIGNATURE: i64 = 1003;
const CODE_OFFLINE: i64 = 3019;
/// The cloud has been seen to name about six servers.
const MOST_ICE_SERVERS: usize = 16;
/// Longer texts of a server than this, in bytes, are none that a server wants to have.
const LONGEST_ICE_TEXT: usize = 1024;
/// How often a signalling URL's percent signs are decoded. Twice encoded is the most that was seen.
const MOST_DECODINGS: usize = 3;

impl Cloud {
    /// Asks for a ticket to watch a camera. `mac` is the account's, which for some models is longer than a MAC.
    pub fn streams(&self, token: &Secret, model: &str, mac: &Secret) -> Result<Ticket, CloudError> {
        let device = json!({
            "device_id": mac.expose(),
            "device_model": model,
            "parameters": { "use_trickle": true },
            "provider": PROVIDER,
        });
        let body = Wiped(json!({ "device_list": [device], "nonce": unix_milliseconds() }));
        let text = Zeroizing::new(body.to_string());
        let signature = signature(token, text.as_bytes());
        let headers = [
            ("access_token", token.expose()),
            // The host wants it here too, without "Bearer".
            ("authorization", token.expose()),
            ("appid", APP_ID),
            ("appinfo", APP_INFO),
            ("appversion", APP_VERSION),
            ("env", "prod"),
            ("phoneid", &self.phone_id),
            ("signature2", &signature),
            ("user-agent", APP_INFO),
        ];
        let reply = self.http.post_text(&format!("{}{PATH}", self.hosts.app), &headers, &text)?;
        let body = accepted(reply).map_err(refusal)?;
        ticket(&Answer::new(&body))
    }
}

/// Signs a body. The key is the text of the hash, and not its bytes.
fn signature(token: &Secret, body: &[u8]) -> String {
    let hash = Md5::new().chain_update(token.expose()).chain_update(SIGNING_SECRET).finalize();
    let key = Zeroizing::new(HEXLOWER.encode(&hash));
    let hmac = Hmac::<Md5>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    HEXLOWER.encode(&hmac.chain_update(body).finalize().into_bytes())
}

/// Says what a code means that the cloud has for this call.
fn refusal(error: CloudError) -> CloudError {
    let CloudError::Refused { code, said } = error else { return error };
    let why = match code {
        CODE_OFFLINE => return CloudError::CameraOffline,
        CODE_FAULT => "it has a fault of its own: try again later",
        CODE_PARAMETER => "it does not know this MAC and model in the account: run wyze-cameras refresh",
        CODE_SIGNATURE => "it does not take this version's signature: report it",
        _ => return CloudError::Refused { code, said },
    };
    CloudError::NoStream { code, why }
}

fn ticket(answer: &Answer) -> Result<Ticket, CloudError> {
    let devices = answer.get("data").list()?;
    let device = devices.first().ok_or(CloudError::NoWebRtc)?;
    let provider = device.get("provider").word();
    if !provider.is_empty() && provider != PROVIDER {
        return Err(CloudError::NoWebRtc);
    }
    let property = device.get("property");
    // What is missing says nothing.
    let is_not_1 = |name: &str| property.get(name).number().is_some_and(|number| number != 1);
    if is_not_1("iot-device::iot-state") {
        return Err(CloudError::CameraOffline);
    }
    if is_not_1("iot-device::iot-power") {
        return Err(CloudError::CameraOff);
    }
    let parameters = device.get("params").object()?;
    let field = parameters.get("signaling_url");
    let url = once_encoded(field.text()?.trim());
    if url.is_empty() {
        return Err(CloudError::NoWebRtc);
    }
    if !is_safe(&url, WEBSOCKET) {
        return Err(field.error("is no wss:// address"));
    }
    Ok(Ticket { url, ice_servers: ice_servers(&parameters.get("ice_servers")) })
}

/// Decodes percent signs only, which a URL has encoded only where all of it is encoded twice. Everything else stays, as
/// the URL's own signature covers it.
fn once_encoded(url: &str) -> Zeroizing<String> {
    let mut url = Zeroizing::new(url.to_owned());
    for _ in 0..MOST_DECODINGS {
        if !url.contains("%25") {
            break;
        }
        url = Zeroizing::new(url.replace("%25", "%"));
    }
    url
}

/// Reads the servers. Whatever is no server is left out, as connecting may work without it.
fn ice_servers(list: &Answer) -> Vec<IceServer> {
    let entries = list.list().unwrap_or_default();
    let servers = entries.iter().flat_map(|entry| {
        let (username, credential) =
            (Zeroizing::new(entry.get("username").word()), Zeroizing::new(entry.get("credential").word()));
        urls(entry).into_iter().map(move |url| IceServer {
            url,
            username: username.clone(),
            credential: credential.clone(),
        })
    });
    let is_sane = |server: &IceServer| {
        let lengths = [server.url.len(), server.username.len(), server.credential.len()];
        lengths.iter().all(|length| *length <= LONGEST_ICE_TEXT)
    };
    servers.filter(is_sane).take(MOST_ICE_SERVERS).collect()
}

/// Returns a server's addresses: the cloud has one in `url`, where browsers have one or a list in `urls`.
fn urls(server: &Answer) -> Vec<String> {
    let several = server.get("urls");
    let mut urls = vec![server.get("url").word(), several.word()];
    urls.extend(several.list().unwrap_or_default().iter().map(Answer::word));
    urls.retain(|url| !url.is_empty());
    urls.truncate(MOST_ICE_SERVERS);
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by OpenSSL: `printf %s "$TOKEN$SECRET" | openssl md5`, and with its text as `$KEY`,
    /// `printf %s "$BODY" | openssl dgst -md5 -hmac "$KEY"`.
    #[test]
    fn the_signature_is_that_of_openssl() {
        let body = concat!(
            r#"{"device_list":[{"device_id":"AABBCCDDEEFF","device_model":"LD_CFP","#,
            r#""parameters":{"use_trickle":true},"provider":"webrtc"}],"nonce":1700000000000}"#
        );
        assert_eq!(signature(&"access-token-1".into(), body.as_bytes()), "2b51f3f077abe00559da71e0c01fe853");
    }

    #[test]
    fn a_url_is_decoded_as_far_as_it_was_encoded_twice() {
        for (url, expected) in [
            ("wss://host/?a=b%2Fc+d", "wss://host/?a=b%2Fc+d"),
            ("wss://host/?a=b%252Fc+d", "wss://host/?a=b%2Fc+d"),
            ("wss://host/?a=b%25252Fc", "wss://host/?a=b%2Fc"),
            ("wss://host/?a=%252525252F", "wss://host/?a=%252F"),
        ] {
            assert_eq!(*once_encoded(url), expected);
        }
    }
}
