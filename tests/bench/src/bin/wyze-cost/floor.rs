//! The least that watching a camera can cost: receive in batches, decrypt each packet with ChaCha20-Poly1305, copy it.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wyze_bench::camera::{CameraArguments, SOUNDS_A_SECOND};
use wyze_bench::{Error, Usage};

const KEY: [u8; 32] = [7; 32];
const TAG: usize = 16;
const NONCE: usize = 12;
/// What a camera's packet carries of a frame.
const PAYLOAD: usize = 1024;
/// The header of the envelope. Here it has the packet's number, and whether the packet continues a frame.
const ENVELOPE: usize = 28;
const CONTINUES: usize = 13;
/// The header of a DTLS record, which is authenticated with what follows.
const RECORD: std::ops::Range<usize> = ENVELOPE..ENVELOPE + 13;
/// All headers of a packet, with that of AV.
const HEADERS: usize = RECORD.end + 36;
/// A frame of sound, in bytes.
const SOUND: usize = 320;
const BATCH: usize = 64;
const DATAGRAM: usize = 2048;

/// What the floor cost.
pub struct Floor {
    pub packets: u64,
    pub usage: Usage,
}

/// Receives for so long from a sender in a process of its own.
pub fn measure(arguments: &CameraArguments, time: Duration) -> Result<Floor, Error> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut sender = Sender::start(arguments, socket.local_addr()?)?;
    let mut receiver = Receiver::new(socket)?;
    // The first packets pay for what is set up once.
    receiver.receive_until(Instant::now() + Duration::from_millis(500))?;
    let (packets, usage) = (receiver.packets, Usage::now());
    receiver.receive_until(Instant::now() + time)?;
    let floor = Floor { packets: receiver.packets - packets, usage: Usage::now().since(usage) };
    sender.end();
    Ok(floor)
}

struct Receiver {
    socket: UdpSocket,
    context: CipherCtx,
    buffers: Box<[[u8; DATAGRAM]; BATCH]>,
    plain: Vec<u8>,
    frame: Vec<u8>,
    packets: u64,
}

impl Receiver {
    fn new(socket: UdpSocket) -> Result<Self, Error> {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(Some(Cipher::chacha20_poly1305()), Some(&KEY), Some(&[0; NONCE]))?;
        let buffers = vec![[0; DATAGRAM]; BATCH].into_boxed_slice().try_into().map_err(|_| "a batch of buffers")?;
        Ok(Receiver { socket, context, buffers, plain: vec![0; DATAGRAM], frame: Vec::new(), packets: 0 })
    }

    fn receive_until(&mut self, until: Instant) -> Result<(), Error> {
        while Instant::now() < until {
            let lengths = self.receive()?;
            for (at, length) in lengths.into_iter().enumerate() {
                self.open(at, length)?;
            }
        }
        Ok(())
    }

    /// Waits for a datagram, takes as many as there are, and returns their lengths.
    fn receive(&mut self) -> Result<Vec<usize>, Error> {
        let mut parts = self
            .buffers
            .each_mut()
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: DATAGRAM });
        // SAFETY: zeros are valid for msghdr; the pointers are to `parts`, and through them to the buffers, which
        // outlive the call.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (message, part) in messages.iter_mut().zip(&mut parts) {
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (part, 1);
        }
        let flags = libc::MSG_WAITFORONE;
        // SAFETY: as above, and BATCH is the number of messages.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as u32,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        Ok(messages[..usize::try_from(count).unwrap_or(0)].iter().map(|message| message.msg_len as usize).collect())
    }

    fn open(&mut self, at: usize, length: usize) -> Result<(), Error> {
        let datagram = &self.buffers[at][..length];
        let (header, body) = datagram.split_at(HEADERS);
        let (cipher, tag) = body.split_at(body.len() - TAG);
        self.context.decrypt_init(None, None, Some(&nonce(header)))?;
        self.context.set_tag(tag)?;
        self.context.cipher_update(&header[RECORD], None)?;
        let n = self.context.cipher_update(cipher, Some(&mut self.plain))?;
        self.context.cipher_final(&mut self.plain[n..])?;
        if header[CONTINUES] == 0 {
            self.frame.clear();
        }
        self.frame.extend_from_slice(&self.plain[..n]);
        self.packets += 1;
        Ok(())
    }
}

fn nonce(header: &[u8]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&header[..NONCE]);
    nonce
}

/// The process that sends; dropping it ends it.
struct Sender {
    child: Child,
}

impl Sender {
    fn start(arguments: &CameraArguments, to: SocketAddr) -> Result<Self, Error> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--send-to", &to.to_string()])
            .args(arguments.options_of_a_child())
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Sender { child })
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends what a camera sends, in packets of the same sizes at the same times, until standard input ends.
pub fn send(arguments: &CameraArguments, to: SocketAddr) -> Result<(), Error> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = ended.send(());
    });
    let (key_frame_len, frame_len) = arguments.frame_lengths();
    let (fps, gop) = (u32::from(arguments.fps), 2 * u32::from(arguments.fps));
    let start = Instant::now();
    let (mut frames, mut sounds, mut number) = (0, 0, 0);
    let mut packets = Packets::new()?;
    loop {
        let frame_due = Duration::from_secs(1) * frames / fps;
        let sound_due =
            if arguments.silent { Duration::MAX } else { Duration::from_secs(1) * sounds / SOUNDS_A_SECOND };
        let due = start + frame_due.min(sound_due);
        if end.recv_timeout(due.saturating_duration_since(Instant::now())).is_ok() {
            return Ok(());
        }
        let length = if sound_due < frame_due {
            sounds += 1;
            SOUND
        } else {
            frames += 1;
            if frames % gop == 1 { key_frame_len } else { frame_len }
        };
        let mut burst = Vec::new();
        for (at, begin) in (0..length).step_by(PAYLOAD).enumerate() {
            number += 1;
            burst.push((packets.packet(number, at, PAYLOAD.min(length - begin))?.to_vec(), to));
        }
        // As the simulated camera does.
        let (size, pause) = match arguments.pace {
            0 => (24, Duration::from_millis(1)),
            pace => (1, Duration::from_micros(pace)),
        };
        for (number, burst) in burst.chunks(size).enumerate() {
            if number > 0 {
                std::thread::sleep(pause);
            }
            wyze_camera::send_burst(&socket, burst);
        }
    }
}

struct Packets {
    context: CipherCtx,
    plain: Vec<u8>,
    packet: Vec<u8>,
}

impl Packets {
    fn new() -> Result<Self, Error> {
        let mut context = CipherCtx::new()?;
        context.encrypt_init(Some(Cipher::chacha20_poly1305()), Some(&KEY), Some(&[0; NONCE]))?;
        Ok(Packets { context, plain: vec![1; PAYLOAD], packet: Vec::new() })
    }

    fn packet(&mut self, number: u64, at: usize, length: usize) -> Result<&[u8], Error> {
        self.packet.clear();
        self.packet.extend_from_slice(&number.to_be_bytes());
        self.packet.resize(HEADERS, 0);
        self.packet[CONTINUES] = u8::from(at > 0);
        let nonce = nonce(&self.packet);
        self.context.encrypt_init(None, None, Some(&nonce))?;
        let header: [u8; 13] = self.packet[RECORD].try_into()?;
        self.context.cipher_update(&header, None)?;
        self.context.cipher_update_vec(&self.plain[..length], &mut self.packet)?;
        self.context.cipher_final_vec(&mut self.packet)?;
        let mut tag = [0; TAG];
        self.context.tag(&mut tag)?;
        self.packet.extend_from_slice(&tag);
        Ok(&self.packet)
    }
}
