//! Lost packets that the camera is asked for again, where it agreed to that at login: they are listed in its ACKs.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::client::event::Event;
use crate::protocol::client::{Config, Resend};
use crate::protocol::missing::Missing;
use crate::protocol::model;
use crate::protocol::resend_window::{Counters, ResendWindow};
use crate::protocol::timers::ConnectionTimer;
use crate::protocol::wire::media::{self, MediaPacket};
use crate::protocol::wire::selective_ack::SelectiveAck;
use std::time::{Duration, Instant};

/// The least time between an ACK and one that tells of a new hole.
const HOLE_ACK_INTERVAL: Duration = Duration::from_millis(25);
/// How long a DTLS record is waited for at most: longer than packets overtake each other on a local network. A packet
/// that comes again comes in another record.
const RECORD_WAIT: Duration = Duration::from_millis(20);

/// The state of a connection whose camera sends lost packets again.
#[derive(Debug)]
pub struct Resending {
    pub window: ResendWindow,
    /// The version of the last media packet.
    version: u16,
}

impl Default for Resending {
    fn default() -> Self {
        Resending { window: ResendWindow::default(), version: media::VERSION }
    }
}

impl Connection {
    /// Whether a camera of this model is asked to send lost packets again.
    pub(super) fn wants_resends(&self, config: &Config) -> bool {
        match config.resend {
            Resend::Auto => model::resends(&self.model),
            Resend::On => true,
            Resend::Off => false,
        }
    }

    /// Returns the number of a media packet in the order of sending: its own, or else that of its DTLS record.
    pub(super) fn order(&mut self, packet: &MediaPacket<'_>, record: u64, context: &mut Context, now: Instant) -> u64 {
        let Some(resending) = &mut self.resending else { return record };
        let MediaPacket { counter: inner, sequence: outer, index, is_resent, .. } = *packet;
        let counters = Counters { inner, outer, index, is_resent };
        resending.version = packet.version;
        let by_head = resending.window.counts_by_head();
        let (number, is_hole) = resending.window.received(counters, now, context.config.resend_wait);
        if !by_head && resending.window.counts_by_head() {
            context.events.push_back(Event::CountsByHead);
        }
        if is_hole {
            self.timers.set_no_later(ConnectionTimer::Ack, (self.last_ack + HOLE_ACK_INTERVAL).max(now));
        }
        number
    }

    /// Returns how long a DTLS record is waited for.
    pub(super) fn record_wait(&self, config: &Config) -> Duration {
        if self.resending.is_some() { config.reorder_wait.min(RECORD_WAIT) } else { config.reorder_wait }
    }

    /// Returns how long a frame that still grows keeps later ones back. Where packets are numbered, what is missing of
    /// it is known.
    pub(super) fn frame_wait(&self, config: &Config) -> Duration {
        if self.resending.is_some() { Duration::ZERO } else { config.reorder_wait }
    }

    /// Returns what has not come of the packets that [`Connection::order`] numbers.
    pub(super) fn missing(&self) -> Missing {
        self.resending.as_ref().map_or_else(|| self.records.missing(), |resending| resending.window.missing())
    }

    /// Gives up the packets whose time is over.
    pub(super) fn stop_asking(&mut self, now: Instant) {
        if let Some(resending) = &mut self.resending {
            resending.window.expire(now);
        }
    }

    pub(super) fn next_give_up(&self) -> Option<Instant> {
        self.resending.as_ref().and_then(|resending| resending.window.next_expiry())
    }

    /// Makes the next ACK; `None` where the camera does not send packets again.
    pub(super) fn selective_ack(&mut self, milliseconds: u16) -> Option<Vec<u8>> {
        let resending = self.resending.as_mut()?;
        let media = resending.window.acknowledge();
        let (send_counter, counter) = self.control.number_ack();
        let ack = SelectiveAck {
            version: resending.version,
            // The field has the low 16 bits.
            send_counter: send_counter as u16,
            base: media.base,
            newest: media.newest,
            control: self.control.complete_up_to(),
            state: 0,
            counter,
            milliseconds,
            missing: media.missing,
        };
        Some(ack.emit())
    }
}
