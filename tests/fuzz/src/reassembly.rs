//! Target `reassembly`: media packets as a camera sends them over bad links, and media packets that no camera sends.

use super::input::Input;
use super::memory::peak_of;
use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::{Frame, Reassembler};
use gstwyze::protocol::record_window::RecordWindow;
use gstwyze::protocol::wire::frame_info::{self, FrameInfo};
use gstwyze::protocol::wire::media::{FrameType, MediaChannel, MediaPacket};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(50);
const CHANNELS: [MediaChannel; 3] = [MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video];
const TYPES: [u8; 8] = [0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x0C, 0x0D];
/// Reassembly's own limit is 8 MiB: three times that, because a vector that grows is copied to twice its size, and once
/// more for the frame that is handed out.
const MEMORY: usize = 4 * (8 << 20);
/// Nearly as many bytes as a packet's length field can express.
static PAYLOAD: [u8; 65_000] = [0; 65_000];

pub fn reassembly(bytes: &[u8]) {
    let peak = peak_of(|| {
        let mut input = Input::new(bytes);
        if input.flag() { honest(&mut input) } else { hostile(&mut input) }
    });
    assert!(peak < MEMORY + 64 * bytes.len(), "{peak} bytes for {}", bytes.len());
}

struct Receiver {
    reassembler: Reassembler,
    records: RecordWindow,
    now: Instant,
    taken: usize,
    /// The number of the last frame of each medium.
    last: [Option<u32>; 2],
    frames: Vec<Frame>,
}

impl Receiver {
    fn new() -> Self {
        let (mut records, now) = (RecordWindow::default(), Instant::now());
        records.authenticated(0, now, WAIT);
        Receiver { reassembler: Reassembler::default(), records, now, taken: 0, last: [None; 2], frames: Vec::new() }
    }

    fn insert(&mut self, packet: &MediaPacket<'_>, sequence: u64) {
        self.taken += packet.payload.len();
        self.reassembler.insert(packet, sequence, self.now);
        self.poll();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.records.expire(self.now);
        self.poll();
        let next = self.reassembler.next_expiry(WAIT).filter(|_| self.records.missing().oldest_awaited.is_none());
        assert!(next.is_none_or(|at| at > self.now), "time has passed an expiry that is still waited for");
    }

    fn poll(&mut self) {
        self.frames.clear();
        while let Some(frame) = self.reassembler.poll(self.records.missing(), self.now, WAIT) {
            let number = frame.info.frame_number;
            assert!([0, frame.data.len()].contains(&(frame.info.payload_size as usize)));
            assert!(frame.data.len() <= self.taken, "more bytes came out than went in");
            self.taken -= frame.data.len();
            let last = self.last[usize::from(frame.medium == Medium::Audio)].replace(number);
            let goes_on = last.is_none_or(|last| number.wrapping_sub(last) as i32 > 0);
            assert!(goes_on || frame.after_gap, "{number} after {last:?} without a gap");
            self.frames.push(frame);
        }
    }
}

/// Inserts packets with any fields, in records with any numbers.
fn hostile(input: &mut Input<'_>) {
    let mut receiver = Receiver::new();
    let (mut number, mut sequence) = (input.u32(), 1);
    while !input.is_empty() {
        match input.below(16) {
            0 => receiver.pass(Duration::from_millis(input.byte().into())),
            1 => sequence = u64::from(input.u32()) << input.below(17),
            2 => number = input.u32(),
            _ => {
                number = number.wrapping_add_signed(i32::from(input.byte() as i8 / 16));
                let (channel, frame_type) = (input.pick(&CHANNELS), FrameType(input.pick(&TYPES)));
                let total = input.pick(&[1, 2, 3, 4, 1000, u16::MAX]);
                let index = u16::from(input.byte()) % total;
                let size = input.pick(&[0, 1, 40, 41, 100, 1000, PAYLOAD.len()]);
                let mut packet = MediaPacket {
                    channel,
                    frame_type,
                    sequence: 0,
                    version: 0x000B,
                    counter: 0,
                    is_resent: false,
                    total,
                    index,
                    previous_frame: number.wrapping_sub(u32::from(input.byte() % 3)),
                    frame_number: number,
                    frame_info_len: 0,
                    payload: &PAYLOAD[..size],
                };
                let mut last = vec![0; size];
                if frame_type.has_frame_info(total, index) {
                    packet.frame_info_len = input.pick(&frame_info::LENGTHS);
                    let mut info = FrameInfo::parse(&PAYLOAD).unwrap();
                    let fitting = size * usize::from(total);
                    info.payload_size = if input.flag() { input.byte().into() } else { fitting as u32 };
                    info.frame_number = number;
                    last.extend(&[info.emit(), [0; 40]].concat()[..packet.frame_info_len]);
                    packet.payload = &last;
                }
                sequence += u64::from(input.below(3));
                receiver.records.authenticated(sequence, receiver.now, WAIT);
                receiver.insert(&packet, sequence);
            }
        }
    }
    receiver.pass(2 * WAIT);
    assert_eq!(receiver.reassembler.next_expiry(WAIT), None);
}

