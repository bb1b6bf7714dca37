//! The WebSockets of signalling: one for each viewer, none of which blocks.

use crate::camera_event::ClientId;
use openssl::ssl::{Ssl, SslAcceptor, SslStream};
use polling::{Event, PollMode, Poller};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::StatusCode;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// The longest message that is taken, in bytes; Amazon's server takes less.
const MESSAGE_LIMIT: usize = 64 << 10;

/// What Amazon's server says to a URL whose signature does not fit, as that of one that is encoded twice.
const WRONG_SIGNATURE: &str = "Credential must have exactly 5 slash-delimited elements";

/// Lets those in who have the right query in their URL.
#[derive(Clone)]
pub struct Gate(pub String);

impl Callback for Gate {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().query() == Some(&self.0) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some(WRONG_SIGNATURE.to_owned()));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}

/// Plain, or with TLS, whose handshake is done by reading and writing.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

enum State {
    Handshake(MidHandshake<ServerHandshake<Box<dyn Stream>, Gate>>),
    Open(WebSocket<Box<dyn Stream>>),
    Gone,
}

/// What a viewer's socket told.
pub enum Told {
    Opened,
    Text(String),
}

pub struct Signalling {
    /// The camera's number for the viewer, once the WebSocket is open.
    pub viewer: Option<ClientId>,
    state: State,
    /// A copy of the socket, by which the poller knows it.
    polled: TcpStream,
}

impl Signalling {
    /// Takes a connection. `key` is its own in the poller.
    pub fn accept(
        tcp: TcpStream,
        tls: Option<&SslAcceptor>,
        gate: Gate,
        poller: &Poller,
        key: usize,
    ) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        let polled = tcp.try_clone()?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(tcp),
            Some(acceptor) => {
                let mut ssl = Ssl::new(acceptor.context()).map_err(io::Error::other)?;
                ssl.set_accept_state();
                Box::new(SslStream::new(ssl, tcp).map_err(io::Error::other)?)
            }
        };
        let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT));
        // SAFETY: `leave` deletes the socket from the poller before it closes.
        unsafe { poller.add_with_mode(&polled, Event::readable(key), PollMode::Level)? };
        let state = State::Handshake(ServerHandshake::start(stream, gate, Some(limits)));
        Ok(Signalling { viewer: None, state, polled })
    }

    /// Goes on with the handshake, and reads what has come. An error means that the connection is over.
    pub fn read(&mut self) -> io::Result<Vec<Told>> {
        let mut told = Vec::new();
        if let State::Handshake(_) = self.state
            && let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Gone)
        {
            self.state = match handshake.handshake() {
                Ok(socket) => State::Open(socket),
                Err(HandshakeError::Interrupted(handshake)) => State::Handshake(handshake),
                Err(HandshakeError::Failure(error)) => return Err(io::Error::other(error)),
            };
            if let State::Open(_) = self.state {
                told.push(Told::Opened);
            }
        }
        let State::Open(socket) = &mut self.state else { return Ok(told) };
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => told.push(Told::Text(text.as_str().to_owned())),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(told),
                // What came before the end is looked at first; the next reading finds the end again.
                Err(_) if !told.is_empty() => return Ok(told),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    /// Sends a text. A socket that does not take it is broken, which reading finds out.
    pub fn send(&mut self, text: String) {
        if let State::Open(socket) = &mut self.state {
            let _ = socket.send(Message::text(text));
        }
    }

    /// Closes the WebSocket in an orderly way, as far as that goes without waiting.
    pub fn close(&mut self) {
        if let State::Open(socket) = &mut self.state {
            let _ = socket.close(None).and_then(|()| socket.flush());
            // The viewer sees the end once it has read what was sent.
            let _ = self.polled.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Takes the socket from the poller, which has to come before dropping it.
    pub fn leave(&self, poller: &Poller) {
        let _ = poller.delete(&self.polled);
    }
}
