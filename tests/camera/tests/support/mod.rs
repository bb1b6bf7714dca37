//! A hand-made client, built from the wire formats and DTLS without the library's own client. It runs over a perfect
//! link in virtual time, or over UDP.
#![allow(dead_code, reason = "each test binary uses its part")]

use gstwyze::protocol::credentials::{Credentials, Psk};
use gstwyze::protocol::dtls::{Endpoint, EndpointSettings, EndpointState, Role};
use gstwyze::protocol::wire::cc51::{self, Signer};
use gstwyze::protocol::wire::control::{Ack, ControlFrame};
use gstwyze::protocol::wire::hl::{self, Challenge, ChallengeAnswer, MediaKind, Message};
use gstwyze::protocol::wire::media::{self, MediaPacket};
use gstwyze::protocol::wire::{Channel, SessionId, iotc, login, transcode};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use wyze_camera::{Camera, CameraConfig, Envelope};

/// How long a client on UDP listens after each datagram sent.
const UDP_WAIT: Duration = Duration::from_millis(30);

/// A socket and the camera's two addresses: for discovery, and for everything else.
struct Udp {
    socket: UdpSocket,
    discovery: SocketAddr,
    camera: SocketAddr,
}

pub struct HandClient {
    /// The camera in memory; not used by a client on UDP.
    pub camera: Camera,
    udp: Option<Udp>,
    pub now: Instant,
    pub address: SocketAddr,
    credentials: Credentials,
    signer: Signer,
    envelope: Envelope,
    pub session_id: SessionId,
    ticket: u16,
    sequence: u16,
    endpoint: Option<Endpoint>,
    send_counter: u32,
    ack_counter: u16,
    command_counter: u16,
    previous_highest: u16,
    highest: u16,
    keepalives: u32,
    pub answer_keepalives: bool,
    /// Received datagrams other than data packets, descrambled.
    pub other: Vec<Vec<u8>>,
    /// Received AV packets.
    pub records: Vec<Vec<u8>>,
    pub back: BackChannel,
}

/// The client's end of the back channel, where it is the DTLS server.
#[derive(Default)]
pub struct BackChannel {
    pub endpoint: Option<Endpoint>,
    pub records: Vec<Vec<u8>>,
    pub ignore_logins: bool,
    /// Random bytes of the newest login, to echo in its answer.
    pub echo: [u8; 4],
    /// How many logins came, counted by their first requests.
    pub logins: u32,
    /// How many datagrams there were so far, in both directions together.
    pub datagrams: u32,
    /// The number of the datagram that is to be lost.
    pub lost: Option<u32>,
}

impl BackChannel {
    fn is_lost(&mut self) -> bool {
        self.datagrams += 1;
        self.lost == Some(self.datagrams)
    }

    fn handle_datagram(&mut self, datagram: &[u8]) {
        let mut records = Vec::new();
        let Some(endpoint) = &mut self.endpoint else { return };
        endpoint.handle_datagram(datagram, |record| records.push(record.to_vec()));
        for record in records {
            if record.len() < 570 {
                self.records.push(record);
                continue;
            }
            let second = login::Request::parse(&record).expect("a login").second;
            self.logins += u32::from(!second);
            self.echo = [record[20], record[21], record[22], record[23]];
            if second && !self.ignore_logins {
                let answer = login::Response::welcome(self.echo);
                endpoint.send(&answer.emit());
            }
        }
    }
}

impl HandClient {
    pub fn new(config: CameraConfig) -> Self {
        let credentials = config.credentials.clone();
        HandClient {
            signer: Signer::new(&credentials.uid, &credentials.auth_key()),
            envelope: config.envelope,
            camera: Camera::new(config, 5),
            udp: None,
            now: Instant::now(),
            address: SocketAddr::from(([127, 0, 0, 1], 40000)),
            credentials,
            session_id: SessionId(*b"hand-cli"),
            ticket: 0,
            sequence: 0,
            endpoint: None,
            send_counter: 0,
            ack_counter: 1,
            command_counter: 0,
            previous_highest: 0xFFFF,
            highest: 0xFFFF,
            keepalives: 0,
            answer_keepalives: true,
            other: Vec::new(),
            records: Vec::new(),
            back: BackChannel::default(),
        }
    }

