//! A connection to a camera for commands alone, without picture and sound.

use super::Failure;
use gstwyze::account::Camera;
use gstwyze::protocol::client::{CameraInfo, Config, Request};
use gstwyze::session::{Event, Membership, Place, Reply, Use, Wants};
use std::sync::mpsc;
use std::time::Duration;

pub struct Line {
    member: Membership,
    pub info: CameraInfo,
}

impl Line {
    /// Connects, which takes `timeout` at most.
    pub fn open(camera: &Camera, place: Place, timeout: Duration) -> Result<Self, Failure> {
        let credentials = camera.credentials().map_err(Failure::other)?;
        let model = Some(camera.model.clone()).filter(|model| !model.is_empty());
        let config = Config { connect_timeout: timeout, model, ..Config::default() };
        let (sender, events) = mpsc::channel();
        let observer = move |event| {
            // Nobody listens once it is connected.
            let _ = sender.send(event);
            Use::Used
        };
        let (member, _) =
            Membership::join(credentials.into(), config, place, Wants::default(), Some(0), None, observer)
                .map_err(Failure::other)?;
        for event in events {
            match event {
                Event::Connected(info) => return Ok(Line { member, info }),
                Event::Ended(error) => return Err(Failure::other(error)),
                _ => {}
            }
        }
        Err(Failure::Other("the session ended without a reason".into()))
    }

    /// Sends a command, and waits for what it comes to.
    pub fn call(&self, request: Request) -> Result<Vec<u8>, Failure> {
        let (sender, reply) = mpsc::channel();
        self.member.caller().command(request, move |reply| {
            // The receiver waits below.
            let _ = sender.send(reply);
        });
        match reply.recv() {
            Ok(Reply::Answer(payload)) => Ok(payload),
            Ok(Reply::Silence) => Err(Failure::Silence),
            Ok(Reply::Lost) | Err(_) => Err(Failure::Other("the connection was lost before the answer".into())),
        }
    }
}
