//! The messages of signalling, as Amazon's Kinesis Video Streams has them and Wyze's own servers too.
//!
//! Each is a JSON text. What it carries, an offer, an answer or a candidate, is itself JSON, in base64. The camera is
//! the master of its channel, and we are a viewer.

use crate::protocol::wire::WireError;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde_json::{Value, json};
use std::fmt;

/// The longest text that is read.
pub const MAX_TEXT: usize = 64 << 10;
/// The longest payload in base64 that the servers pass on.
pub const MAX_PAYLOAD: usize = 10 << 10;
/// How much of a server's word for an error is kept.
const MAX_REASON: usize = 80;

/// What a text says.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// The camera's answer to the offer, in SDP.
    Answer(String),
    /// A candidate of the camera, in the form of SDP.
    Candidate(String),
    /// The server refuses a message of ours: the id that the message had, and the server's words for why.
    Status { correlation_id: String, reason: String },
    /// The server closes signalling soon. Media are not concerned.
    GoAway,
    /// Nothing for a viewer: servers send empty texts, and may learn new messages.
    Nothing,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An answer has the password of ICE in it, a candidate addresses.
            Message::Answer(_) => f.write_str("Answer(***)"),
            Message::Candidate(_) => f.write_str("Candidate(***)"),
            Message::Status { reason, .. } => write!(f, "Status({reason})"),
            Message::GoAway => f.write_str("GoAway"),
            Message::Nothing => f.write_str("Nothing"),
        }
    }
}

/// Reads a text of the server. An error is a text that is too long or has another form.
pub fn parse(text: &str) -> Result<Message, WireError> {
    if text.trim().is_empty() {
        return Ok(Message::Nothing);
    }
    if text.len() > MAX_TEXT {
        return Err(WireError::Value { what: "signalling text" });
    }
    let message: Value = serde_json::from_str(text).map_err(|_| MALFORMED)?;
    match field(&message, "messageType") {
        "SDP_ANSWER" => answer(&payload(&message)?),
        "ICE_CANDIDATE" => {
            let candidate: Value = serde_json::from_str(&payload(&message)?).map_err(|_| MALFORMED)?;
            Ok(Message::Candidate(field(&candidate, "candidate").to_owned()))
        }
        "STATUS_RESPONSE" => Ok(status(&message["statusResponse"])),
        "GO_AWAY" => Ok(Message::GoAway),
        _ => Ok(Message::Nothing),
    }
}

const MALFORMED: WireError = WireError::Value { what: "signalling message" };

fn field<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// Returns the text that a message carries in base64, with or without padding.
fn payload(message: &Value) -> Result<String, WireError> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    let payload = field(message, "messagePayload");
    if payload.len() > MAX_PAYLOAD {
        return Err(WireError::Value { what: "signalling payload" });
    }
    let bytes = BASE64.decode(payload).map_err(|_| MALFORMED)?;
    String::from_utf8(bytes).map_err(|_| MALFORMED)
}

/// Reads an answer, which is JSON, or from some cameras SDP as it is.
fn answer(payload: &str) -> Result<Message, WireError> {
    if payload.starts_with("v=") {
        return Ok(Message::Answer(payload.to_owned()));
    }
    let description: Value = serde_json::from_str(payload).map_err(|_| MALFORMED)?;
    match field(&description, "sdp") {
        "" => Err(MALFORMED),
        sdp => Ok(Message::Answer(sdp.to_owned())),
    }
}

fn status(status: &Value) -> Message {
    // The description is free text, so it is left out: nobody knows what a server writes there.
    let kind = word(field(status, "errorType"));
    let code = match &status["statusCode"] {
        Value::Number(number) => number.to_string(),
        code => word(code.as_str().unwrap_or_default()),
    };
    let reason = [kind, code].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    let reason = if reason.is_empty() { "no reason given".to_owned() } else { reason };
    Message::Status { correlation_id: field(status, "correlationId").to_owned(), reason }
}

/// What is shown of a server's word.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c)).take(MAX_REASON).collect()
}