    /// A client over UDP; `discovery` is the camera's discovery address.
    pub fn on_udp(config: CameraConfig, discovery: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
        HandClient { udp: Some(Udp { socket, discovery, camera: discovery }), ..Self::new(config) }
    }

    /// Goes through all stages up to streaming.
    pub fn start(&mut self) {
        self.open();
        self.shake_hands();
        self.log_in();
        self.authenticate();
    }

    pub fn open(&mut self) {
        match self.envelope {
            Envelope::Transcode => {
                self.discover_stage(1, true);
                assert_eq!(self.other.pop().map(|b| b[8..10].to_vec()), Some(vec![0x02, 0x06]));
                self.discover_stage(2, false);
                let uid = self.credentials.uid;
                let request = iotc::Session { uid, session_id: self.session_id, unix_time: 1 };
                self.send_iotc(request.emit(iotc::SESSION_REQUEST), false);
                assert_eq!(self.other.pop().map(|b| b[8..10].to_vec()), Some(vec![0x04, 0x04]));
            }
            Envelope::Cc51 => {
                let first = self.cc51_step(0, true);
                assert!(first.from_camera && first.step == 1);
                (self.ticket, self.session_id) = (first.ticket, first.session_id);
                assert_eq!(self.cc51_step(2, false).step, 3);
            }
        }
    }

    pub fn discover_stage(&mut self, stage: u8, to_discovery_port: bool) {
        let auth_key = (stage == 1).then(|| self.credentials.auth_key());
        let discovery = iotc::Discovery { uid: self.credentials.uid, session_id: self.session_id, stage, auth_key };
        self.send_iotc(discovery.emit(iotc::DISCOVERY_REQUEST), to_discovery_port);
    }

    fn cc51_step(&mut self, step: u16, to_discovery_port: bool) -> cc51::Discovery {
        let (ticket, session_id) = (self.ticket, self.session_id);
        let discovery = cc51::Discovery { from_camera: false, step, ticket, session_id };
        self.send(discovery.emit(&self.signer), to_discovery_port);
        let answer = self.other.pop().expect("an answer");
        match cc51::Packet::parse(&answer, &self.signer) {
            Ok(cc51::Packet::Discovery(discovery)) => discovery,
            other => panic!("{other:?}"),
        }
    }

    pub fn shake_hands(&mut self) {
        let psk = self.credentials.psk();
        self.shake_hands_with(psk);
        assert_eq!(self.endpoint.as_ref().map(Endpoint::state), Some(&EndpointState::Established));
    }

    pub fn shake_hands_with(&mut self, psk: Psk) {
        self.endpoint = Endpoint::new(&EndpointSettings::new(Role::Client, psk)).ok();
        self.flush();
    }

    pub fn log_in(&mut self) {
        let credentials = self.credentials.clone();
        for second in [false, true] {
            let request =
                login::Request { second, random: [0xFF, 2, 3, 4], password: credentials.enr.bytes(), resend: false };
            self.send_record(&request.emit());
        }
        let answer = self.records.pop().expect("a login answer");
        let answer = login::Response::parse(&answer).expect("a login answer");
        assert!(answer.success && answer.echo == [0, 2, 3, 4]);
        self.ack();
    }

    pub fn authenticate(&mut self) {
        let challenge = Challenge::parse(&self.command(&hl::auth_request(&[]))).expect("a challenge");
        let answer = self.credentials.answer(&challenge).expect("a status with a key");
        let answer = ChallengeAnswer { answer, random: [1; 4], video: true, audio: true };
        let result: serde_json::Value = serde_json::from_slice(&self.command(&answer.emit())).expect("JSON");
        assert_eq!(result["connectionRes"], "1");
        assert_eq!(result["cameraInfo"]["channelResquestResult"]["video"], "1");
    }

    /// Sends an HL message, and returns the payload of its answer after an ACK.
    pub fn command(&mut self, message: &[u8]) -> Vec<u8> {
        self.send_command(message);
        let at = self.records.iter().rposition(|record| record[0] == 0x0C && record[2] == 0x0C).expect("an answer");
        let record = self.records.remove(at);
        let frame = ControlFrame::parse(&record).expect("a control frame");
        let answer = Message::parse(frame.hl).expect("an HL message");
        let request = Message::parse(message).expect("an HL message");
        assert_eq!(answer.command, request.command + 1);
        self.highest = frame.send_counter as u16;
        let payload = answer.payload.to_vec();
        self.ack();
        payload
    }

