//! Commands that an application sends to the camera through an element, and the promises that their answers keep.

use super::Announcer;
use crate::protocol::client::Request;
use crate::protocol::commands;
use crate::session::{Caller, Reply};
use gst::prelude::*;

/// Keeps a promise once: with what it is given, or with nothing when it is dropped.
struct Answer(Option<gst::Promise>);

impl Answer {
    fn reply(mut self, structure: Option<gst::Structure>) {
        if let Some(promise) = self.0.take() {
            promise.reply(structure);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(promise) = self.0.take() {
            promise.reply(None);
        }
    }
}

/// What a promise is kept with, made of the answer's payload.
pub type Fill = fn(&[u8], gst::structure::Builder) -> gst::structure::Builder;

/// Sends a command, and keeps `promise` when it is answered: with `application/x-wyze-reply` and what `fill` puts there,
/// with an empty structure of that name where the camera keeps silent for 5 s, and with nothing where there is no
/// connection. Does not wait.
pub fn ask(
    element: &gst::Element,
    announcer: &Announcer,
    session: &Caller,
    request: Request,
    fill: Fill,
    promise: gst::Promise,
) {
    let answer = Answer(Some(promise));
    let (weak, announcer) = (element.downgrade(), announcer.clone());
    session.command(request, move |reply| {
        let structure = gst::Structure::builder("application/x-wyze-reply");
        let structure = match reply {
            Reply::Answer(payload) => Some(fill(&payload, structure).build()),
            Reply::Silence => Some(structure.build()),
            Reply::Lost => None,
        };
        // A promise runs the application's code.
        if let Some(element) = weak.upgrade() {
            announcer.announce_always(&element, move |_| answer.reply(structure));
        }
    });
}

/// Sends a command, and logs what it comes to. Does not wait.
pub fn act(element: &gst::Element, category: gst::DebugCategory, session: &Caller, request: commands::Request) {
    let (weak, name) = (element.downgrade(), request.command.name);
    session.command(request.into(), move |reply| {
        let Some(element) = weak.upgrade() else { return };
        match reply {
            Reply::Answer(payload) => match commands::refusal(&payload) {
                Some(number) => gst::warning!(category, obj = element, "The camera refused {name}: {number}"),
                None => gst::info!(category, obj = element, "The camera does {name}"),
            },
            Reply::Silence => {
                gst::warning!(
                    category,
                    obj = element,
                    "The camera did not answer {name}: it does not know it, or is busy"
                );
            }
            Reply::Lost => gst::warning!(category, obj = element, "{name} was not sent, or lost with the connection"),
        }
    });
}
