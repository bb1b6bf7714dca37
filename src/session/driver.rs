//! The session thread: connects, tells members what comes, does what they ask, and connects again when the camera is
//! lost.
//!
//! Each connection is an [`Attempt`]. What outlives it is the [`Driver`]'s: members, counters, and where the camera was
//! found.

use super::attempt::Attempt;
use super::backoff::Backoff;
use super::calls::{Callback, Calls, Reply};
use super::members::{MemberId, Members, Use};
use super::shared::{Action, Shared, TalkAction};
use super::{Event, Place, lock, socket, targets};
use crate::protocol::client::{self, Client, Config, Request};
use crate::protocol::error::{Error, Stage};
use crate::protocol::stats::Stats;
use crate::unix_time::unix_time;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// From this attempt to reconnect on, the camera is also searched for by broadcast.
const SEARCH_FROM: u32 = 2;
/// How long to rest before the next look for the camera when there is no network.
const NO_NETWORK_PAUSE: Duration = Duration::from_secs(1);
/// How long an attempt may take where the camera is waited for without a limit.
const ATTEMPT_TIME: Duration = Duration::from_secs(15);
/// How long to wait for a name service when there are known addresses to try.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(2);
const SOCKET: Token = Token(0);
pub const WAKER: Token = Token(1);

fn broken(stage: Stage, reason: impl ToString) -> Error {
    Error::Broken { stage, reason: reason.to_string() }
}

/// Why an attempt, a pause or the session is over.
enum Exit {
    /// The last member has left.
    Stopped,
    Failed(Error),
}

