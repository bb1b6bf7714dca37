//! The session thread: connects, tells members what comes, does what they ask, and connects again when the camera is
//! lost.
//!
//! Each connection is an [`Attempt`]. What outlives it is the [`Driver`]'s: members, counters, and where the camera was
//! found. A driver goes on in turns, between which it waits, so that another thread can go on with it ([`standby`]).

use super::attempt::Attempt;
use super::backoff::Backoff;
use super::calls::{Callback, Calls, Reply};
use super::connection::Connection;
#[cfg(feature = "webrtc")]
use super::invitation::Asked;
use super::members::{MemberId, Members, Use};
use super::shared::{Action, Shared, TalkAction};
use super::standby::{self, Waiting, Watched};
use super::tokens::SOCKET;
use super::way::Way;
use super::{Event, Peer, Place, lock, socket, targets};
#[cfg(feature = "webrtc")]
use crate::protocol::client::TransportKind;
use crate::protocol::client::{self, CameraInfo, Client, Config, Request};
use crate::protocol::credentials::Credentials;
use crate::protocol::error::{Error, Stage};
use crate::protocol::stats::Stats;
use crate::unix_time::unix_time;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// From this attempt to reconnect on, the camera is also searched for by broadcast.
const SEARCH_FROM: u32 = 2;
/// How long to rest before the next look for the camera when there is no network.
const NO_NETWORK_PAUSE: Duration = Duration::from_secs(1);
/// How long an attempt may take where the camera is waited for without a limit.
const ATTEMPT_TIME: Duration = Duration::from_secs(15);
/// How long to wait for a name service when there are known addresses to try.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(2);

fn broken(stage: Stage, reason: impl ToString) -> Error {
    Error::Broken { stage, reason: reason.to_string() }
}

/// Why an attempt or the session is over.
pub(super) enum Exit {
    /// The last member has left.
    Stopped,
    Failed(Error),
}

/// What the next turn goes on with.
#[derive(Default)]
pub(super) enum Phase {
    /// An attempt begins.
    #[default]
    Starting,
    /// A name service is asked where the camera is.
    Resolving(Lookup),
    /// The cloud is asked for a ticket.
    #[cfg(feature = "webrtc")]
    Inviting(Asked),
    Attempting(Box<Attempt>),
    /// The next attempt is waited for.
    Pausing(Pause),
}

pub(super) struct Lookup {
    host: String,
    answer: Receiver<Result<Vec<SocketAddr>, Error>>,
    until: Instant,
}

pub(super) struct Pause {
    until: Instant,
    /// The camera was away: when it is seen, the pause ends.
    is_away: bool,
    /// What looks for it meanwhile.
    look: Option<Box<Attempt>>,
    /// The network was away too, and is not tried again before this.
    rest_until: Option<Instant>,
}

/// What follows, and when it does so at the latest, if nothing comes before; the error ends the session.
pub(super) type Turned = Result<(Phase, Option<Instant>), Exit>;

pub struct Driver {
    pub(super) shared: Arc<Shared>,
    berth: Arc<Berth>,
    /// Somebody looks whether its thread is held up.
    _watched: Watched,
    pub(super) poll: Poll,
    events: Events,
    phase: Phase,
    /// When the next turn is due, if nothing comes before.
    due: Option<Instant>,
    /// The first attempt's socket, which was opened before the thread started; later attempts open their own.
    first_socket: Option<UdpSocket>,
    pub(super) peer: Peer,
    way: Way,
    /// The next attempt's configuration; targets are filled in then.
    pub(super) config: Config,
    pub(super) place: Place,
    pub(super) members: Members,
    /// What members have asked the camera, and wait for.
    calls: Calls,
    /// Actions taken from `shared` that are still to be done.
    actions: VecDeque<Action>,
    pub(super) rng: StdRng,
    backoff: Backoff,
    /// Counters of earlier attempts.
    stats: Stats,
    /// What `place` came to when it was last looked up.
    known: Vec<SocketAddr>,
    /// The camera's address at the last connection; `None` before the first.
    pub(super) camera: Option<IpAddr>,
}

/// Where the driver lies while its thread delivers.
#[derive(Default)]
struct Berth(Mutex<Option<Box<Driver>>>);

