//! The camera's state for one client, from the first discovery packet on.

use crate::av_session::AvSession;
use crate::camera::Shared;
use crate::camera_event::{CameraEvent, ClientId, GoneReason};
use crate::envelope_state::EnvelopeState;
use crate::main_channel::{Change, MainChannel};
use crate::media_frame::MediaFrame;
use crate::talk::TalkEnd;
use crate::talk_session::TalkSession;
use gstwyze::protocol::wire::{Channel, SessionId};
use rand::RngExt;
use std::net::SocketAddr;
use std::time::Instant;

pub struct ClientSession {
    pub id: ClientId,
    /// The source of the client's last datagram; answers go there.
    pub address: SocketAddr,
    pub session_id: SessionId,
    pub envelope: EnvelopeState,
    channel: MainChannel,
    av: AvSession,
    talk: TalkSession,
    next_keepalive: Option<Instant>,
    last_heard: Instant,
}

impl ClientSession {
    pub fn new(
        now: Instant,
        id: ClientId,
        address: SocketAddr,
        session_id: SessionId,
        envelope: EnvelopeState,
        shared: &Shared,
    ) -> Self {
        let config = &shared.config;
        ClientSession {
            id,
            address,
            session_id,
            envelope,
            channel: MainChannel::new(config),
            av: AvSession::new(id),
            talk: TalkSession::new(id),
            next_keepalive: None,
            last_heard: now,
        }
    }

    pub fn is_streaming(&self) -> bool {
        self.av.is_streaming()
    }

    /// Keeps the session alive, and follows a client whose address changed.
    pub fn heard(&mut self, now: Instant, from: SocketAddr) {
        self.last_heard = now;
        self.address = from;
    }

    /// Starts the keepalives, once the envelope's session is established.
    pub fn open(&mut self, now: Instant, shared: &Shared) {
        self.next_keepalive.get_or_insert(now + shared.config.keepalive_interval);
    }

    /// Takes a DTLS datagram of the main channel; returns the reason if it ends the session.
    pub fn handle_dtls(&mut self, now: Instant, datagram: &[u8], shared: &mut Shared) -> Option<GoneReason> {
        let mut records = Vec::new();
        let change = self.channel.handle_datagram(now, datagram, |record| records.push(record.to_vec()));
        match &change {
            Change::Restarted => self.begin_again(shared),
            Change::Established(suite) => {
                self.begin_again(shared);
                shared.events.push_back(CameraEvent::ClientConnected {
                    client: self.id,
                    address: self.address,
                    suite: *suite,
                });
            }
            Change::None | Change::Closed | Change::Failed(_) => {}
        }
        for record in &records {
            self.av.handle_record(now, record, shared);
            if let Some(on) = self.av.talk_switch.take() {
                self.talk.switch(now, on, shared);
            }
        }
        self.send_av_records(shared);
        self.flush(shared);
        if change == Change::Closed { Some(GoneReason::Goodbye) } else { None }
    }

    /// Takes a DTLS datagram of the back channel.
    pub fn handle_back_channel(&mut self, now: Instant, datagram: &[u8], shared: &mut Shared) {
        self.talk.handle_datagram(now, datagram, shared);
        self.flush(shared);
    }

    pub fn push_frame(&mut self, now: Instant, frame: &MediaFrame, viewers: u8, shared: &mut Shared) {
        if !self.channel.is_established() || !self.av.takes(frame) {
            return;
        }
        let channel = &mut self.channel;
        self.av.push_frame(now, frame, viewers, shared, |packet| channel.send(packet));
        self.send_av_records(shared);
        self.flush(shared);
    }

    pub fn push_packet(&mut self, channel: Channel, packet: &[u8], shared: &mut Shared) {
        match channel {
            Channel::Main => self.channel.send(packet),
            Channel::Back => self.talk.push_packet(packet),
        }
        self.flush(shared);
    }

    /// Does what is due; returns the reason if the client has been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) -> Option<GoneReason> {
        if self.idle_at(shared) <= now {
            return Some(GoneReason::Idle);
        }
        if let Some(at) = self.next_keepalive
            && at <= now
        {
            self.envelope.check_overdue(now, &mut shared.log);
            let payload = shared.rng.random();
            let keepalive = self.envelope.keepalive(now, self.session_id, payload, &shared.config);
            shared.transmit(self.address, keepalive);
            self.next_keepalive = Some(now + shared.config.keepalive_interval);
        }
        self.channel.handle_timeout(now);
        self.av.handle_timeout(now, shared);
        self.talk.handle_timeout(now, shared);
        self.send_av_records(shared);
        self.flush(shared);
        None
    }

    pub fn poll_timeout(&self, shared: &Shared) -> Option<Instant> {
        let due = [self.next_keepalive, self.channel.poll_timeout(), self.av.poll_timeout(), self.talk.poll_timeout()];
        due.into_iter().flatten().chain([self.idle_at(shared)]).min()
    }

    /// Closes DTLS with an alert, on the back channel too.
    pub fn close(&mut self, shared: &mut Shared) {
        self.end_talk(shared);
        self.channel.close();
        self.flush(shared);
    }

    /// Ends talk because the session is over. Its goodbye goes out with the next flush, if there is one.
    pub fn end_talk(&mut self, shared: &mut Shared) {
        self.talk.hang_up(TalkEnd::SessionOver, shared);
    }

    fn begin_again(&mut self, shared: &mut Shared) {
        self.end_talk(shared);
        self.av = AvSession::new(self.id);
        self.talk = TalkSession::new(self.id);
    }

    fn idle_at(&self, shared: &Shared) -> Instant {
        self.last_heard + shared.config.idle_timeout
    }

    fn send_av_records(&mut self, shared: &Shared) {
        let records = std::mem::take(&mut self.av.to_send);
        if shared.config.join_packets && !records.is_empty() {
            self.channel.send(&records.concat());
            return;
        }
        for record in records {
            self.channel.send(&record);
        }
    }

    /// How many packets the client has asked for and not acknowledged.
    pub fn asked_for(&self) -> usize {
        self.av.asked_for()
    }

    /// How many timing probes the client has not answered.
    pub fn unanswered_probes(&self) -> usize {
        self.av.unanswered_probes()
    }

    fn flush(&mut self, shared: &mut Shared) {
        // The main channel first, so that its answer to K10010 comes before the back channel's first packet.
        let main = std::iter::from_fn(|| Some((Channel::Main, self.channel.poll_transmit()?)));
        let back = std::iter::from_fn(|| Some((Channel::Back, self.talk.poll_transmit()?)));
        for (channel, datagram) in main.chain(back) {
            let wrapped = self.envelope.wrap(self.session_id, channel, &datagram, &shared.config);
            shared.transmit(self.address, wrapped);
        }
    }
}
