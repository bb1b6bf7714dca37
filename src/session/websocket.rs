//! The WebSocket of signalling: over TLS, and never blocking.
//!
//! Every call does what can be done at once. Go on when the poll says that the socket is ready.

use super::stream::{Pollable, Stream};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::Uri;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message};
use zeroize::Zeroizing;

/// No message of a server is longer, nor what waits to be sent.
const LONGEST: usize = 64 << 10;
/// How many messages are read before others get their turn.
const MANY: usize = 64;

enum State {
    Opening(MidHandshake<ClientHandshake<Stream>>),
    Open(Box<tungstenite::WebSocket<Stream>>),
    Closed,
}

/// Where a URL of signalling leads.
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    is_tls: bool,
}

impl Endpoint {
    /// Takes wss://, and ws:// to this machine. Errors do not repeat the URL, which is a secret.
    pub fn of(url: &str) -> Result<Endpoint, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "its URL cannot be read")?;
        let host = uri.host().ok_or("its URL has no host")?.trim_matches(['[', ']']).to_owned();
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") if is_here => false,
            _ => return Err("its URL is not one of wss://"),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Endpoint { host, port, is_tls })
    }
}

pub struct WebSocket {
    state: State,
    unsent: VecDeque<String>,
}

impl WebSocket {
    /// Begins to connect; see [`Stream::connect`].
    pub fn connect(
        url: &str,
        endpoint: &Endpoint,
        address: SocketAddr,
        register: impl FnOnce(&mut Pollable) -> io::Result<()>,
    ) -> Result<Self, String> {
        let name = endpoint.is_tls.then_some(endpoint.host.as_str());
        let stream = Stream::connect(address, name, None, register).map_err(|e| e.to_string())?;
        let request = url.into_client_request().map_err(|_| "its URL cannot be asked for")?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST))
            // Texts are few, and each goes out at once.
            .write_buffer_size(0)
            .max_write_buffer_size(LONGEST);
        let handshake = ClientHandshake::start(stream, request, Some(config)).map_err(|e| explain(&e))?;
        let state = State::after(handshake.handshake().map(|(socket, _)| socket))?;
        Ok(WebSocket { state, unsent: VecDeque::new() })
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Sends a text as soon as the connection is there.
    pub fn send(&mut self, text: String) {
        self.unsent.push_back(text);
    }

    /// Goes on with connecting, sends what waits, and returns what has come and whether there may be more. Fails when the
    /// connection is over and all that came before was returned.
    pub fn go_on(&mut self) -> Result<(Vec<Zeroizing<String>>, bool), String> {
        if matches!(self.state, State::Opening(_)) {
            let State::Opening(opening) = std::mem::replace(&mut self.state, State::Closed) else { unreachable!() };
            self.state = State::after(opening.handshake().map(|(socket, _)| socket))?;
        }
        let State::Open(socket) = &mut self.state else { return Ok((Vec::new(), false)) };
        while let Some(text) = self.unsent.pop_front() {
            unless_blocked(socket.write(Message::text(text)))?;
        }
        unless_blocked(socket.flush())?;
        let mut texts = Vec::new();
        for _ in 0..MANY {
            match socket.read() {
                Ok(Message::Text(text)) => texts.push(Zeroizing::new(text.as_str().to_owned())),
                Ok(_) => {}
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => return Ok((texts, false)),
                // The next reading finds the end again.
                Err(_) if !texts.is_empty() => break,
                Err(e) => return Err(explain(&e)),
            }
        }
        Ok((texts, true))
    }

    /// Says goodbye, as far as that can be done at once.
    pub fn close(&mut self) {
        if let State::Open(socket) = &mut self.state {
            let _ = socket.close(None);
            let _ = socket.flush();
        }
        self.state = State::Closed;
    }
}

impl State {
    fn after(
        handshake: Result<tungstenite::WebSocket<Stream>, HandshakeError<ClientHandshake<Stream>>>,
    ) -> Result<State, String> {
        match handshake {
            Ok(socket) => Ok(State::Open(Box::new(socket))),
            Err(HandshakeError::Interrupted(opening)) => Ok(State::Opening(opening)),
            Err(HandshakeError::Failure(e)) => Err(explain(&e)),
        }
    }
}

fn unless_blocked(result: Result<(), Error>) -> Result<(), String> {
    match result {
        Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(e) => Err(explain(&e)),
        Ok(()) => Ok(()),
    }
}

/// Tells what is wrong, without the URL.
fn explain(error: &Error) -> String {
    match error {
        Error::Http(answer) => format!("HTTP status {}", answer.status().as_u16()),
        Error::Io(e) => e.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "it closed the connection".into(),
        Error::Url(_) => "its URL cannot be asked for".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use std::time::Duration;

    /// More than are read at a time.
    const TEXTS: usize = 3 * MANY;

    #[test]
    fn all_texts_are_read_before_the_end_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
            (0..TEXTS).for_each(|number| socket.write(Message::text(number.to_string())).unwrap());
            socket.close(None).unwrap();
            while socket.read().is_ok() {}
        });
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
        let register =
            |tcp: &mut Pollable| poll.registry().register(tcp, Token(0), Interest::READABLE | Interest::WRITABLE);
        let url = format!("ws://{address}/");
        let mut websocket = WebSocket::connect(&url, &Endpoint::of(&url).unwrap(), address, register).unwrap();
        let mut heard = Vec::new();
        let end = loop {
            match websocket.go_on() {
                Ok((texts, has_more)) => {
                    heard.extend(texts.iter().map(|text| text.parse::<usize>().unwrap()));
                    if !has_more {
                        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
                        assert!(!events.is_empty(), "it waits for what has come already");
                    }
                }
                Err(end) => break end,
            }
        };
        assert_eq!(end, "it closed the connection");
        assert!(heard.into_iter().eq(0..TEXTS));
        server.join().unwrap();
    }
}
