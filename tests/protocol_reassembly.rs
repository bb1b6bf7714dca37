//! Reassembly delivers frames whole, in order and once, whatever the network does to their packets.

use gstwyze::protocol::medium::Medium;
use gstwyze::protocol::reassembly::{Frame, Insert, Reassembler};
use gstwyze::protocol::record_window::RecordWindow;
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::media::{self, FrameType, MediaChannel, MediaPacket};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(40);

/// A frame and the packets in which a camera sends it.
#[derive(Debug, Clone)]
struct Sent {
    channel: MediaChannel,
    number: u32,
    data: Vec<u8>,
    packets: Vec<Vec<u8>>,
}

impl Sent {
    fn medium(&self) -> Medium {
        if self.channel == MediaChannel::Audio { Medium::Audio } else { Medium::Video }
    }

    /// Makes a frame of `total` packets, whose bytes differ from those of other frames.
    fn new(channel: MediaChannel, number: u32, total: u16) -> Self {
        let chunks: Vec<Vec<u8>> =
            (0..total).map(|index| vec![number as u8 ^ (index as u8) << 4; 5 + usize::from(index % 3)]).collect();
        let data = chunks.concat();
        let info = FrameInfo {
            codec: CodecId::H264,
            flags: u8::from(channel == MediaChannel::KeyVideo),
            camera: 0,
            viewers: 1,
            fps: 20,
            frame_size: 0,
            bitrate: 240,
            microseconds: 0,
            seconds: 0,
            payload_size: data.len() as u32,
            frame_number: number,
            mac: [0; 16],
        };
        let previous = number.wrapping_sub(1);
        let packets = (0..).zip(chunks).map(|(index, mut payload)| {
            let frame_type = match index + 1 {
                1 if total == 1 => FrameType::SINGLE,
                1 => FrameType::START,
                last if last == total => FrameType::END,
                _ => FrameType::MIDDLE,
            };
            let mut frame_info_len = 0;
            if index + 1 == total {
                payload.extend(info.emit());
                frame_info_len = info.emit().len();
            }
            let packet = MediaPacket {
                channel,
                frame_type,
                sequence: 0,
                version: media::VERSION,
                counter: 0,
                is_resent: false,
                total,
                index,
                previous_frame: previous,
                frame_number: number,
                frame_info_len,
                payload: &payload,
            };
            packet.emit()
        });
        let packets = packets.collect();
        Sent { channel, number, data, packets }
    }

    fn key(number: u32, total: u16) -> Self {
        Sent::new(MediaChannel::KeyVideo, number, total)
    }

    fn video(number: u32, total: u16) -> Self {
        Sent::new(MediaChannel::Video, number, total)
    }

    fn audio(number: u32) -> Self {
        Sent::new(MediaChannel::Audio, number, 1)
    }
}

/// Uses reassembler and record window as the client does, in virtual time.
struct Receiver {
    reassembler: Reassembler,
    records: RecordWindow,
    now: Instant,
    /// Sequence number of the next record for [`Receiver::take`].
    sequence: u64,
    frames: Vec<Frame>,
}

impl Receiver {
    /// Makes a receiver that has had the login, which is record 0.
    fn new() -> Self {
        let (mut records, now) = (RecordWindow::default(), Instant::now());
        records.authenticated(0, now, WAIT);
        Receiver { reassembler: Reassembler::default(), records, now, sequence: 1, frames: Vec::new() }
    }

    fn arrive(&mut self, sequence: u64, packet: &[u8]) -> Insert {
        self.records.authenticated(sequence, self.now, WAIT);
        self.insert(sequence, packet)
    }

    fn insert(&mut self, sequence: u64, packet: &[u8]) -> Insert {
        let Ok(media::Packet::Media(packet)) = media::Packet::parse(packet) else { panic!("not a media packet") };
        let insert = self.reassembler.insert(&packet, sequence, self.now);
        self.poll();
        insert
    }

