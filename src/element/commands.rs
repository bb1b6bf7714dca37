//! Commands that an application sends to the camera through an element, and the promises that their answers keep.

use super::Announcer;
use crate::protocol::commands;
use crate::session::{Membership, Reply};
use gst::glib;
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

/// Sends a command, and keeps `promise` when it is answered: with `application/x-wyze-reply` and the answer's
/// `payload` (GBytes), with an empty structure of that name where the camera keeps silent for 5 s, and with nothing
/// where there is no connection. Does not wait.
pub fn send_command(
    element: &gst::Element,
    announcer: &Announcer,
    session: &Membership,
    request: commands::Request,
    promise: gst::Promise,
) {
    let answer = Answer(Some(promise));
    let (weak, announcer) = (element.downgrade(), announcer.clone());
    session.command(request.into(), move |reply| {
        let structure = gst::Structure::builder("application/x-wyze-reply");
        let structure = match reply {
            Reply::Answer(payload) => Some(structure.field("payload", glib::Bytes::from_owned(payload)).build()),
            Reply::Silence => Some(structure.build()),
            Reply::Lost => None,
        };
        // A promise runs the application's code.
        if let Some(element) = weak.upgrade() {
            announcer.announce(&element, move |_| answer.reply(structure));
        }
    });
}