    pub fn send_command(&mut self, message: &[u8]) {
        let (send_counter, command_counter) = (self.send_counter, self.command_counter);
        let frame = ControlFrame { send_counter, command_counter, hl: message }.emit();
        self.send_counter += 1;
        self.command_counter += 1;
        self.send_record(&frame);
    }

    /// Sends a control frame that has no HL message.
    pub fn send_io_type(&mut self, io_type: u16, payload: &[u8]) {
        let (send_counter, command_counter) = (self.send_counter, self.command_counter);
        let mut frame = ControlFrame { send_counter, command_counter, hl: payload }.emit();
        frame[36..38].copy_from_slice(&io_type.to_le_bytes());
        self.send_counter += 1;
        self.command_counter += 1;
        self.send_record(&frame);
    }

    /// Takes the camera's ACKs that have come.
    pub fn take_acks(&mut self) -> Vec<Ack> {
        let (acks, others) = self.records.drain(..).partition(|record: &Vec<u8>| record[..2] == [0x09, 0x00]);
        self.records = others;
        acks.iter().map(|ack| Ack::parse(ack).expect("an ACK")).collect()
    }

    pub fn ack(&mut self) {
        let ack = Ack {
            send_counter: self.send_counter,
            previous_highest: self.previous_highest,
            highest: self.highest,
            counter: self.ack_counter,
            milliseconds: 0,
        };
        self.send_counter += 1;
        self.ack_counter += 1;
        self.previous_highest = self.highest;
        self.send_record(&ack.emit());
    }