    /// Takes the packets of a frame with these indices, in the next records.
    fn take(&mut self, frame: &Sent, indices: &[usize]) {
        for &index in indices {
            assert_eq!(self.arrive(self.sequence, &frame.packets[index]), Insert::Taken);
            self.sequence += 1;
        }
    }

    fn take_whole(&mut self, frame: &Sent) {
        self.take(frame, &(0..frame.packets.len()).collect::<Vec<_>>());
    }

    /// Skips the next record, as if it was lost.
    fn lose(&mut self) {
        self.sequence += 1;
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.records.expire(self.now);
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(frame) = self.reassembler.poll(self.records.missing(), self.now, WAIT) {
            self.frames.push(frame);
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.frames.iter().map(|frame| frame.info.frame_number).collect()
    }

    /// The numbers of the frames that are marked as coming after a gap.
    fn gaps(&self) -> Vec<u32> {
        self.frames.iter().filter(|frame| frame.after_gap).map(|frame| frame.info.frame_number).collect()
    }
}

// Packets in any order, repeated and lost

/// Up to 8 frames of up to 7 packets with consecutive numbers: fewer records than the replay window holds.
fn sent_frames() -> impl Strategy<Value = Vec<Sent>> {
    let channels = vec![MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video];
    let frame = (prop::sample::select(channels), 1..8u16);
    (prop::collection::vec(frame, 1..9), any::<u32>()).prop_map(|(frames, first)| {
        let sent = (0..).zip(frames).map(|(i, (channel, total))| Sent::new(channel, first.wrapping_add(i), total));
        sent.collect()
    })
}

/// A packet in flight: the frame's place in the list, the sequence number of its DTLS record, and its bytes.
type Flight = (usize, u64, Vec<u8>);

fn flights(frames: &[Sent]) -> Vec<Flight> {
    let packets = frames.iter().enumerate().flat_map(|(i, frame)| frame.packets.iter().map(move |packet| (i, packet)));
    packets.zip(1..).map(|((i, packet), sequence)| (i, sequence, packet.clone())).collect()
}

/// Checks that `frame` equals what was sent, byte for byte.
fn check(frame: &Frame, sent: &Sent) -> Result<(), TestCaseError> {
    prop_assert_eq!(frame.info.frame_number, sent.number);
    prop_assert_eq!(frame.medium, sent.medium());
    prop_assert_eq!(&frame.data, &sent.data);
    Ok(())
}

proptest! {
    #[test]
    fn frames_come_out_in_order_whatever_the_order_of_packets(
        (frames, flights) in sent_frames().prop_flat_map(|frames| {
            let flights = Just(flights(&frames)).prop_shuffle();
            (Just(frames), flights)
        }),
        copies in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut receiver = Receiver::new();
        for (place, (_, sequence, packet)) in flights.iter().enumerate() {
            prop_assert_eq!(receiver.arrive(*sequence, packet), Insert::Taken);
            for (_, sequence, packet) in copies.iter().map(|copy| &flights[copy.index(place + 1)]) {
                prop_assert_eq!(receiver.insert(*sequence, packet), Insert::Duplicate);
            }
        }
        prop_assert_eq!(receiver.frames.len(), frames.len());
        for (frame, sent) in receiver.frames.iter().zip(&frames) {
            check(frame, sent)?;
            prop_assert!(!frame.after_gap);
        }
        prop_assert_eq!(receiver.reassembler.incomplete.total(), 0);
        prop_assert_eq!(receiver.reassembler.next_expiry(WAIT), None);
    }

    #[test]
    fn a_lost_packet_costs_its_frame_and_no_other(
        (frames, flights) in sent_frames().prop_flat_map(|frames| {
            let flights = Just(flights(&frames)).prop_shuffle();
            (Just(frames), flights)
        }),
        kept in prop::collection::vec(prop::bool::weighted(0.85), 64),
    ) {
        let mut receiver = Receiver::new();
        let mut arrived = vec![0; frames.len()];
        for (i, sequence, packet) in flights.iter().filter(|(_, sequence, _)| kept[*sequence as usize]) {
            arrived[*i] += 1;
            receiver.arrive(*sequence, packet);
        }
        receiver.pass(WAIT);

        let whole = |i: usize| arrived[i] == frames[i].packets.len();
        let expected: Vec<usize> = (0..frames.len()).filter(|&i| whole(i)).collect();
        prop_assert_eq!(receiver.frames.len(), expected.len(), "{:?}", receiver.numbers());
        for (frame, &i) in receiver.frames.iter().zip(&expected) {
            check(frame, &frames[i])?;
            // Look back to the delivered frame of this medium before it.
            let since = (0..i).rev().take_while(|&before| !(whole(before) && frames[before].medium() == frame.medium));
            let lost: Vec<_> = since.filter(|&before| !whole(before)).collect();
            let own_lost = lost.iter().any(|&before| frames[before].medium() == frame.medium);
            prop_assert!(frame.after_gap || !own_lost, "frame {} of {:?} lost {:?}", i, frames[i].medium(), lost);
            prop_assert!(!frame.after_gap || !lost.is_empty(), "frame {} is marked, but nothing was lost before it", i);
        }
        // A partial frame counts once a later one of its medium has been delivered.
        let bypassed = (0..frames.len()).filter(|&i| {
            let overtaken = expected.iter().any(|&later| later > i && frames[later].medium() == frames[i].medium());
            !whole(i) && arrived[i] > 0 && overtaken
        });
        prop_assert_eq!(receiver.reassembler.incomplete.lost, bypassed.count() as u64);
    }

    #[test]
    fn hostile_packets_at_most_damage_frames(
        packets in prop::collection::vec(
            (0..3u8, 0..8u8, 1..5u16, 0..5u16, prop_oneof![0..6u32, any::<u32>()], 0..90usize, 0..60u64),
            1..200,
        ),
    ) {
        let mut receiver = Receiver::new();
        for (channel, frame_type, total, index, frame_number, size, sequence) in packets {
            let channel = [MediaChannel::Audio, MediaChannel::KeyVideo, MediaChannel::Video][usize::from(channel)];
            let frame_type = FrameType([0, 1, 4, 5, 8, 9, 0x0D, 0x0C][usize::from(frame_type)]);
            let frame_info_len = if frame_type.has_frame_info(total, index) { 40 } else { 0 };
            let payload = vec![0; size];
            let packet = MediaPacket {
                channel, frame_type, version: media::VERSION, sequence: 0, counter: 0, is_resent: false, total, index, previous_frame: frame_number, frame_number,
                frame_info_len, payload: &payload,
            };
            if let Ok(media::Packet::Media(_)) = media::Packet::parse(&packet.emit()) {
                receiver.arrive(sequence, &packet.emit());
            }
        }
        receiver.pass(WAIT);
        for frame in &receiver.frames {
            prop_assert!([0, frame.data.len()].contains(&(frame.info.payload_size as usize)));
        }
    }
}

// Gaps and waiting

#[test]
fn a_frame_lost_whole_marks_the_next_of_its_medium() {
    let mut receiver = Receiver::new();
    receiver.take_whole(&Sent::key(1, 2));
    receiver.lose();
    receiver.take_whole(&Sent::video(3, 1));
    assert_eq!(receiver.numbers(), [1], "the record before is awaited");
    receiver.pass(WAIT);
    receiver.take_whole(&Sent::video(4, 1));
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![1, 3, 4], vec![3]));
}

