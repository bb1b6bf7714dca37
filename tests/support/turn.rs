//! A TURN server on this machine, over UDP, TCP and TLS. Addresses that it gives are of another host: 127.0.0.2.

use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use openssl::ssl::{Ssl, SslAcceptor, SslStream};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use turn_server_proto::api::{Transmit, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::Instant as TurnInstant;
use turn_server_proto::types::TransportType;

pub const RELAYED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
pub const USERNAME: &str = "viewer";
pub const CREDENTIAL: &str = "turn-credential";
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const WAKER: Token = Token(0);
const UDP: Token = Token(1);
const TCP: Token = Token(2);
const FIRST: usize = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub struct Turn {
    udp: SocketAddr,
    tcp: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    sent_by_peers: AtomicU64,
}

impl Turn {
    /// With an acceptor, TCP is with TLS only.
    pub fn start(tls: Option<SslAcceptor>) -> Turn {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mut udp = UdpSocket::bind(ANY).unwrap();
        let mut listener = TcpListener::bind(ANY).unwrap();
        let (udp_address, tcp_address) = (udp.local_addr().unwrap(), listener.local_addr().unwrap());
        poll.registry().register(&mut udp, UDP, Interest::READABLE).unwrap();
        poll.registry().register(&mut listener, TCP, Interest::READABLE).unwrap();
        let server = |transport, address| {
            let mut server = TurnServer::new(transport, address, "wyze".into());
            server.add_user(USERNAME.into(), CREDENTIAL.into());
            server
        };
        let shared: Arc<Shared> = Arc::default();
        let is_tls = tls.is_some();
        let mut worker = Worker {
            servers: [server(TransportType::Udp, udp_address), server(TransportType::Tcp, tcp_address)],
            poll,
            udp,
            listener,
            tls,
            clients: Vec::new(),
            relayed: Vec::new(),
            next: FIRST,
            start: Instant::now(),
            shared: shared.clone(),
        };
        let thread = std::thread::spawn(move || worker.run());
        Turn { udp: udp_address, tcp: tcp_address, is_tls, shared, waker, thread: Some(thread) }
    }

    pub fn udp_url(&self) -> String {
        format!("turn:{}?transport=udp", self.udp)
    }

    pub fn tcp_url(&self) -> String {
        let (scheme, host) = if self.is_tls { ("turns", "localhost") } else { ("turn", "127.0.0.1") };
        format!("{scheme}:{host}:{}?transport=tcp", self.tcp.port())
    }

    /// How many datagrams of cameras it was sent.
    pub fn sent_by_peers(&self) -> u64 {
        self.shared.sent_by_peers.load(Ordering::Relaxed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.waker.wake().unwrap();
        let _ = self.thread.take().unwrap().join();
    }
}

/// Plain, or with TLS, whose handshake is done by reading and writing.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

struct Client {
    address: SocketAddr,
    stream: Box<dyn Stream>,
    unsent: Vec<u8>,
}

struct Worker {
    /// Over UDP and over TCP.
    servers: [TurnServer; 2],
    poll: Poll,
    udp: UdpSocket,
    listener: TcpListener,
    tls: Option<SslAcceptor>,
    clients: Vec<Client>,
    /// Sockets of the addresses that were given away.
    relayed: Vec<(SocketAddr, UdpSocket)>,
    next: usize,
    start: Instant,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(&mut self) {
        let mut events = Events::with_capacity(16);
        while !self.shared.over.load(Ordering::Relaxed) {
            self.accept();
            self.receive();
            let wait = self.advance().min(LONGEST_WAIT);
            self.write();
            if let Err(e) = self.poll.poll(&mut events, Some(wait)) {
                assert_eq!(e.kind(), ErrorKind::Interrupted, "{e}");
            }
        }
    }

    fn now(&self) -> TurnInstant {
        TurnInstant::from_nanos(self.start.elapsed().as_nanos() as i64)
    }

    fn accept(&mut self) {
        while let Ok((mut tcp, address)) = self.listener.accept() {
            let both = Interest::READABLE | Interest::WRITABLE;
            let token = self.token();
            self.poll.registry().register(&mut tcp, token, both).unwrap();
            let stream: Box<dyn Stream> = match &self.tls {
                Some(acceptor) => {
                    let mut ssl = Ssl::new(acceptor.context()).unwrap();
                    ssl.set_accept_state();
                    Box::new(SslStream::new(ssl, tcp).unwrap())
                }
                None => Box::new(tcp),
            };
            self.clients.push(Client { address, stream, unsent: Vec::new() });
        }
    }

    fn token(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    fn receive(&mut self) {
        let mut buffer = [0; 65536];
        let mut arrived = Vec::new();
        let listen = self.udp.local_addr().unwrap();
        while let Ok((length, from)) = self.udp.recv_from(&mut buffer) {
            arrived.push((TransportType::Udp, from, listen, buffer[..length].to_vec()));
        }
        for (address, socket) in &self.relayed {
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                self.shared.sent_by_peers.fetch_add(1, Ordering::Relaxed);
                arrived.push((TransportType::Udp, from, *address, buffer[..length].to_vec()));
            }
        }
        let listen = self.listener.local_addr().unwrap();
        self.clients.retain_mut(|client| {
            loop {
                match client.stream.read(&mut buffer) {
                    Ok(0) => return false,
                    Ok(length) => arrived.push((TransportType::Tcp, client.address, listen, buffer[..length].to_vec())),
                    Err(e) => return e.kind() == ErrorKind::WouldBlock,
                }
            }
        });
        for (transport, from, to, data) in arrived {
            for index in 0..self.servers.len() {
                let now = self.now();
                let answer = self.servers[index].recv(Transmit::new(&data, transport, from, to), now);
                if let Some(answer) = answer.map(|answer| answer.build()) {
                    self.send(answer.transport, answer.from, answer.to, &answer.data);
                }
            }
        }
    }

    /// Returns how long to wait then.
    fn advance(&mut self) -> Duration {
        let mut wait = LONGEST_WAIT;
        for index in 0..self.servers.len() {
            loop {
                let now = self.now();
                match self.servers[index].poll(now) {
                    TurnServerPollRet::WaitUntil(until) => {
                        wait = wait.min(until.saturating_duration_since(now).max(Duration::from_millis(1)));
                        break;
                    }
                    TurnServerPollRet::AllocateSocket {
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                    } => {
                        let mut socket = UdpSocket::bind(SocketAddr::new(RELAYED, 0)).unwrap();
                        let address = socket.local_addr().unwrap();
                        let token = self.token();
                        self.poll.registry().register(&mut socket, token, Interest::READABLE).unwrap();
                        self.relayed.push((address, socket));
                        self.servers[index].allocated_socket(
                            transport,
                            listen_addr,
                            client_addr,
                            allocation_transport,
                            family,
                            Ok(address),
                            now,
                        );
                    }
                    TurnServerPollRet::SocketClose { listen_addr, .. } => {
                        self.relayed.retain(|(address, _)| *address != listen_addr);
                    }
                    TurnServerPollRet::TcpClose { remote_addr, .. } => {
                        self.clients.retain(|client| client.address != remote_addr);
                    }
                    other @ TurnServerPollRet::TcpConnect { .. } => panic!("{other:?}"),
                }
            }
            let now = self.now();
            while let Some(transmit) = self.servers[index].poll_transmit(now) {
                self.send(transmit.transport, transmit.from, transmit.to, &transmit.data);
            }
        }
        wait
    }

    fn send(&mut self, transport: TransportType, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        if transport == TransportType::Tcp {
            let client = self.clients.iter_mut().find(|client| client.address == to);
            client.into_iter().for_each(|client| client.unsent.extend(data));
        } else if let Some((_, socket)) = self.relayed.iter().find(|(address, _)| *address == from) {
            let _ = socket.send_to(data, to);
        } else {
            let _ = self.udp.send_to(data, to);
        }
    }

    fn write(&mut self) {
        for client in &mut self.clients {
            while !client.unsent.is_empty() {
                match client.stream.write(&client.unsent) {
                    Ok(written) => drop(client.unsent.drain(..written)),
                    // A client that has gone is found out by reading.
                    Err(_) => break,
                }
            }
        }
    }
}