/// Makes the text of an offer in SDP. The server names `correlation_id` where it refuses the offer.
pub fn offer(sdp: &str, client_id: &str, correlation_id: &str) -> String {
    let payload = json!({ "type": "offer", "sdp": sdp });
    let mut message = message("SDP_OFFER", client_id, &payload);
    message["correlationId"] = json!(correlation_id);
    message.to_string()
}

/// Makes the text of one of our candidates, in the form of SDP. All are of the first medium, as there is one transport
/// for all media.
pub fn candidate(candidate: &str, client_id: &str) -> String {
    let payload = json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0 });
    message("ICE_CANDIDATE", client_id, &payload).to_string()
}

fn message(action: &str, client_id: &str, payload: &Value) -> Value {
    let payload = general_purpose::STANDARD.encode(payload.to_string());
    json!({ "action": action, "recipientClientId": client_id, "messagePayload": payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(kind: &str, payload: &str) -> String {
        json!({ "messageType": kind, "messagePayload": general_purpose::STANDARD.encode(payload) }).to_string()
    }

    #[test]
    fn answers_come_as_json_and_as_bare_sdp_with_and_without_padding() {
        for payload in [r#"{"type":"answer","sdp":"v=0\r\n"}"#, "v=0\r\n"] {
            let text = incoming("SDP_ANSWER", payload);
            assert_eq!(parse(&text), Ok(Message::Answer("v=0\r\n".into())));
            assert_eq!(parse(&text.replace('=', "")), Ok(Message::Answer("v=0\r\n".into())));
        }
    }

    #[test]
    fn what_a_viewer_has_no_use_for_is_nothing() {
        for text in ["", " ", "{}", "[]", "7", r#"{"messageType":"SDP_OFFER"}"#, r#"{"messageType":"RECONNECT"}"#] {
            assert_eq!(parse(text), Ok(Message::Nothing), "{text}");
        }
        assert_eq!(parse(r#"{"messageType":"GO_AWAY","messagePayload":"?"}"#), Ok(Message::GoAway));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let long = " ".repeat(MAX_TEXT) + "{}";
        let fat = incoming("SDP_ANSWER", &"v=".repeat(MAX_PAYLOAD));
        let broken = [
            "{",
            &long,
            &fat,
            &incoming("SDP_ANSWER", "{}"),
            &incoming("SDP_ANSWER", "?"),
            &incoming("ICE_CANDIDATE", "x"),
            r#"{"messageType":"SDP_ANSWER","messagePayload":"*"}"#,
            r#"{"messageType":"SDP_ANSWER","messagePayload":"/w=="}"#,
        ];
        for text in broken {
            assert!(parse(text).is_err(), "{text:.60}");
        }
    }

    #[test]
    fn a_refusal_has_its_words_and_no_others() {
        let refusal = |status: Value| {
            parse(&json!({ "messageType": "STATUS_RESPONSE", "statusResponse": status }).to_string()).unwrap()
        };
        let status = |id: &str, reason: &str| Message::Status { correlation_id: id.into(), reason: reason.into() };
        let known = json!({ "correlationId": "7", "errorType": "Client\u{1b}[LimitExceeded", "statusCode": "400",
            "description": "secret" });
        assert_eq!(refusal(known), status("7", "ClientLimitExceeded, 400"));
        assert_eq!(refusal(json!({ "statusCode": 500 })), status("", "500"));
        assert_eq!(refusal(Value::Null), status("", "no reason given"));
    }

    #[test]
    fn what_is_sent_has_the_fields_of_the_servers() {
        let read = |text: String| {
            let message: Value = serde_json::from_str(&text).unwrap();
            let payload = general_purpose::STANDARD.decode(field(&message, "messagePayload")).unwrap();
            (message, serde_json::from_slice::<Value>(&payload).unwrap())
        };
        let (message, payload) = read(offer("v=0", "me", "7"));
        assert_eq!((&message["action"], &message["recipientClientId"]), (&json!("SDP_OFFER"), &json!("me")));
        assert_eq!(message["correlationId"], "7");
        assert_eq!(payload, json!({ "type": "offer", "sdp": "v=0" }));
        let (message, payload) = read(candidate("candidate:1", "me"));
        assert_eq!(message["action"], "ICE_CANDIDATE");
        assert_eq!(message.get("correlationId"), None);
        assert_eq!(payload, json!({ "candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0 }));
    }
}
