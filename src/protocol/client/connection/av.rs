//! The AV packets in a DTLS record: each goes to the part that it is for. Mostly a record has one.

use super::Connection;
use crate::protocol::client::context::Context;
use crate::protocol::error::Error;
use crate::protocol::wire::probe::{self, Probe, ProbeAnswer};
use crate::protocol::wire::{control, login, media};
use std::time::Instant;

impl Connection {
    pub(super) fn handle_av(
        &mut self,
        sequence: u64,
        record: &[u8],
        context: &mut Context,
        now: Instant,
    ) -> Result<(), Error> {
        let mut rest = self.handle_packet(sequence, record, context, now)?;
        // Packets may be padded with zeros.
        while rest.iter().any(|&byte| byte != 0) {
            rest = self.handle_packet(sequence, rest, context, now)?;
        }
        Ok(())
    }

    /// Handles the packet that `b` begins with, and returns what follows it.
    fn handle_packet<'a>(
        &mut self,
        sequence: u64,
        b: &'a [u8],
        context: &mut Context,
        now: Instant,
    ) -> Result<&'a [u8], Error> {
        let Some(&[low, high]) = b.first_chunk::<2>() else {
            context.stats.malformed += 1;
            return Ok(&[]);
        };
        self.received_since_answer = self.received_since_answer.saturating_add(1);
        Ok(match u16::from_le_bytes([low, high]) {
            _ if media::is_media(b) => self.handle_media(sequence, b, context, now),
            login::RESPONSE => {
                let (response, rest) = b.split_at(login::Response::len(b));
                self.handle_login_response(response, context, now)?;
                rest
            }
            control::ACK => self.handle_ack(b, context, now),
            probe::PROBE => match Probe::parse_first(b) {
                Ok((probe, rest)) => {
                    self.answer_probe(&probe, context);
                    rest
                }
                Err(_) => self.handle_malformed(context),
            },
            magic if control::is_control(magic) => self.handle_control(b, context, now)?,
            control::OTHER_CONTROL | control::OTHER_CHANNEL => {
                context.stats.unknown += 1;
                &[]
            }
            _ => self.handle_malformed(context),
        })
    }

    /// Counts a packet that cannot be read. Where it ends cannot be known either.
    pub(super) fn handle_malformed<'a>(&self, context: &mut Context) -> &'a [u8] {
        context.stats.malformed += 1;
        &[]
    }

    pub(super) fn answer_probe(&mut self, probe: &Probe, context: &mut Context) {
        let received = std::mem::take(&mut self.received_since_answer);
        let answer = ProbeAnswer { version: probe.version, clock: probe.clock, received };
        context.stats.timing_probes += 1;
        self.send(&answer.emit(), context);
    }
}
