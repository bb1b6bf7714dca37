//! The messages of KVS signalling, from the camera's end.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The most that a message's payload may have, in bytes of base64, by Amazon's documentation.
const PAYLOAD_LIMIT: usize = 10 * 1024;

/// What a viewer says.
#[derive(Debug, PartialEq, Eq)]
pub enum FromViewer {
    Offer { sdp: String, correlation: Option<String> },
    Candidate(String),
}

/// Reads a viewer's message. The error tells what is wrong with it.
pub fn parse(text: &str) -> Result<FromViewer, String> {
    let message: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
    let word = |name: &str| message[name].as_str().unwrap_or_default();
    let payload = word("messagePayload");
    if payload.len() > PAYLOAD_LIMIT {
        return Err(format!("a payload of {} bytes", payload.len()));
    }
    let payload = BASE64_STANDARD.decode(payload).map_err(|e| format!("a payload that is no base64: {e}"))?;
    let payload: Value = serde_json::from_slice(&payload).map_err(|e| format!("a payload that is no JSON: {e}"))?;
    let text = |name: &str| payload[name].as_str().map(str::to_owned);
    match word("action") {
        "SDP_OFFER" if payload["type"] != "offer" => Err(format!("an offer of type {}", payload["type"])),
        "SDP_OFFER" => {
            let sdp = text("sdp").ok_or("an offer without sdp")?;
            Ok(FromViewer::Offer { sdp, correlation: message["correlationId"].as_str().map(str::to_owned) })
        }
        "ICE_CANDIDATE" => text("candidate").map(FromViewer::Candidate).ok_or("a candidate without candidate".into()),
        other => Err(format!("the action {other:?}")),
    }
}

pub fn answer(sdp: &str) -> String {
    wrap("SDP_ANSWER", &json!({ "type": "answer", "sdp": sdp }))
}

pub fn candidate(line: &str) -> String {
    wrap("ICE_CANDIDATE", &json!({ "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0 }))
}

pub fn go_away() -> String {
    wrap("GO_AWAY", &Value::Null)
}

/// Refuses an offer. Amazon's server says so only where the offer has a correlation id.
pub fn refusal(correlation: &str, error: &str) -> String {
    json!({
        "messageType": "STATUS_RESPONSE",
        "statusResponse": {
            "correlationId": correlation, "errorType": error, "statusCode": "400", "description": "refused",
        },
    })
    .to_string()
}

fn wrap(kind: &str, payload: &Value) -> String {
    let payload = if payload.is_null() { String::new() } else { BASE64_STANDARD.encode(payload.to_string()) };
    json!({ "messageType": kind, "senderClientId": "", "messagePayload": payload }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(action: &str, payload: &str) -> String {
        json!({ "action": action, "messagePayload": BASE64_STANDARD.encode(payload), "correlationId": "1" }).to_string()
    }

    #[test]
    fn what_viewers_say_is_read_and_what_is_odd_is_told() {
        let offer = FromViewer::Offer { sdp: "v=0".into(), correlation: Some("1".into()) };
        assert_eq!(parse(&message("SDP_OFFER", r#"{"type":"offer","sdp":"v=0"}"#)), Ok(offer));
        let candidate = FromViewer::Candidate("candidate:1".into());
        assert_eq!(parse(&message("ICE_CANDIDATE", r#"{"candidate":"candidate:1"}"#)), Ok(candidate));
        for (text, problem) in [
            (String::new(), "no JSON"),
            ("{}".into(), "no JSON"),
            (message("SDP_OFFER", r#"{"type":"answer","sdp":"v=0"}"#), "of type"),
            (message("SDP_OFFER", r#"{"type":"offer"}"#), "without sdp"),
            (message("ICE_CANDIDATE", "{}"), "without candidate"),
            (message("PING", "{}"), "the action"),
            (message("SDP_OFFER", &"x".repeat(10_000)), "a payload of"),
            (json!({ "action": "SDP_OFFER", "messagePayload": "%" }).to_string(), "no base64"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
