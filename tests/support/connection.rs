//! Shared by the tests of lost connections: `wyze-connection` messages, and the buffers after a reconnection.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::support::*;

/// The fields of a `wyze-connection` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub state: String,
    pub stage: String,
    pub attempt: u32,
    pub reason: Option<String>,
}

pub fn told(message: &gst::Message) -> Option<Told> {
    let structure = message.structure().filter(|structure| structure.name() == "wyze-connection")?;
    Some(Told {
        state: structure.get("state").unwrap(),
        stage: structure.get("stage").unwrap(),
        attempt: structure.get("attempt").unwrap(),
        reason: structure.get("reason").ok(),
    })
}

pub fn told_of(seen: &Seen) -> Option<Told> {
    match seen {
        Seen::Message(message) => told(message),
        _ => None,
    }
}

pub fn await_state(player: &Player, state: &str) -> Told {
    player.until(state, |seen| told_of(seen).filter(|told| told.state == state))
}

/// Returns all buffers, with the names of their pads, up to `pictures` video buffers after the next discontinuity.
pub fn until_again(player: &Player, pictures: usize) -> Vec<(String, gst::Buffer)> {
    let (mut all, mut left) = (Vec::new(), None);
    player.until("pictures again", |seen| {
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