/// A packet in flight.
struct Flight {
    sequence: u64,
    frame: u32,
    index: u16,
}

/// A frame that was sent. Its bytes are computed from its number.
struct Sent {
    channel: MediaChannel,
    total: u16,
    size: usize,
}

impl Sent {
    fn data(&self, number: u32) -> Vec<u8> {
        (0..self.size).map(|at| (at as u32 ^ number.wrapping_mul(37)) as u8).collect()
    }
}

/// Inserts the packets of genuine frames: some of them lost, some late, some twice.
fn honest(input: &mut Input<'_>) {
    let mut receiver = Receiver::new();
    let first = input.pick(&[1, 0, 500, u32::MAX - 5]);
    let (mut next, mut sequence, mut newest) = (first, 1, 0);
    let (mut sent, mut flights) = (BTreeMap::new(), Vec::<Flight>::new());
    let mut delivered = [None::<u32>; 2];
    while !input.is_empty() {
        match input.below(8) {
            0 | 1 => {
                let (channel, total) = (input.pick(&CHANNELS), 1 + u16::from(input.below(8)));
                sent.insert(next, Sent { channel, total, size: usize::from(input.byte()) });
                for index in 0..total {
                    flights.push(Flight { sequence, frame: next, index });
                    sequence += 1;
                }
                next = next.wrapping_add(1);
            }
            2 => receiver.pass(Duration::from_millis(input.byte().into())),
            3 if !flights.is_empty() => {
                flights.remove(usize::from(input.byte()) % flights.len());
            }
            choice if !flights.is_empty() => {
                let near = if choice == 4 { usize::from(input.byte()) % flights.len() } else { 0 };
                let flight = flights.remove(near);
                // Such a record does not reach reassembly: the client holds it back, or OpenSSL refuses it as too old.
                if receiver.records.must_hold(flight.sequence) || flight.sequence + 64 <= newest {
                    continue;
                }
                newest = newest.max(flight.sequence);
                receiver.records.authenticated(flight.sequence, receiver.now, WAIT);
                deliver(&mut receiver, &flight, &sent[&flight.frame]);
            }
            _ => {}
        }
        for frame in &receiver.frames {
            let number = frame.info.frame_number;
            let last = &mut delivered[usize::from(frame.medium == Medium::Audio)];
            assert!(last.is_none_or(|last| number.wrapping_sub(last) as i32 > 0), "{last:?}, then {number}");
            *last = Some(number);
            let sent = &sent[&number];
            assert_eq!(frame.medium == Medium::Audio, sent.channel == MediaChannel::Audio);
            assert_eq!(frame.data, sent.data(number), "frame {number}");
        }
        receiver.frames.clear();
    }
}

fn deliver(receiver: &mut Receiver, flight: &Flight, sent: &Sent) {
    let (data, total, index) = (sent.data(flight.frame), usize::from(sent.total), usize::from(flight.index));
    let mut payload = data[data.len() * index / total..data.len() * (index + 1) / total].to_vec();
    let mut info = FrameInfo::parse(&PAYLOAD).unwrap();
    (info.payload_size, info.frame_number) = (data.len() as u32, flight.frame);
    let frame_type = match index {
        0 if total == 1 => FrameType::SINGLE,
        0 => FrameType::START,
        i if i + 1 == total => FrameType::END,
        _ => FrameType::MIDDLE,
    };
    let mut packet = MediaPacket {
        channel: sent.channel,
        frame_type,
        sequence: 0,
        version: 0x000B,
        counter: 0,
        is_resent: false,
        total: sent.total,
        index: flight.index,
        previous_frame: flight.frame.wrapping_sub(1),
        frame_number: flight.frame,
        frame_info_len: 0,
        payload: &[],
    };
    if index + 1 == total {
        packet.frame_info_len = info.emit().len();
        payload.extend(info.emit());
    }
    packet.payload = &payload;
    receiver.insert(&packet, flight.sequence);
}
