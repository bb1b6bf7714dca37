//! Shared by the tests of lost connections: `wyze-connection` messages, and the buffers after a reconnection.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::support::*;
use gst::prelude::*;

/// The fields of a `wyze-connection` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    pub state: String,
    pub stage: String,
    pub attempt: u32,
    pub reason: Option<String>,
}

/// Reads a `wyze-connection` message; returns `None` for any other.
pub fn report(message: &gst::Message) -> Option<ConnectionReport> {
    let structure = message.structure().filter(|structure| structure.name() == "wyze-connection")?;
    Some(ConnectionReport {
        state: structure.get("state").unwrap(),
        stage: structure.get("stage").unwrap(),
        attempt: structure.get("attempt").unwrap(),
        reason: structure.get("reason").ok(),
    })
}

pub fn report_in(seen: &Seen) -> Option<ConnectionReport> {
    match seen {
        Seen::Message(message) => report(message),
        _ => None,
    }
}

pub fn await_state(player: &Player, state: &str) -> ConnectionReport {
    player.until(state, |seen| report_in(seen).filter(|report| report.state == state))
}

/// Returns the nickname of what `connection-state` reads.
pub fn connection_state(element: &gst::Element) -> String {
    let value = element.property_value("connection-state");
    gst::glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
}

/// Returns all buffers, with the names of their pads, up to `pictures` video buffers after the next discontinuity.
pub fn until_again(player: &Player, pictures: usize) -> Vec<(String, gst::Buffer)> {
    let (mut all, mut left) = (Vec::new(), None);
    player.until("video again", |seen| {
        if let Seen::Buffer(pad, buffer) = seen {
            if pad == "video" {
                left = if is_discont(buffer) { Some(pictures) } else { left.map(|left: usize| left - 1) };
            }
            all.push((pad.clone(), buffer.clone()));
        }
        (left == Some(0)).then_some(())
    });
    all
}

pub fn is_resync(buffer: &gst::Buffer) -> bool {
    buffer.flags().contains(gst::BufferFlags::RESYNC)
}