impl Berth {
    fn take(&self) -> Option<Box<Driver>> {
        lock(&self.0).take()
    }
}

impl Waiting for Berth {
    fn go_on(&self) {
        if let Some(driver) = self.take() {
            run(driver);
        }
    }
}

/// Runs a session until it fails or is asked to stop, or until another thread goes on with it.
///
/// A panic, be it of a member's observer, ends the session as an error does: else members would wait for ever for a
/// thread that is gone.
pub fn run(mut driver: Box<Driver>) {
    driver.shared.set_thread(Some(thread::current().id()));
    loop {
        match catch_unwind(AssertUnwindSafe(|| driver.turn())) {
            Ok(Ok(())) => {}
            Ok(Err(exit)) => return driver.end(exit),
            Err(_) => return driver.end_after_panic(),
        }
        let deliveries = driver.members.deliveries();
        if !deliveries.is_empty() {
            driver.shared.set_thread(None);
            let berth = driver.berth.clone();
            *lock(&berth.0) = Some(driver);
            let deliver = || deliveries.iter().for_each(|member| member.deliver());
            let delivered = standby::look_after(berth.clone(), || catch_unwind(AssertUnwindSafe(deliver)));
            let Some(back) = berth.take() else { return };
            driver = back;
            driver.shared.set_thread(Some(thread::current().id()));
            if delivered.is_err() {
                return driver.end_after_panic();
            }
        }
        if let Err(exit) = driver.wait() {
            return driver.end(exit);
        }
    }
}