#[test]
fn a_frame_lost_whole_between_audio_frames_marks_the_next_video_frame() {
    let mut receiver = Receiver::new();
    receiver.take_whole(&Sent::key(1, 2));
    receiver.take_whole(&Sent::audio(2));
    receiver.lose();
    receiver.take_whole(&Sent::audio(4));
    receiver.pass(WAIT);
    receiver.take_whole(&Sent::video(5, 1));
    receiver.take_whole(&Sent::video(6, 1));
    assert_eq!(receiver.numbers(), [1, 2, 4, 5, 6]);
    assert!(receiver.frames[3].after_gap, "frame 3 is missing, and may have been video");
    assert!(!receiver.frames[4].after_gap);
}

#[test]
fn two_frames_lost_whole_and_given_up_together_mark_two_frames() {
    let mut receiver = Receiver::new();
    receiver.take_whole(&Sent::key(1, 2));
    receiver.lose();
    receiver.take_whole(&Sent::video(3, 1));
    receiver.lose();
    receiver.take_whole(&Sent::video(5, 1));
    receiver.take_whole(&Sent::video(6, 1));
    receiver.pass(WAIT);
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![1, 3, 5, 6], vec![3, 5]));
}

#[test]
fn a_lost_record_without_media_marks_no_frame() {
    let mut receiver = Receiver::new();
    receiver.take_whole(&Sent::key(1, 2));
    receiver.take_whole(&Sent::audio(2));
    receiver.lose();
    receiver.take_whole(&Sent::audio(3));
    receiver.take_whole(&Sent::video(4, 2));
    receiver.pass(WAIT);
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![1, 2, 3, 4], vec![]));
}