    /// Lets virtual time pass, with an ACK every 100 ms.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.pass(Duration::from_millis(100));
            self.ack();
        }
    }

    /// Lets virtual time pass without sending ACKs.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.camera.poll_timeout()
            && due <= end
        {
            self.now = self.now.max(due);
            self.camera.handle_timeout(self.now);
            self.receive();
            self.repeat_talk_handshake();
        }
        self.now = end;
    }

    /// Resends a lost flight of the back channel's handshake; OpenSSL's timer runs in real time.
    fn repeat_talk_handshake(&mut self) {
        if let Some(endpoint) = &mut self.back.endpoint {
            endpoint.handle_timeout();
        }
        self.flush();
    }

    pub fn say_goodbye(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.close();
        }
        self.flush();
    }

    pub fn send_record(&mut self, record: &[u8]) {
        if let Some(endpoint) = &mut self.endpoint {
            assert!(endpoint.send(record));
        }
        self.flush();
    }

    /// The media packets received since the last call.
    pub fn take_media(&mut self) -> Vec<Vec<u8>> {
        let (media, others) = self.records.drain(..).partition(|record| media::is_media(record));
        self.records = others;
        media
    }

    pub fn send_iotc(&mut self, mut plain: Vec<u8>, to_discovery_port: bool) {
        transcode::encode(&mut plain).expect("a whole header");
        self.send(plain, to_discovery_port);
    }

    pub fn send(&mut self, mut datagram: Vec<u8>, to_discovery_port: bool) {
        if let Some(udp) = &self.udp {
            let to = if to_discovery_port { udp.discovery } else { udp.camera };
            udp.socket.send_to(&datagram, to).expect("a datagram sent");
            self.listen(UDP_WAIT);
            return;
        }
        self.camera.handle_datagram(self.now, self.address, to_discovery_port, &mut datagram);
        self.receive();
    }

    /// Handles what comes over UDP for `time`.
    pub fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let mut buffer = [0; 2048];
        while let Some(udp) = &mut self.udp
            && Instant::now() < end
        {
            if let Ok((len, from)) = udp.socket.recv_from(&mut buffer) {
                udp.camera = from;
                self.handle_datagram(buffer[..len].to_vec());
            }
            self.repeat_talk_handshake();
        }
        self.flush();
    }

    /// Handles what the camera in memory has sent.
    pub fn receive(&mut self) {
        while let Some(transmit) = self.camera.poll_transmit() {
            assert!(transmit.to == self.address && !transmit.from_discovery_port);
            self.handle_datagram(transmit.data);
        }
        self.flush();
    }

    fn handle_datagram(&mut self, mut datagram: Vec<u8>) {
        if self.envelope == Envelope::Cc51 {
            match cc51::Packet::parse(&datagram, &self.signer).expect("a CC51 packet") {
                cc51::Packet::Data(data) => self.handle_dtls(data.channel, data.payload),
                cc51::Packet::Keepalive(_) if self.answer_keepalives => {
                    self.keepalives += 2;
                    let (counter, session_id) = (self.keepalives, self.session_id);
                    self.send(cc51::Keepalive { counter, session_id }.emit(&self.signer), false);
                }
                _ => self.other.push(datagram),
            }
            return;
        }
        transcode::decode(&mut datagram).expect("a whole header");
        match iotc::Packet::parse(&datagram).expect("an IOTC packet") {
            iotc::Packet::Data { from_camera: true, data } => self.handle_dtls(data.channel, data.payload),
            iotc::Packet::Keepalive { from_camera: true, payload } if self.answer_keepalives => {
                self.keepalives += 1;
                self.send_iotc(iotc::emit_keepalive(iotc::KEEPALIVE_FROM_CLIENT, payload), false);
            }
            _ => self.other.push(datagram),
        }
    }

    fn handle_dtls(&mut self, channel: Channel, datagram: &[u8]) {
        if channel == Channel::Back {
            if !self.back.is_lost() {
                self.back.handle_datagram(datagram);
            }
        } else if let Some(endpoint) = &mut self.endpoint {
            endpoint.handle_datagram(datagram, |record| self.records.push(record.to_vec()));
        }
    }

    /// Sends what both DTLS endpoints have ready.
    pub fn flush(&mut self) {
        while let Some(dtls) = self.endpoint.as_mut().and_then(Endpoint::poll_transmit) {
            self.send_dtls(Channel::Main, &dtls);
        }
        while let Some(dtls) = self.back.endpoint.as_mut().and_then(Endpoint::poll_transmit) {
            if !self.back.is_lost() {
                self.send_dtls(Channel::Back, &dtls);
            }
        }
    }

    pub fn send_dtls(&mut self, channel: Channel, dtls: &[u8]) {
        let session_id = self.session_id;
        match self.envelope {
            Envelope::Transcode => {
                let data = iotc::Data { sequence: self.sequence, channel, session_id, payload: dtls };
                self.sequence = self.sequence.wrapping_add(1);
                self.send_iotc(data.emit(iotc::DATA_FROM_CLIENT), false);
            }
            Envelope::Cc51 => {
                let data = cc51::Data { channel, ticket: self.ticket, session_id, payload: dtls };
                self.send(data.emit(&self.signer), false);
            }
        }
    }

    /// Asks to talk, after preparing an endpoint for the camera's DTLS.
    pub fn ask_to_talk(&mut self) {
        self.expect_talk();
        assert_eq!(self.command(&hl::media(MediaKind::ReturnAudio, true)), [1]);
    }

    /// Makes a new endpoint for the back channel.
    pub fn expect_talk(&mut self) {
        let role = Role::Server { hello_verify: false };
        let settings = EndpointSettings {
            first_resend: Duration::from_millis(40),
            ..EndpointSettings::new(role, self.credentials.psk())
        };
        self.back.endpoint = Endpoint::new(&settings).ok();
    }

    pub fn stop_talking(&mut self) {
        assert_eq!(self.command(&hl::media(MediaKind::ReturnAudio, false)), [1]);
    }

    pub fn send_talk(&mut self, record: &[u8]) {
        let endpoint = self.back.endpoint.as_mut().expect("the back channel");
        assert!(endpoint.send(record));
        self.flush();
    }
}

/// Joins the packets of one frame; returns its bytes and its FRAMEINFO.
pub fn join(packets: &[MediaPacket<'_>]) -> (Vec<u8>, Vec<u8>) {
    let mut bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.payload).copied().collect();
    let info = bytes.split_off(bytes.len() - 40);
    (bytes, info)
}
