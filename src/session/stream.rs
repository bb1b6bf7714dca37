//! A TCP connection, over TLS or not, that never blocks.

use super::socket::bind_interface;
use mio::net::TcpStream;
use nix::errno::Errno;
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// What is to be polled.
pub type Pollable = TcpStream;

pub enum Stream {
    Plain(TcpStream),
    /// Shakes hands by itself when it is first written to.
    Tls(Box<SslStream<TcpStream>>),
}

impl Stream {
    /// Begins to connect, over TLS if the other side has a `name` to be known by. `register` is called once with the
    /// socket, which is to be polled for reading and writing.
    pub fn connect(
        address: SocketAddr,
        name: Option<&str>,
        interface: Option<&str>,
        register: impl FnOnce(&mut Pollable) -> io::Result<()>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(interface) = interface {
            bind_interface(&socket, interface)?;
        }
        match socket.connect(&address.into()) {
            Err(e) if e.raw_os_error() != Some(Errno::EINPROGRESS as i32) => return Err(e),
            _ => {}
        }
        let mut tcp = TcpStream::from_std(socket.into());
        register(&mut tcp)?;
        Ok(match name {
            Some(name) => Stream::Tls(Box::new(secured(name, tcp)?)),
            None => Stream::Plain(tcp),
        })
    }

    /// Returns our own address once TCP is connected.
    pub fn local(&self) -> io::Result<Option<SocketAddr>> {
        let tcp = match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref(),
        };
        if let Some(e) = tcp.take_error()? {
            return Err(e);
        }
        match tcp.peer_addr() {
            Ok(_) => tcp.local_addr().map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(buffer),
            Stream::Tls(tls) => tls.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

/// The system's certificates are trusted, and those of SSL_CERT_FILE and SSL_CERT_DIR.
fn secured(name: &str, tcp: TcpStream) -> Result<SslStream<TcpStream>, ErrorStack> {
    let mut ssl = SslConnector::builder(SslMethod::tls_client())?.build().configure()?.into_ssl(name)?;
    ssl.set_connect_state();
    SslStream::new(ssl, tcp)
}
