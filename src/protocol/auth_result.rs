//! K10003, the JSON that a camera ends authentication with.

use super::medium::MediaSet;
use crate::printable::is_printable;
use serde_json::Value;

/// The part of K10003 that matters here. Texts that the camera left out are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthResult {
    /// "1" where the camera accepts the client; cameras say "2" to a wrong answer to their challenge.
    pub connection_res: String,
    /// The product model, as HL_CAM4.
    pub model: String,
    /// The firmware's version.
    pub firmware: String,
    /// The media that the camera agrees to send. One that the camera does not mention counts as agreed.
    pub media: MediaSet,
}

impl AuthResult {
    /// Parses the payload; `None` where it is no JSON object. Cameras may put zeros behind it.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let end = payload.iter().rposition(|&b| b != 0)? + 1;
        let json: Value = serde_json::from_slice(&payload[..end]).ok()?;
        let camera = &json.as_object()?.get("cameraInfo").unwrap_or(&Value::Null);
        let basic = &camera["basicInfo"];
        // The first spelling is the cameras' own.
        let media = camera.get("channelResquestResult").or_else(|| camera.get("channelRequestResult"));
        let agreed = |name| media.and_then(|media| media.get(name)).is_none_or(|value| text(value) == "1");
        Some(AuthResult {
            connection_res: text(&json["connectionRes"]),
            model: text(&basic["model"]),
            firmware: text(&basic["firmware"]),
            media: MediaSet { video: agreed("video"), audio: agreed("audio") },
        })
    }

    pub fn is_accepted(&self) -> bool {
        self.connection_res == "1"
    }
}

/// The characters that are kept of a text: far more than any model or version that was seen has.
const MAX_TEXT: usize = 64;

/// Returns a value as a text that is fit to be shown. Most cameras write numbers as texts; some do not.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().filter(|&c| is_printable(c)).take(MAX_TEXT).collect(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cameras_write() {
        let json = br#"{"connectionRes":"1","cameraInfo":{"basicInfo":{"firmware":"4.52.9.4188","mac":"AABBCCDDEEFF",
            "model":"HL_CAM4"},"channelResquestResult":{"audio":"0","video":"1"}}}"#;
        let result = AuthResult::parse(&[json, &b"\0\0"[..]].concat()).unwrap();
        assert!(result.is_accepted());
        assert_eq!((result.model.as_str(), result.firmware.as_str()), ("HL_CAM4", "4.52.9.4188"));
        assert_eq!(result.media, MediaSet::VIDEO);
    }

    #[test]
    fn takes_the_right_spelling_and_numbers_too() {
        let json = br#"{"connectionRes":1,"cameraInfo":{"channelRequestResult":{"audio":1,"video":0}}}"#;
        let result = AuthResult::parse(json).unwrap();
        assert!(result.is_accepted());
        assert_eq!(result.media, MediaSet::AUDIO);
    }

    #[test]
    fn what_could_harm_a_terminal_or_end_a_text_is_left_out() {
        let json = br#"{"connectionRes":"1\u0000",
            "cameraInfo":{"basicInfo":{"model":"HL\u001b[31m_\u0000CAM\u202e4","firmware":"FW"}}}"#;
        let long = String::from_utf8_lossy(json).replace("FW", &"9".repeat(5000));
        let result = AuthResult::parse(long.as_bytes()).unwrap();
        assert!(result.is_accepted());
        assert_eq!((result.model.as_str(), result.firmware.len()), ("HL[31m_CAM4", MAX_TEXT));
    }

    #[test]
    fn a_refusal_may_say_little_and_no_json_is_none() {
        assert_eq!(AuthResult::parse(br#"{"connectionRes":"2"}"#).unwrap().connection_res, "2");
        for broken in [&b""[..], b"\0", b"1", b"{", b"{\"connectionRes\":", &[b'['; 4096]] {
            assert_eq!(AuthResult::parse(broken), None);
        }
    }
}
