//! Target `relay`: a viewer that asks for a relay, and a TURN server that is real, or hostile, or both.

use super::input::Input;
use super::web_camera::{VIEWER, message, viewer_config};
use gstwyze::protocol::webrtc::{RelayServer, RelayTransport, Viewer, ViewerConfig};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use turn_server_proto::api::{Transmit, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::Instant as TurnInstant;
use turn_server_proto::types::TransportType;

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 9], 3478);
const RELAYED: ([u8; 4], u16) = ([10, 0, 0, 10], 50_000);
/// Longer than any stage of the viewer.
const LONG: Duration = Duration::from_secs(60);

struct World {
    viewer: Viewer,
    transport: TransportType,
    server: TurnServer,
    /// For the viewer; the input may damage it on its way.
    answers: Vec<Vec<u8>>,
    start: Instant,
    now: Instant,
}

pub fn relay(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_stream = input.flag();
    let (name, word) = ("viewer".to_owned(), "credential".to_owned());
    let relay = RelayServer {
        transport: if is_stream { RelayTransport::Tls } else { RelayTransport::Udp },
        host: "relay.example.com".into(),
        address: SERVER.into(),
        username: name.clone().into(),
        credential: word.clone().into(),
    };
    let transport = if is_stream { TransportType::Tcp } else { TransportType::Udp };
    let mut server = TurnServer::new(transport, SERVER.into(), "realm".into());
    server.add_user(name, word);
    let start = Instant::now();
    let config = ViewerConfig { relays: vec![relay], ..viewer_config() };
    let viewer = Viewer::new(config, &[VIEWER.into()], start, Duration::ZERO, [1; 32]);
    let mut world = World { viewer, transport, server, answers: Vec::new(), start, now: start };
    let answer = super::webrtc::real_answer();
    world.viewer.handle_text(start, &message("SDP_ANSWER", &format!("v=0\r\n{answer}")));
    for _ in 0..300 {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    while let Some(due) = world.viewer.poll_timeout() {
        assert!(due < start + LONG, "it goes on for ever");
        world.wait();
    }
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let now = self.now;
        match input.below(8) {
            0 => self.hear(input.text()),
            1 => {
                // An answer of the server's, damaged.
                if let Some(mut answer) = self.answers.pop() {
                    let at = usize::from(input.u16()) % answer.len().max(1);
                    answer[at..].iter_mut().zip(input.text()).for_each(|(byte, new)| *byte = *new);
                    self.hear(&answer);
                }
            }
            2 => self.viewer.handle_relay_closed(now),
            3 => self.viewer.handle_relay_opened(now, VIEWER.into()),
            4 => {
                // What a camera sends to the relay.
                let from: SocketAddr = ([10, 0, 0, input.byte()], 4000).into();
                let data = input.text();
                let at = self.at();
                let sent = self.server.recv(Transmit::new(data, TransportType::Udp, from, RELAYED.into()), at);
                self.answers.extend(sent.map(|sent| sent.build().data));
            }
            5 => std::mem::take(&mut self.answers).iter().for_each(|answer| self.hear(answer)),
            _ => self.wait(),
        }
        self.exchange();
    }

    fn at(&self) -> TurnInstant {
        TurnInstant::from_nanos((self.now - self.start).as_nanos() as i64)
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.transport == TransportType::Tcp {
            self.viewer.handle_relay_bytes(self.now, bytes);
        } else {
            self.viewer.handle_datagram(self.now, SERVER.into(), VIEWER.into(), &mut bytes.to_vec());
        }
    }

    /// Lets the time pass until the viewer has something to do.
    fn wait(&mut self) {
        if let Some(due) = self.viewer.poll_timeout() {
            self.now = self.now.max(due);
            self.viewer.handle_timeout(self.now);
        }
        self.exchange();
    }

    /// Carries what the viewer sends to the server, and keeps what that answers.
    fn exchange(&mut self) {
        let mut sent = Vec::new();
        while let Some(transmit) = self.viewer.poll_transmit() {
            sent.extend((transmit.to == SERVER.into()).then_some(transmit.data));
        }
        if self.viewer.poll_relay_stream().is_some() {
            self.viewer.handle_relay_opened(self.now, VIEWER.into());
        }
        sent.extend(std::iter::from_fn(|| self.viewer.poll_relay_bytes()));
        while self.viewer.poll_event().is_some() || self.viewer.poll_text().is_some() {}
        let (transport, at) = (self.transport, self.at());
        for data in sent {
            let answer = self.server.recv(Transmit::new(data, transport, VIEWER.into(), SERVER.into()), at);
            let to_viewer = answer.filter(|answer| answer.to == VIEWER.into()).map(|answer| answer.build().data);
            self.answers.extend(to_viewer);
        }
        while let TurnServerPollRet::AllocateSocket { listen_addr, client_addr, family, .. } = self.server.poll(at) {
            let socket = Ok(RELAYED.into());
            let udp = TransportType::Udp;
            self.server.allocated_socket(transport, listen_addr, client_addr, udp, family, socket, at);
        }
        while let Some(transmit) = self.server.poll_transmit(at) {
            self.answers.extend((transmit.to == VIEWER.into()).then_some(transmit.data));
        }
        // Memory is the fuzzer's, too.
        self.answers.truncate(100);
    }
}

/// Returns the inputs that fuzzing this target begins with.
pub fn seeds() -> Vec<Vec<u8>> {
    let text = |text: &[u8]| [&(text.len() as u16).to_le_bytes(), text].concat();
    // Waits long enough to have an address there, and hands over what the server says meanwhile.
    let usual = [6u8, 5].repeat(40);
    let media = [&[4u8, 2][..], &text(&[0x80; 60]), &[5]].concat();
    let damage = [&[6u8, 1, 4, 0][..], &text(&[0xFF; 4])].concat();
    let ends = vec![2, 6, 3, 6, 5];
    [0, 1]
        .into_iter()
        .flat_map(|kind| {
            [
                [&[kind][..], &usual, &media, &ends].concat(),
                [&[kind][..], &usual[..30], &damage, &usual].concat(),
                [&[kind][..], &[0], &text(&[0; 20]), &usual].concat(),
            ]
        })
        .collect()
}