#[test]
fn an_incomplete_frame_holds_the_next_one_back_until_the_wait_ends() {
    let mut receiver = Receiver::new();
    let (growing, next) = (Sent::key(1, 3), Sent::video(2, 1));
    receiver.take(&growing, &[0]);
    receiver.take_whole(&next);
    receiver.pass(WAIT / 2);
    receiver.take(&growing, &[1]);
    // The wait counts from its last packet.
    assert_eq!(receiver.reassembler.next_expiry(WAIT), Some(receiver.now + WAIT));
    receiver.pass(WAIT - Duration::from_nanos(1));
    assert!(receiver.frames.is_empty());
    receiver.pass(Duration::from_nanos(1));
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![2], vec![2]));
    assert_eq!(receiver.reassembler.incomplete.lost, 1);
    // Its last packet comes after all, and is not mistaken for a camera whose numbering restarts.
    assert_eq!(receiver.arrive(receiver.sequence, &growing.packets[2]), Insert::Duplicate);
    assert_eq!(receiver.reassembler.next_expiry(WAIT), None);
}

#[test]
fn an_incomplete_video_frame_does_not_hold_audio_back() {
    let mut receiver = Receiver::new();
    receiver.take(&Sent::key(1, 3), &[0, 1]);
    receiver.take_whole(&Sent::audio(2));
    assert_eq!(receiver.numbers(), [2]);
}

#[test]
fn packets_of_the_next_frame_may_come_before_this_ones_last() {
    let mut receiver = Receiver::new();
    let (one, two) = (Sent::key(1, 3), Sent::video(2, 2));
    receiver.take(&one, &[0]);
    receiver.take(&two, &[1, 0]);
    assert!(receiver.frames.is_empty());
    receiver.take(&one, &[2, 1]);
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![1, 2], vec![]));
    assert_eq!((&receiver.frames[0].data, &receiver.frames[1].data), (&one.data, &two.data));
}

// Numbers

#[test]
fn index_40_is_told_from_0x28_in_the_last_packet() {
    for total in [41, 42, 60] {
        let frame = Sent::key(1, total);
        let field = |packet: &[u8]| {
            let at = if packet[1] >= 8 { 22 } else { 14 };
            u16::from_le_bytes([packet[at], packet[at + 1]])
        };
        assert_eq!(field(&frame.packets[40]), 0x28);
        assert_eq!(field(&frame.packets[usize::from(total) - 1]), 0x28);
        let mut receiver = Receiver::new();
        // The last packet comes first, so that packet 40 could be mistaken for a copy of it.
        receiver.take(&frame, &[usize::from(total) - 1]);
        receiver.take(&frame, &(0..usize::from(total) - 1).collect::<Vec<_>>());
        assert_eq!(receiver.frames.len(), 1, "{total} packets");
        assert_eq!(receiver.frames[0].data, frame.data);
    }
}

