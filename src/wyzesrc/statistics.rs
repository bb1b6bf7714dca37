//! The `stats` and `camera-info` properties as structures.

use super::media_receiver::MediaReceiver;
use super::outputs::Outputs;
use crate::protocol::error::Stage;
use crate::protocol::medium::Medium;
use crate::protocol::stats::Stats;

/// Makes `application/x-wyze-stats`: counters (u64) since the element was started, the time of each connection stage
/// (u64, in nanoseconds) and, if there was an error, the reason of the last one (string).
pub fn stats(stats: &Stats, receiver: &MediaReceiver, outputs: &Outputs) -> gst::Structure {
    let mut structure = gst::Structure::builder("application/x-wyze-stats")
        .field("packets", stats.packets)
        .field("bytes", stats.bytes)
        .field("foreign", stats.foreign)
        .field("bad-hmac", stats.bad_hmac)
        .field("duplicates", stats.duplicates)
        .field("reordered", stats.reordered)
        .field("undecryptable", stats.undecryptable)
        .field("lost", stats.lost)
        .field("malformed", stats.malformed)
        .field("unknown", stats.unknown)
        .field("timing-probes", stats.timing_probes)
        .field("parity", stats.parity)
        .field("resend-asked", stats.resends.asked)
        .field("resend-filled", stats.resends.filled)
        .field("resend-given-up", stats.resends.given_up)
        .field("video-frames", stats.video_frames)
        .field("audio-frames", stats.audio_frames)
        .field("incomplete", stats.incomplete.total())
        .field("incomplete-lost", stats.incomplete.lost)
        .field("incomplete-size", stats.incomplete.size)
        .field("incomplete-overflow", stats.incomplete.overflow)
        .field("skipped-frames", receiver.skipped())
        .field("key-frame-requests", stats.key_frame_requests)
        .field("media-restarts", stats.media_restarts)
        .field("reconnects", stats.reconnects)
        .field("video-queue-drops", outputs.queue(Medium::Video).dropped())
        .field("audio-queue-drops", outputs.queue(Medium::Audio).dropped())
        .build();
    for stage in Stage::ALL.into_iter().filter(|&stage| stage != Stage::Streaming) {
        // 64 bits of nanoseconds are half a millennium.
        let nanoseconds = stats.stages[stage as usize].as_nanos() as u64;
        structure.set(format!("{}-time-ns", stage.name()), nanoseconds);
    }
    if let Some(reason) = stats.last_error {
        structure.set("last-error", reason);
    }
    structure
}

/// Makes `application/x-wyze-camera-info`: strings and flags about the camera, and from the first frame on its clock
/// (i64, in nanoseconds). Empty before the first connection.
pub fn camera_info(receiver: &MediaReceiver) -> gst::Structure {
    let mut structure = gst::Structure::new_empty("application/x-wyze-camera-info");
    let Some(camera) = receiver.camera() else { return structure };
    structure.set("transport", camera.transport.name());
    if let Some(envelope) = camera.envelope {
        structure.set("envelope", envelope.name());
    }
    if let Some(suite) = camera.suite {
        structure.set("suite", suite.name());
    }
    structure.set("address", camera.address.to_string());
    structure.set("model", &camera.model);
    structure.set("firmware", &camera.firmware);
    structure.set("protocol", u32::from(camera.protocol));
    structure.set("two-way-audio", camera.two_way_audio);
    structure.set("av-enabled", camera.av_enabled);
    structure.set("resend", camera.resend);
    structure.set("capabilities", camera.capabilities.to_string());
    if let Some(clock) = camera.clock {
        structure.set("clock-set", clock.was_set);
        if let Some(offset) = clock.offset {
            structure.set("clock-offset-ns", offset);
        }
    }
    for medium in Medium::ALL {
        if let Some(codec) = receiver.codec(medium) {
            structure.set(format!("{}-codec", medium.name()), codec.to_string());
        }
    }
    structure
}
