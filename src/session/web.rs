//! How the driver connects over WebRTC: a ticket first, then an attempt with a viewer and a call.

use super::Event;
use super::attempt::Attempt;
use super::call::{Call, local_addresses};
use super::connection::Connection;
use super::driver::{Driver, Phase, Turned};
use super::invitation::{Asked, Invitation, start_inviting};
use super::peer::TICKET_PATIENCE;
use crate::protocol::client::{Config, Resend};
use crate::protocol::error::{Error, Stage};
use crate::protocol::webrtc::{Viewer, ViewerConfig};
use crate::unix_time::unix_time;
use rand::RngExt;
use std::io;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// How long a camera that was lost is waited for with one ticket.
const PATIENCE: Duration = Duration::from_secs(60);

impl Driver {
    /// Asks for a ticket, which is good for one attempt.
    pub(super) fn invite(&mut self) -> Turned {
        let Some(tickets) = &self.peer.tickets else { return Err(self.broken("there are no tickets")) };
        let answer = start_inviting(tickets, &self.shared);
        self.members.handle(Event::Stage(Stage::Cloud));
        let until = Instant::now() + TICKET_PATIENCE.min(self.attempt_time());
        self.await_invitation(Asked { answer, until })
    }

    pub(super) fn await_invitation(&mut self, asked: Asked) -> Turned {
        self.handle_requests(None)?;
        let invitation = match asked.answer.try_recv() {
            Ok(invitation) => invitation,
            Err(TryRecvError::Empty) if Instant::now() < asked.until => {
                let until = asked.until;
                return Ok((Phase::Inviting(asked), Some(until)));
            }
            Err(_) => Err(Error::TicketRefused { reason: "no answer".into() }),
        };
        match invitation {
            Ok(invitation) => match self.call(&invitation) {
                Ok(Ok(attempt)) => self.drive(attempt),
                Ok(Err(error)) => self.failed(error, false, false),
                Err(e) => self.not_opened(&e),
            },
            Err(error) => self.failed(error, false, false),
        }
    }

    /// Starts to call the camera. The outer error is the system's.
    fn call(&mut self, invitation: &Invitation) -> io::Result<Result<Box<Attempt>, Error>> {
        let socket = self.open_socket()?;
        let (now, port) = (Instant::now(), socket.local_addr()?.port());
        let (registry, interface) = (self.poll.registry().try_clone()?, self.place.interface.clone());
        let local = local_addresses(port, interface.as_deref(), invitation.signalling.ip());
        let call = match Call::new(invitation, port, registry, interface, now) {
            Ok(call) => call,
            Err(error) => return Ok(Err(error)),
        };
        let config = self.viewer_config(invitation);
        let viewer = Viewer::new(config, &local, now, unix_time(), self.rng.random());
        let attempt = Attempt::new(Connection::WebRtc(Box::new(viewer)), socket, None)?;
        Ok(Ok(Box::new(attempt.with_call(call))))
    }

    fn viewer_config(&mut self, invitation: &Invitation) -> ViewerConfig {
        let connect_timeout = self.attempt_time();
        // Servers do not look at it, but cameras may tell viewers apart by it.
        let client_id = format!("{:032x}", self.rng.random::<u128>());
        let patience = if self.camera.is_some() { PATIENCE } else { Duration::ZERO };
        let Config { media, stall_timeout, key_frame_requests, reorder_wait, resend, resend_wait, .. } =
            self.config.clone();
        ViewerConfig {
            media,
            connect_timeout,
            patience,
            stall_timeout,
            key_frame_requests,
            reorder_wait,
            resend_wait: Some(resend_wait).filter(|_| resend != Resend::Off),
            stun: invitation.stun.clone(),
            relays: invitation.relays.clone(),
            ..ViewerConfig::new(client_id)
        }
    }
}