pub struct Driver {
    shared: Arc<Shared>,
    poll: Poll,
    events: Events,
    /// The first attempt's socket, which was opened before the thread started; later attempts open their own.
    first_socket: Option<UdpSocket>,
    /// The next attempt's configuration; targets are filled in then.
    config: Config,
    place: Place,
    members: Members,
    /// What members have asked the camera, and wait for.
    calls: Calls,
    /// Actions taken from `shared` that are still to be done.
    actions: VecDeque<Action>,
    rng: StdRng,
    backoff: Backoff,
    /// Counters of earlier attempts.
    stats: Stats,
    /// What `place` came to when it was last looked up.
    known: Vec<SocketAddr>,
    /// The camera's address at the last connection; `None` before the first.
    camera: Option<IpAddr>,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, poll: Poll, first_socket: UdpSocket, config: Config, place: Place) -> Self {
        Driver {
            shared,
            poll,
            events: Events::with_capacity(2),
            first_socket: Some(first_socket),
            config,
            place,
            members: Members::default(),
            calls: Calls::default(),
            actions: VecDeque::new(),
            rng: StdRng::from_seed(rand::rng().random()),
            backoff: Backoff::default(),
            stats: Stats::default(),
            known: Vec::new(),
            camera: None,
        }
    }

    /// Runs until the session fails or is asked to stop.
    ///
    /// A panic, be it of a member's observer, ends the session as an error does: else members would wait for ever for a
    /// thread that is gone.
    pub fn run(mut self) {
        let exit = match catch_unwind(AssertUnwindSafe(|| self.keep_connected())) {
            Ok(Err(exit)) => exit,
            Err(_) => self.broken("the session thread panicked"),
        };
        // Nobody can join from here on. Members that joined since the last look learn of the end too.
        self.actions.extend(self.shared.end());
        while let Some(action) = self.actions.pop_front() {
            // A member that joins now is told how far the session had come, and its observer may panic too.
            let _ = catch_unwind(AssertUnwindSafe(|| self.act(action, None)));
        }
        self.calls.close_all();
        if let Exit::Failed(error) = exit {
            lock(&self.shared.stats).last_error = Some(error.reason());
            self.members.end(&error);
        }
    }

    /// Connects, and again whenever the connection is lost. Never returns `Ok`; the error is what ends the session.
    fn keep_connected(&mut self) -> Result<Infallible, Exit> {
        loop {
            let (exit, is_away) = match self.begin_attempt() {
                Ok(mut attempt) => {
                    let Err(exit) = self.drive(&mut attempt);
                    self.calls.close_all();
                    if matches!(exit, Exit::Stopped) {
                        attempt.close();
                    }
                    if attempt.has_succeeded() {
                        self.backoff.reset();
                    }
                    (exit, attempt.is_searching())
                }
                Err(exit) => (exit, true),
            };
            let Exit::Failed(error) = exit else { return Err(exit) };
            self.stats = {
                let mut stats = lock(&self.shared.stats);
                stats.last_error = Some(error.reason());
                stats.clone()
            };
            let is_lost = self.camera.is_some();
            if !(is_lost || self.config.connect_timeout.is_zero()) || !error.may_pass() {
                return Err(Exit::Failed(error));
            }
            let (number, delay) = self.backoff.next(&mut self.rng);
            if !self.members.reconnect(&error, number, delay, is_lost) {
                return Err(Exit::Failed(error));
            }
            self.pause(Instant::now() + delay, is_away)?;
        }
    }

    // One attempt

    /// Starts to look for the camera, from a new socket.
    fn begin_attempt(&mut self) -> Result<Attempt, Exit> {
        self.find_place()?;
        let connect_timeout = self.attempt_time();
        self.open(Config { targets: self.targets(), connect_timeout, ..self.config.clone() }).map_err(|e| {
            Exit::Failed(match &self.place.interface {
                Some(name) => Error::NoInterface { name: name.clone(), reason: e.to_string() },
                None => broken(Stage::Discovery, e),
            })
        })
    }

    /// How long an attempt may take.
    fn attempt_time(&self) -> Duration {
        Some(self.config.connect_timeout).filter(|timeout| !timeout.is_zero()).unwrap_or(ATTEMPT_TIME)
    }

    fn open(&mut self, config: Config) -> io::Result<Attempt> {
        let mut socket = match self.first_socket.take() {
            Some(socket) => socket,
            None => socket::open()?,
        };
        if let Some(interface) = &self.place.interface {
            socket::bind_interface(&socket, interface)?;
        }
        self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        let trace = config.trace.clone();
        let client = Client::new(config, Instant::now(), unix_time(), self.rng.random());
        Ok(Attempt::new(client, socket, trace))
    }

    /// Looks up `place` anew. Only a name takes time, and not to find its addresses is an error only in the first
    /// attempt.
    fn find_place(&mut self) -> Result<(), Exit> {
        let Some(host) = self.place.host.clone() else {
            self.known = targets::search_addresses(&self.place);
            return Ok(());
        };
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            self.known = vec![SocketAddr::new(ip.into(), self.place.port)];
            return Ok(());
        }
        let is_first = self.backoff.attempts() == 0;
        let deadline = Instant::now() + if is_first { self.attempt_time() } else { RESOLVER_PATIENCE };
        let answer = targets::start_resolving(&host, self.place.port, &self.shared);
        let found = loop {
            self.handle_requests(None)?;
            match answer.try_recv() {
                Ok(found) => break found,
                Err(TryRecvError::Empty) if Instant::now() < deadline => self.wait(Some(deadline))?,
                Err(_) => break Err(Error::UnknownHost { host, reason: "no answer".into() }),
            }
        };
        match found {
            Ok(addresses) => self.known = addresses,
            Err(error) if self.known.is_empty() => return Err(Exit::Failed(error)),
            // The name service may be away with the rest of the network: its last answer will do.
            Err(_) => {}
        }
        Ok(())
    }

    /// Where to look for the camera, by what is known of it.
    fn targets(&self) -> Vec<SocketAddr> {
        let attempt = self.backoff.attempts();
        let mut addresses = self.known.clone();
        if attempt >= 1 {
            addresses.extend(self.camera.map(|ip| SocketAddr::new(ip, self.place.port)));
        }
        // A camera on this machine does not move into the network.
        if attempt >= SEARCH_FROM && !addresses.iter().any(|address| address.ip().is_loopback()) {
            addresses.extend(targets::broadcast_addresses(&self.place));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Moves datagrams, events and actions until the attempt is over. Never returns `Ok`.
    fn drive(&mut self, attempt: &mut Attempt) -> Result<Infallible, Exit> {
        loop {
            self.handle_requests(Some(attempt))?;
            self.pump(attempt)?;
            self.wait(attempt.poll_timeout())?;
            attempt.receive().map_err(|e| self.broken(e))?;
        }
    }

    /// Passes on what the client has to say. The error is its last word.
    fn pump(&mut self, attempt: &mut Attempt) -> Result<(), Exit> {
        attempt.transmit();
        *lock(&self.shared.stats) = self.stats.and(&attempt.client.stats());
        while let Some(event) = attempt.poll_event() {
            match &event {
                client::Event::Ended(error) => return Err(Exit::Failed(error.clone())),
                client::Event::Connected(camera) => self.connected(camera.address.ip()),
                _ => {}
            }
            let medium = match &event {
                client::Event::Frame(frame) => Some(frame.medium),
                _ => None,
            };
            if let client::Event::Reply(call, answer) = event {
                self.calls.close(call, answer.map_or(Reply::Silence, Reply::Answer));
                continue;
            }
            let Some(event) = Event::of(event) else { continue };
            let used = self.members.handle(event);
            if let Some(medium) = medium {
                attempt.client.judge(medium, used == Use::Used, Instant::now());
            }
        }
        Ok(())
    }

    fn connected(&mut self, camera: IpAddr) {
        if self.camera.replace(camera).is_some() {
            self.stats.reconnects += 1;
            lock(&self.shared.stats).reconnects += 1;
        }
    }

    // Between attempts

    /// Waits for the next attempt's time; a camera that was away ends the pause when it is back.
    fn pause(&mut self, until: Instant, is_away: bool) -> Result<(), Exit> {
        if !is_away {
            return self.rest(until);
        }
        loop {
            match self.look_out(until) {
                // The network is away too.
                Err(Exit::Failed(_)) => self.rest(until.min(Instant::now() + NO_NETWORK_PAUSE))?,
                looked => return looked,
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Probes for the camera now and then, until it answers or the time is over.
    fn look_out(&mut self, until: Instant) -> Result<(), Exit> {
        // `until` ends this, so the client's own limit must not come first.
        let connect_timeout = until.saturating_duration_since(Instant::now()) * 2;
        let config = Config { targets: self.targets(), patient: true, connect_timeout, ..self.config.clone() };
        let mut attempt = self.open(config).map_err(|e| self.broken(e))?;
        while attempt.is_searching() && Instant::now() < until {
            attempt.transmit();
            self.handle_requests(None)?;
            self.wait(attempt.poll_timeout().into_iter().chain([until]).min())?;
            attempt.receive().map_err(|e| self.broken(e))?;
        }
        Ok(())
    }

    /// Only waits, and does what members ask.
    fn rest(&mut self, until: Instant) -> Result<(), Exit> {
        loop {
            self.handle_requests(None)?;
            if Instant::now() >= until {
                return Ok(());
            }
            self.wait(Some(until))?;
        }
    }

    /// Sleeps until a datagram arrives, a member asks for something, or `until`.
    fn wait(&mut self, until: Option<Instant>) -> Result<(), Exit> {
        let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(self.broken(e)),
            _ => Ok(()),
        }
    }

    /// A failure at the stage that the members were last told of.
    fn broken(&self, reason: impl ToString) -> Exit {
        Exit::Failed(broken(self.members.stage().unwrap_or(Stage::Discovery), reason))
    }

    // What members ask for

    /// Does what members have asked for since the last look.
    fn handle_requests(&mut self, mut attempt: Option<&mut Attempt>) -> Result<(), Exit> {
        let (actions, stop) = self.shared.take();
        self.actions.extend(actions);
        while let Some(action) = self.actions.pop_front() {
            self.act(action, attempt.as_deref_mut().map(|attempt| &mut attempt.client));
            if let Some(attempt) = &mut attempt {
                // Before the next action: the end of one talk must not be told to the member that starts another.
                self.pump(attempt)?;
            }
        }
        if stop { Err(Exit::Stopped) } else { Ok(()) }
    }

    /// Does one action. Without a client it takes effect with the next attempt.
    fn act(&mut self, action: Action, mut client: Option<&mut Client>) {
        let now = Instant::now();
        match (action, &mut client) {
            (Action::Join(member), _) => self.members.join(member),
            (Action::Leave(id, done), client) => {
                let talked = self.members.leave(id);
                for call in self.calls.close_of(id) {
                    if let Some(client) = client {
                        client.forget(call);
                    }
                }
                if let Some(client) = client.as_mut().filter(|_| talked) {
                    client.stop_talk(true, now);
                }
                drop(done);
            }
            (Action::Want(id, wants), _) => self.members.want(id, wants),
            (Action::VideoWish(wish), client) => {
                self.config.video_wish = wish;
                if let Some(client) = client {
                    client.set_video_wish(wish, now);
                }
            }
            (Action::Command(id, request, callback), client) => {
                self.command(id, request, callback, client.as_deref_mut(), now)
            }
            (Action::KeyFrame, Some(client)) => client.request_key_frame(now),
            (Action::Talk(id, action), Some(client)) => self.talk(id, action, client, now),
            // Every connection begins with a key frame, and members talk only once they are told of a connection.
            (Action::KeyFrame | Action::Talk(..), None) => {}
        }
        let wants = self.members.wants();
        self.config.media = wants.media;
        self.config.stall_timeout = wants.stall_timeout;
        self.config.key_frame_requests = wants.key_frames;
        self.config.set_clock = wants.set_clock;
        if let Some(client) = client {
            client.set_media(wants.media, now);
            client.set_stall_timeout(wants.stall_timeout, now);
            client.set_key_frame_requests(wants.key_frames);
            client.allow_set_clock(wants.set_clock);
        }
    }

    fn command(
        &mut self,
        id: MemberId,
        request: Request,
        callback: Callback,
        client: Option<&mut Client>,
        now: Instant,
    ) {
        let Some(client) = client.filter(|_| self.members.has(id)) else {
            callback(Reply::Lost);
            return;
        };
        let call = self.calls.open(id, callback);
        if !client.request(Request { caller: Some(call), ..request }, now) {
            self.calls.close(call, Reply::Lost);
        }
    }

    /// Does what a member asks for its talk, if it is the one that talks.
    fn talk(&mut self, id: MemberId, action: TalkAction, client: &mut Client, now: Instant) {
        let may_talk = match action {
            TalkAction::Start => self.members.take_floor(id),
            _ => self.members.is_talker(id),
        };
        if !may_talk {
            return;
        }
        match action {
            TalkAction::Start => client.start_talk(now),
            TalkAction::Send(audio) => client.send_talk(audio, now),
            TalkAction::Flush => client.flush_talk(),
            TalkAction::Stop { at_once } => client.stop_talk(at_once, now),
        }
    }
}