impl Driver {
    pub fn new(
        shared: Arc<Shared>,
        watched: Watched,
        poll: Poll,
        first_socket: UdpSocket,
        (peer, way): (Peer, Way),
        config: Config,
        place: Place,
    ) -> Self {
        Driver {
            shared,
            berth: Arc::default(),
            _watched: watched,
            poll,
            events: Events::with_capacity(2),
            phase: Phase::Starting,
            due: None,
            first_socket: Some(first_socket),
            peer,
            way,
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

    /// Does what is due.
    fn turn(&mut self) -> Result<(), Exit> {
        (self.phase, self.due) = match std::mem::take(&mut self.phase) {
            Phase::Starting => self.start(),
            Phase::Resolving(lookup) => self.resolve(lookup),
            #[cfg(feature = "webrtc")]
            Phase::Inviting(asked) => self.await_invitation(asked),
            Phase::Attempting(attempt) => self.drive(attempt),
            Phase::Pausing(pause) => self.pause(pause),
        }?;
        Ok(())
    }

    fn end_after_panic(self: Box<Self>) {
        let exit = self.broken("the session thread panicked");
        self.end(exit);
    }

    /// Tells the members, if it is not the last one that has left.
    fn end(mut self: Box<Self>, exit: Exit) {
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
        let shared = self.shared.clone();
        drop(self);
        shared.set_over();
    }

    /// An attempt has failed, or what comes before one. Pauses before the next, unless the session is over with that.
    pub(super) fn failed(&mut self, error: Error, is_away: bool, has_streamed: bool) -> Turned {
        let has_changed_way = self.way.failed(&error, has_streamed);
        self.stats = {
            let mut stats = lock(&self.shared.stats);
            stats.last_error = Some(error.reason());
            stats.clone()
        };
        let is_lost = self.camera.is_some();
        let goes_on = is_lost || self.config.connect_timeout.is_zero() || has_changed_way || self.way.is_in_doubt();
        if !goes_on || !error.may_pass() {
            return Err(Exit::Failed(error));
        }
        let (number, delay) = self.backoff.next(&mut self.rng);
        if !self.members.reconnect(&error, number, delay, is_lost) {
            return Err(Exit::Failed(error));
        }
        if has_changed_way {
            self.members.handle(Event::Way(self.way.kind()));
        }
        // The other way need not wait for the camera to be seen on this one.
        let is_away = is_away && !has_changed_way;
        let delay = if has_changed_way { Duration::ZERO } else { delay };
        self.pause(Pause { until: Instant::now() + delay, is_away, look: None, rest_until: None })
    }

    // One attempt

    /// Looks up `place` anew. Only a name takes time, and not to find its addresses is an error only in the first
    /// attempt.
    fn start(&mut self) -> Turned {
        #[cfg(feature = "webrtc")]
        if self.way.kind() == TransportKind::WebRtc {
            return self.invite();
        }
        let Some(host) = self.place.host.clone() else {
            self.known = targets::search_addresses(&self.place);
            return self.attempt();
        };
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            self.known = vec![SocketAddr::new(ip.into(), self.place.port)];
            return self.attempt();
        }
        let is_first = self.backoff.attempts() == 0;
        let until = Instant::now() + if is_first { self.attempt_time() } else { RESOLVER_PATIENCE };
        let answer = targets::start_resolving(&host, self.place.port, &self.shared);
        self.resolve(Lookup { host, answer, until })
    }

    fn resolve(&mut self, lookup: Lookup) -> Turned {
        self.handle_requests(None)?;
        let found = match lookup.answer.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Empty) if Instant::now() < lookup.until => {
                let until = lookup.until;
                return Ok((Phase::Resolving(lookup), Some(until)));
            }
            Err(_) => Err(Error::UnknownHost { host: lookup.host, reason: "no answer".into() }),
        };
        match found {
            Ok(addresses) => self.known = addresses,
            Err(error) if self.known.is_empty() => return self.failed(error, true, false),
            // The name service may be away with the rest of the network: its last answer will do.
            Err(_) => {}
        }
        self.attempt()
    }

    /// Starts to look for the camera, from a new socket.
    fn attempt(&mut self) -> Turned {
        let connect_timeout = self.attempt_time();
        let config = Config { targets: self.targets(), connect_timeout, ..self.config.clone() };
        let Some(credentials) = self.peer.credentials.clone() else { return Err(self.broken("there are no keys")) };
        match self.open(credentials, config) {
            Ok(attempt) => self.drive(attempt),
            Err(e) => self.not_opened(&e),
        }
    }

    pub(super) fn not_opened(&mut self, e: &io::Error) -> Turned {
        let error = match &self.place.interface {
            Some(name) => Error::NoInterface { name: name.clone(), reason: e.to_string() },
            None => broken(Stage::Discovery, e),
        };
        self.failed(error, true, false)
    }

    /// How long an attempt may take.
    pub(super) fn attempt_time(&self) -> Duration {
        Some(self.config.connect_timeout).filter(|timeout| !timeout.is_zero()).unwrap_or(ATTEMPT_TIME)
    }

    /// Opens the socket of an attempt.
    pub(super) fn open_socket(&mut self) -> io::Result<UdpSocket> {
        let mut socket = match self.first_socket.take() {
            Some(socket) => socket,
            None => socket::open()?,
        };
        if let Some(interface) = &self.place.interface {
            socket::bind_interface(&socket, interface)?;
        }
        self.poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        Ok(socket)
    }

    fn open(&mut self, credentials: Credentials, config: Config) -> io::Result<Box<Attempt>> {
        let socket = self.open_socket()?;
        let trace = config.trace.clone();
        let client = Client::new(credentials, config, Instant::now(), unix_time(), self.rng.random());
        Ok(Box::new(Attempt::new(Connection::Lan(Box::new(client)), socket, trace)?))
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

    pub(super) fn drive(&mut self, mut attempt: Box<Attempt>) -> Turned {
        let exit = match self.move_on(&mut attempt) {
            Ok(due) => return Ok((Phase::Attempting(attempt), due)),
            Err(exit) => exit,
        };
        self.calls.close_all();
        if matches!(exit, Exit::Stopped) {
            attempt.close();
        }
        if attempt.has_succeeded() {
            self.backoff.reset();
        }
        let Exit::Failed(error) = exit else { return Err(exit) };
        let (is_away, has_streamed) = (attempt.is_searching(), attempt.has_streamed());
        drop(attempt);
        self.failed(error, is_away, has_streamed)
    }

    /// Moves datagrams, events and actions. Returns when to do so again at the latest.
    fn move_on(&mut self, attempt: &mut Attempt) -> Result<Option<Instant>, Exit> {
        attempt.receive().map_err(|e| self.broken(e))?;
        self.handle_requests(Some(attempt))?;
        self.pump(attempt)?;
        Ok(attempt.poll_timeout())
    }

    /// Passes on what the client has to say. The error is its last word.
    fn pump(&mut self, attempt: &mut Attempt) -> Result<(), Exit> {
        attempt.transmit();
        *lock(&self.shared.stats) = self.stats.and(&attempt.connection.stats());
        while let Some(mut event) = attempt.poll_event() {
            match &mut event {
                client::Event::Ended(error) => return Err(Exit::Failed(error.clone())),
                client::Event::Connected(camera) => self.connected(camera),
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
                attempt.connection.judge(medium, used == Use::Used, Instant::now());
            }
        }
        Ok(())
    }

    fn connected(&mut self, camera: &mut CameraInfo) {
        // Over WebRTC the camera does not say what it is.
        if let Some(model) = self.config.model.as_ref().filter(|_| camera.model.is_empty()) {
            camera.model.clone_from(model);
        }
        if self.camera.replace(camera.address.ip()).is_some() {
            self.stats.reconnects += 1;
            lock(&self.shared.stats).reconnects += 1;
        }
    }

    // Between attempts

    /// Waits for the next attempt's time; a camera that was away ends the pause when it is back.
    fn pause(&mut self, mut pause: Pause) -> Turned {
        self.handle_requests(None)?;
        let now = Instant::now();
        if now >= pause.until {
            return Ok((Phase::Starting, Some(now)));
        }
        let mut due = pause.until;
        if pause.is_away && pause.rest_until.is_none_or(|until| now >= until) {
            match self.look_out(&mut pause) {
                Ok(None) => return Ok((Phase::Starting, Some(now))),
                Ok(Some(at)) => due = due.min(at),
                // The network is away too.
                Err(_) => {
                    pause.look = None;
                    pause.rest_until = Some(now + NO_NETWORK_PAUSE);
                }
            }
        }
        due = pause.rest_until.filter(|until| *until > now).map_or(due, |until| due.min(until));
        Ok((Phase::Pausing(pause), Some(due)))
    }

    /// Probes for the camera now and then. Returns when to go on with that; `None` when it has answered.
    fn look_out(&mut self, pause: &mut Pause) -> io::Result<Option<Instant>> {
        let attempt = match &mut pause.look {
            Some(attempt) => attempt,
            look => {
                // `until` ends this, so the client's own limit must not come first.
                let connect_timeout = pause.until.saturating_duration_since(Instant::now()) * 2;
                let config = Config { targets: self.targets(), patient: true, connect_timeout, ..self.config.clone() };
                let credentials = self.peer.credentials.clone().ok_or(io::ErrorKind::Unsupported)?;
                look.insert(self.open(credentials, config)?)
            }
        };
        attempt.receive()?;
        if !attempt.is_searching() {
            return Ok(None);
        }
        attempt.transmit();
        Ok(Some(attempt.poll_timeout().unwrap_or(pause.until)))
    }

    /// Sleeps until a datagram arrives, a member asks for something, or the next turn is due.
    fn wait(&mut self) -> Result<(), Exit> {
        let timeout = self.due.map(|at| at.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(self.broken(e)),
            _ => Ok(()),
        }
    }

    /// A failure at the stage that the members were last told of.
    pub(super) fn broken(&self, reason: impl ToString) -> Exit {
        Exit::Failed(broken(self.members.stage().unwrap_or(Stage::Discovery), reason))
    }

    // What members ask for

    /// Does what members have asked for since the last look.
    pub(super) fn handle_requests(&mut self, mut attempt: Option<&mut Attempt>) -> Result<(), Exit> {
        let (actions, stop) = self.shared.take();
        self.actions.extend(actions);
        while let Some(action) = self.actions.pop_front() {
            self.act(action, attempt.as_deref_mut().map(|attempt| &mut attempt.connection));
            if let Some(attempt) = &mut attempt {
                // Before the next action: the end of one talk must not be told to the member that starts another.
                self.pump(attempt)?;
            }
        }
        if stop { Err(Exit::Stopped) } else { Ok(()) }
    }

    /// Does one action. Without a client it takes effect with the next attempt.
    fn act(&mut self, action: Action, mut client: Option<&mut Connection>) {
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
            (Action::DeliverBy(id, deliver), _) => self.members.deliver_by(id, deliver),
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
        client: Option<&mut Connection>,
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
    fn talk(&mut self, id: MemberId, action: TalkAction, client: &mut Connection, now: Instant) {
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