#[test]
fn frame_numbers_wrap() {
    let mut receiver = Receiver::new();
    let first = u32::MAX - 1;
    for i in 0..4 {
        // Each frame begins before the one before is complete.
        receiver.take(&Sent::video(first.wrapping_add(i), 2), &[1]);
        if i > 0 {
            receiver.take(&Sent::video(first.wrapping_add(i - 1), 2), &[0]);
        }
    }
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![u32::MAX - 1, u32::MAX, 0], vec![]));
}

#[test]
fn restarted_numbering_goes_on_with_a_gap() {
    for restart in [1, 480] {
        let mut receiver = Receiver::new();
        receiver.take_whole(&Sent::key(500, 2));
        receiver.take(&Sent::video(501, 2), &[0]);
        receiver.take_whole(&Sent::key(restart, 3));
        receiver.take_whole(&Sent::video(restart + 1, 1));
        assert_eq!((receiver.numbers(), receiver.gaps()), (vec![500, restart, restart + 1], vec![restart]));
        assert_eq!(receiver.reassembler.incomplete.lost, 1, "frame 501");
    }
}

#[test]
fn a_late_packet_of_an_old_frame_does_not_restart_numbering() {
    let mut receiver = Receiver::new();
    let old = Sent::key(1, 2);
    receiver.take(&old, &[0]);
    let late = receiver.sequence;
    receiver.lose();
    for number in 2..60 {
        receiver.take_whole(&Sent::video(number, 1));
    }
    receiver.pass(WAIT);
    assert_eq!(receiver.frames.len(), 58);
    assert_eq!(receiver.arrive(late, &old.packets[1]), Insert::Duplicate);
    receiver.take_whole(&Sent::video(60, 1));
    assert_eq!((receiver.frames.len(), receiver.gaps()), (59, vec![2]));
}

// Packets that contradict each other

#[test]
fn a_frame_of_the_wrong_size_is_dropped_and_counted() {
    let mut receiver = Receiver::new();
    let mut wrong = Sent::video(2, 2);
    let info = wrong.packets[1].len() - 40;
    wrong.packets[1][info + 16] ^= 1;
    receiver.take_whole(&Sent::key(1, 1));
    receiver.take_whole(&wrong);
    receiver.take_whole(&Sent::video(3, 1));
    assert_eq!((receiver.numbers(), receiver.gaps()), (vec![1, 3], vec![3]));
    assert_eq!(receiver.reassembler.incomplete.size, 1);
}

#[test]
fn a_packet_with_another_total_is_malformed_but_its_frame_completes() {
    let mut receiver = Receiver::new();
    let frame = Sent::key(1, 3);
    receiver.take(&frame, &[0]);
    assert_eq!(receiver.arrive(2, &Sent::key(1, 4).packets[1]), Insert::Malformed);
    receiver.sequence = 3;
    receiver.take(&frame, &[1, 2]);
    assert_eq!(receiver.frames[0].data, frame.data);
}

#[test]
fn too_many_incomplete_frames_drop_the_oldest() {
    let mut receiver = Receiver::new();
    let frames: Vec<_> = (1..=300).map(|number| Sent::video(number, 2)).collect();
    for frame in &frames {
        receiver.take(frame, &[0]);
    }
    assert_eq!(receiver.reassembler.incomplete.overflow, 300 - 256);
    for frame in &frames[300 - 256..] {
        receiver.take(frame, &[1]);
    }
    assert_eq!((receiver.numbers(), receiver.gaps()), ((45..=300).collect(), vec![45]));
}
