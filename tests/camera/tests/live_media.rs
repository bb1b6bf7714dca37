//! Tests of live video and audio, as a client receives them.

mod support;

use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use gstwyze::protocol::wire::hl::VideoParameters;
use gstwyze::protocol::wire::media::{MediaPacket, Packet};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, SystemTime};
use support::{HandClient, join};
use wyze_camera::{CameraConfig, CameraServer, LiveAudio, LiveMediaConfig, LiveVideo, MediaSource, SentFrame};

type Frames = Vec<(FrameInfo, Vec<u8>)>;

/// Streams for a second or more, changing the resolution on the way, and returns the whole frames.
fn watch(video: LiveVideo, audio: LiveAudio) -> Frames {
    let config = CameraConfig::demo().expect("the demonstration identity");
    let live = LiveMediaConfig { video, audio, width: 320, height: 240, ..LiveMediaConfig::default() };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = wyze_camera::ServerOptions { record_frames: true, ..Default::default() };
    let camera = CameraServer::start_with(config.clone(), listen, MediaSource::Live(live), options)
        .expect("a camera with media");
    let mut client = HandClient::on_udp(config, camera.addr());
    client.start();
    client.send_command(&VideoParameters { frame_size: 1, bitrate: 60, fps: 0 }.emit());
    for _ in 0..10 {
        client.listen(Duration::from_millis(100));
        client.ack();
    }
    assert!(camera.log().byte_entries().next().is_none(), "{}", camera.log());
    let frames = frames(&client.take_media());
    assert_arrived(&frames, &camera.sent_frames());
    frames
}

fn frames(records: &[Vec<u8>]) -> Frames {
    let mut packets: BTreeMap<u32, Vec<MediaPacket<'_>>> = BTreeMap::new();
    for record in records {
        let Ok(Packet::Media(packet)) = Packet::parse(record) else { panic!("not media: {record:?}") };
        packets.entry(packet.frame_number).or_default().push(packet);
    }
    // The last frame may not have arrived completely.
    packets.retain(|_, packets| packets.len() == usize::from(packets[0].total));
    packets.values().map(|packets| join(packets)).map(|(data, info)| (FrameInfo::parse(&info).unwrap(), data)).collect()
}

fn assert_arrived(frames: &Frames, sent: &[SentFrame]) {
    for ((_, data), sent) in frames.iter().zip(sent) {
        assert_eq!((data.len(), openssl::sha::sha256(data)), (sent.len, sent.sha256));
    }
}

/// Returns the frames of one codec; asserts that their times are about `step` microseconds apart and end at the
/// present.
fn of_codec(frames: &Frames, codec: CodecId, step: i64) -> Vec<&(FrameInfo, Vec<u8>)> {
    let frames: Vec<_> = frames.iter().filter(|(info, _)| info.codec == codec).collect();
    assert!(frames.len() > 8, "{} frames of {codec}", frames.len());
    let times: Vec<i64> =
        frames.iter().map(|(info, _)| i64::from(info.seconds) * 1_000_000 + i64::from(info.microseconds)).collect();
    // Check the median, because a busy machine makes single frames late.
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    assert!((steps[steps.len() / 2] - step).abs() < step / 4, "{codec}: {steps:?}");
    let wall = SystemTime::UNIX_EPOCH.elapsed().expect("a clock past 1970").as_micros() as i64;
    assert!((wall - times[times.len() - 1]).abs() < 2_000_000);
    frames
}

#[test]
fn h264_has_parameter_sets_and_mulaw_comes_with_it() {
    let frames = watch(LiveVideo::H264, LiveAudio::Mulaw);
    let video = of_codec(&frames, CodecId::H264, 50_000);
    let keys: Vec<_> = video.iter().filter(|(info, _)| info.is_key_frame()).collect();
    assert!(keys.iter().all(|(_, data)| data.windows(4).any(|w| w[..3] == [0, 0, 1] && w[3] & 31 == 7)));
    // The first key frame came when the client connected; one with the new size came after it asked for that.
    assert!(keys.iter().any(|(info, _)| info.frame_size == 1), "{}", keys.len());
    let audio = of_codec(&frames, CodecId::MULAW, 40_000);
    assert!(audio.iter().all(|(info, data)| data.len() == 320 && info.audio_flags().rate() == Some(8000)));
}

#[test]
fn h265_comes_with_aac_in_adts() {
    let frames = watch(LiveVideo::H265, LiveAudio::Aac);
    let video = of_codec(&frames, CodecId::H265, 50_000);
    assert!(video.iter().any(|(info, _)| info.is_key_frame()));
    let audio = of_codec(&frames, CodecId::AAC_WYZE, 64_000);
    assert!(audio.iter().all(|(_, data)| data[0] == 0xFF && data[1] & 0xF0 == 0xF0));
}

#[test]
fn mjpeg_comes_with_pcm() {
    let frames = watch(LiveVideo::Mjpeg, LiveAudio::Pcm);
    let video = of_codec(&frames, CodecId::MJPEG, 50_000);
    assert!(video.iter().all(|(info, data)| info.is_key_frame() && data.starts_with(&[0xFF, 0xD8])));
    assert!(of_codec(&frames, CodecId::PCM, 40_000).iter().all(|(_, data)| data.len() == 1280));
}

#[test]
fn opus_and_alaw_come_without_video() {
    of_codec(&watch(LiveVideo::None, LiveAudio::Opus), CodecId::OPUS, 20_000);
    of_codec(&watch(LiveVideo::None, LiveAudio::Alaw), CodecId::ALAW, 40_000);
}

#[test]
fn a_file_plays_in_a_loop() {
    let path = std::env::temp_dir().join(format!("wyze-camera-{}.h264", std::process::id()));
    let made = Command::new("gst-launch-1.0")
        .args("-q videotestsrc num-buffers=8 ! video/x-raw,width=64,height=64 ! x264enc key-int-max=4 !".split(' '))
        .args("video/x-h264,stream-format=byte-stream ! filesink".split(' '))
        .arg(format!("location={}", path.display()))
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    let frames = watch(LiveVideo::File(path.clone()), LiveAudio::None);
    let video = of_codec(&frames, CodecId::H264, 50_000);
    assert!(video[0].0.is_key_frame() && video[0].1 == video[8].1);
    std::fs::remove_file(path).expect("the file removed");
}

#[test]
fn a_missing_file_is_named() {
    let video = LiveVideo::File("/nonexistent.h264".into());
    let media = MediaSource::Live(LiveMediaConfig { video, ..LiveMediaConfig::default() });
    let config = CameraConfig::demo().expect("the demonstration identity");
    let error = CameraServer::start(config, SocketAddr::from(([127, 0, 0, 1], 0)), media).err().expect("an error");
    assert!(error.to_string().contains("/nonexistent.h264"), "{error}");
}
