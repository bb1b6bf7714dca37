//! A hostile camera cannot make reassembly and the record window hold more memory than their limits.

#[path = "fuzz/src/memory.rs"]
mod memory;

use gstwyze::protocol::reassembly::Reassembler;
use gstwyze::protocol::record_window::RecordWindow;
use gstwyze::protocol::resend_window::{Counters, ResendWindow};
use gstwyze::protocol::wire::media::{FrameType, MediaChannel, MediaPacket};
use memory::peak_of;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// Reassembly's own limit is 8 MiB: twice that, because vectors grow by doubling, and once more while one is copied.
const LIMIT: usize = 3 * 8 * MIB;

fn packet(frame_number: u32, total: u16, index: u16, payload: &[u8]) -> MediaPacket<'_> {
    MediaPacket {
        channel: MediaChannel::Video,
        frame_type: FrameType::MIDDLE,
        frame_info_len: 0,
        sequence: 0,
        version: 0x000B,
        counter: 0,
        is_resent: false,
        total,
        index,
        previous_frame: frame_number.wrapping_sub(1),
        frame_number,
        payload,
    }
}

#[test]
fn the_counting_allocator_counts() {
    assert!((MIB..2 * MIB).contains(&peak_of(|| drop(vec![1u8; MIB]))));
}

#[test]
fn one_endless_frame_stays_within_the_limit() {
    let (payload, now) = (vec![7; 1000], Instant::now());
    let mut reassembler = Reassembler::default();
    let peak = peak_of(|| {
        for index in 0..u16::MAX {
            reassembler.insert(&packet(1, u16::MAX, index, &payload), u64::from(index), now);
        }
    });
    assert!((4 * MIB..LIMIT).contains(&peak), "{peak} bytes");
    assert!(reassembler.incomplete.overflow > 0);
}

#[test]
fn many_endless_frames_stay_within_the_limit() {
    let (payload, now) = (vec![7; 16_000], Instant::now());
    let mut reassembler = Reassembler::default();
    let peak = peak_of(|| {
        for sequence in 0..10_000u32 {
            let number = sequence.wrapping_mul(0x9E37_79B9);
            reassembler.insert(&packet(number, 1000, (sequence % 1000) as u16, &payload), sequence.into(), now);
        }
    });
    assert!(peak < LIMIT, "{peak} bytes");
    assert!(reassembler.incomplete.overflow > 9000);
}

#[test]
fn packets_without_payload_stay_within_the_limit() {
    let now = Instant::now();
    let mut reassembler = Reassembler::default();
    let peak = peak_of(|| {
        for number in 0..40 {
            for index in 0..u16::MAX {
                reassembler.insert(&packet(number, u16::MAX, index, &[]), 0, now);
            }
        }
    });
    assert!(peak < LIMIT, "{peak} bytes");
    assert!(reassembler.incomplete.overflow > 0);
}

#[test]
fn jumping_record_numbers_stay_within_the_limit() {
    let (now, wait) = (Instant::now(), Duration::from_millis(40));
    let mut records = RecordWindow::default();
    let peak = peak_of(|| {
        records.authenticated(0, now, wait);
        for step in 1..1000 {
            records.authenticated(step << 37, now, wait);
        }
    });
    assert!(peak < 64 * 1024, "{peak} bytes");
}

#[test]
fn jumping_packet_counters_stay_within_the_limit() {
    let (now, patience) = (Instant::now(), Duration::from_millis(500));
    let mut window = ResendWindow::default();
    let peak = peak_of(|| {
        for step in 0..10_000u16 {
            let counters = Counters {
                inner: step.wrapping_mul(1001),
                outer: step.wrapping_mul(7919),
                index: step,
                is_resent: false,
            };
            window.received(counters, now, patience);
            assert!(window.acknowledge().missing.len() <= 256);
        }
    });
    assert!(peak < 128 * 1024, "{peak} bytes");
}

#[test]
fn held_records_stay_within_the_limit() {
    let (now, wait, record) = (Instant::now(), Duration::from_millis(40), vec![0; 1300]);
    let mut records = RecordWindow::default();
    records.authenticated(0, now, wait);
    records.authenticated(2, now, wait);
    let peak = peak_of(|| {
        for sequence in 100..100_000 {
            records.hold(sequence, &record, now);
        }
    });
    assert!(peak < 2 * MIB, "{peak} bytes");
}
