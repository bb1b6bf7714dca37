//! What a client keeps whichever connection it has: search and connection both work with it.

use super::config::Config;
use super::event::Event;
use crate::protocol::credentials::Credentials;
use crate::protocol::error::Stage;
use crate::protocol::stats::Stats;
use crate::protocol::timers::{SearchTimer, TimerTable};
use crate::protocol::trace::{Direction, Trace};
use crate::protocol::transport::Transport;
use crate::protocol::wire::Channel;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub struct Context {
    pub credentials: Credentials,
    pub config: Config,
    pub transport: Transport,
    pub stage: Stage,
    stage_since: Instant,
    pub started: Instant,
    /// The wall clock at `started`, since 1970.
    unix_start: Duration,
    pub timers: TimerTable<SearchTimer>,
    pub rng: StdRng,
    pub stats: Stats,
    pub events: VecDeque<Event>,
}

impl Context {
    pub fn new(
        credentials: Credentials,
        config: Config,
        transport: Transport,
        rng: StdRng,
        now: Instant,
        unix_time: Duration,
    ) -> Self {
        let mut timers = TimerTable::default();
        timers.set(SearchTimer::Connect, now + config.connect_timeout);
        Context {
            credentials,
            config,
            transport,
            stage: Stage::Discovery,
            stage_since: now,
            started: now,
            unix_start: unix_time,
            timers,
            rng,
            stats: Stats::default(),
            events: VecDeque::from([Event::Stage(Stage::Discovery)]),
        }
    }

    /// The time since 1970 at `now`.
    pub fn unix_time(&self, now: Instant) -> Duration {
        self.unix_start + now.duration_since(self.started)
    }

    /// Goes on, or back, to `stage` and tells so.
    pub fn enter(&mut self, stage: Stage, now: Instant) {
        self.stats.stages[self.stage as usize] += now.duration_since(self.stage_since);
        self.stage = stage;
        self.stage_since = now;
        self.events.push_back(Event::Stage(stage));
    }

    /// Shows the plain bytes of a DTLS record to whoever listens in.
    pub fn trace(&self, direction: Direction, channel: Channel, record: &[u8]) {
        if let Some(Trace(sink)) = &self.config.trace {
            sink.record(direction, channel, record);
        }
    }
}
