//! Every codec that cameras have, from real encoders: the bytes come out as they went in, with caps that decoders
//! accept.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gst::prelude::*;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::media::MediaChannel;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};
use support::*;
use talk::share_of;
use wyze_camera::{MediaFrame, MediaSource, ServerOptions, SyntheticConfig};

const PICTURES: usize = 12;

/// Makes a camera's frames, `interval` apart, from encoded buffers: audio if there is an `audio_rate`.
fn frames(codec: CodecId, audio_rate: Option<u32>, encoded: &[Encoded], interval: Duration) -> Vec<MediaFrame> {
    let start = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let make = |(i, encoded): (usize, &Encoded)| {
        let time = start + interval * i as u32;
        let (kind, flags) = match (audio_rate, encoded.key) {
            (Some(rate), _) => (MediaChannel::Audio, AudioFlags::new(rate, false).unwrap().0),
            (None, true) => (MediaChannel::KeyVideo, 1),
            (None, false) => (MediaChannel::Video, 0),
        };
        MediaFrame {
            kind,
            codec,
            flags,
            fps: 10,
            frame_size: 1,
            seconds: time.as_secs() as u32,
            microseconds: time.subsec_micros(),
            data: encoded.data.clone(),
        }
    };
    encoded.iter().enumerate().map(make).collect()
}

/// The pad's first caps, its buffers and which of them are key frames, and each decoded buffer with its caps.
struct Outcome {
    caps: gst::Caps,
    got: Vec<Vec<u8>>,
    keys: Vec<bool>,
    decoded: Vec<(gst::Caps, Vec<u8>)>,
}

/// Sends frames of one medium through camera and element into a decoder, with the other medium (`off`) switched off.
fn stream(frames: &[MediaFrame], off: &str, lost_at_start: usize) -> Outcome {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::launch(&format!(
        "wyzesrc name=camera {}=false {} ! decodebin ! fakesink name=out sync=false async=false",
        off,
        settings(&camera)
    ));
    let (sender, decoded) = mpsc::channel();
    let out = player.pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    out.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
            let _ = sender.send((pad.current_caps().unwrap(), bytes(buffer)));
        }
        gst::PadProbeReturn::Ok
    });
    player.connect();
    let name = if off == "video" { "audio" } else { "video" };
    let mut caps = None;
    let mut buffers = Vec::new();
    for frame in frames {
        camera.push_frame(frame);
    }
    player.until("all frames", |seen| {
        if let Seen::PadAdded { pad, .. } = seen {
            caps = pad.current_caps();
        }
        buffers.extend(seen.buffer(name));
        (buffers.len() == frames.len() - lost_at_start).then_some(())
    });
    let late = player.end();
    assert!(!late.iter().any(|seen| seen.buffer(name).is_some()), "more frames than were sent");
    let keys = buffers.iter().map(is_key).collect();
    Outcome {
        caps: caps.unwrap(),
        got: buffers.iter().map(bytes).collect(),
        keys,
        decoded: decoded.try_iter().collect(),
    }
}

fn video(codec: CodecId, encoder: &str, caps: &str) {
    let encoded = encode(&format!(
        "videotestsrc num-buffers={PICTURES} pattern=ball ! video/x-raw,format=I420,width=176,height=144,framerate=10/1 ! {encoder}"
    ));
    assert_eq!(encoded.len(), PICTURES);
    let frames = frames(codec, None, &encoded, Duration::from_millis(100));
    let outcome = stream(&frames, "audio", 0);
    let expected: gst::Caps = caps.parse().unwrap();
    assert_eq!(outcome.caps, expected, "{codec}");
    for (i, (got, sent)) in outcome.got.iter().zip(&frames).enumerate() {
        assert!(*got == sent.data, "{codec}: picture {i} differs");
    }
    let keys: Vec<_> = encoded.iter().map(|encoded| encoded.key).collect();
    assert_eq!(outcome.keys, keys, "{codec}");
    assert_eq!(outcome.decoded.len(), PICTURES, "{codec}");
    for (caps, _) in &outcome.decoded {
        let picture = caps.structure(0).unwrap();
        assert_eq!((picture.get("width"), picture.get("height")), (Ok(176), Ok(144)), "{codec}");
    }
}

#[test]
fn h264_video_comes_out_unchanged() {
    video(
        CodecId::H264,
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! h264parse config-interval=-1 ! \
         video/x-h264,stream-format=byte-stream,alignment=au",
        "video/x-h264,stream-format=byte-stream,alignment=au,width=176,height=144",
    );
}

#[test]
fn h265_video_comes_out_unchanged() {
    video(
        CodecId::H265,
        "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=5 log-level=none ! h265parse config-interval=-1 ! \
         video/x-h265,stream-format=byte-stream,alignment=au",
        "video/x-h265,stream-format=byte-stream,alignment=au,width=176,height=144",
    );
}

#[test]
fn h264_is_known_under_its_second_id() {
    video(
        CodecId::H264_SECOND,
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! h264parse config-interval=-1 ! \
         video/x-h264,stream-format=byte-stream,alignment=au",
        "video/x-h264,stream-format=byte-stream,alignment=au,width=176,height=144",
    );
}

#[test]
fn mjpeg_video_comes_out_unchanged() {
    video(CodecId::MJPEG, "jpegenc", "image/jpeg,width=176,height=144");
}

#[test]
fn mpeg4_video_comes_out_unchanged() {
    video(
        CodecId::MPEG4,
        "avenc_mpeg4 gop-size=5 ! mpeg4videoparse config-interval=-1",
        "video/mpeg,mpegversion=4,systemstream=false",
    );
}

#[test]
fn h263_video_comes_out_unchanged() {
    video(CodecId::H263, "avenc_h263 gop-size=5", "video/x-h263,variant=itu");
}

/// Changes what an encoder made into what cameras send.
type Change = fn(&mut Vec<Encoded>);

/// Checks one second of audio. The element drops `held` frames at the start, until it has recognised the codec.
fn audio(codec: CodecId, rate: u32, samples: u32, encoder: &str, caps: &str, held: usize, change: Change) {
    let mut encoded = encode(&format!(
        "audiotestsrc num-buffers={} samplesperbuffer={samples} ! audio/x-raw,format=S16LE,rate={rate},channels=1,layout=interleaved ! {encoder}",
        rate / samples
    ));
    change(&mut encoded);
    let interval = Duration::from_secs(1) * samples / rate;
    let frames = frames(codec, Some(rate), &encoded, interval);
    assert!(frames.len() > 10, "{} frames", frames.len());
    let outcome = stream(&frames, "video", held);
    let expected: gst::Caps = caps.parse().unwrap();
    assert_eq!(outcome.caps, expected, "{codec}");
    let with_header = |data: &[u8]| match codec {
        CodecId::AAC_LATM => [&[0x56, 0xE0 | (data.len() >> 8) as u8, data.len() as u8], data].concat(),
        _ => data.to_vec(),
    };
    for (i, (got, sent)) in outcome.got.iter().zip(&frames[held..]).enumerate() {
        assert!(*got == with_header(&sent.data), "{codec}: frame {i} differs");
    }
    assert!(outcome.keys.iter().all(|&key| key), "{codec}");
    let (mut decoded, mut samples, mut decoded_rate) = (Duration::ZERO, Vec::new(), rate);
    for (caps, data) in &outcome.decoded {
        let sound = caps.structure(0).unwrap();
        assert_eq!(sound.name(), "audio/x-raw", "{codec}");
        let get = |field| sound.get::<i32>(field).unwrap() as u32;
        // Opus decodes to its own rate.
        assert!(codec == CodecId::OPUS || get("rate") == rate, "{codec}: {caps}");
        let before = samples.len();
        if sound.get::<&str>("format").unwrap() == "F32LE" {
            samples.extend(data.chunks_exact(4).map(|b| (f32::from_le_bytes(b.try_into().unwrap()) * 32_000.0) as i16));
        } else {
            samples.extend(data.chunks_exact(2).map(|b| i16::from_le_bytes(b.try_into().unwrap())));
        }
        assert_eq!(get("channels"), 1, "{codec}");
        decoded_rate = get("rate");
        decoded += Duration::from_secs(1) * (samples.len() - before) as u32 / decoded_rate;
    }
    let middle = &samples[samples.len() / 8..samples.len() * 7 / 8];
    let share = share_of(440.0, decoded_rate, middle);
    assert!(share > 0.9, "{codec}: the tone has {share} of the sound");
    let expected = interval * (frames.len() - held) as u32;
    assert!(
        decoded > expected * 8 / 10 && decoded < expected * 12 / 10,
        "{codec}: {decoded:?} of {expected:?} decoded"
    );
}

fn unchanged(_: &mut Vec<Encoded>) {}

#[test]
fn g711_audio_comes_out_unchanged() {
    audio(CodecId::MULAW, 8000, 320, "mulawenc", "audio/x-mulaw,rate=8000,channels=1", 0, unchanged);
    audio(CodecId::ALAW, 16000, 640, "alawenc", "audio/x-alaw,rate=16000,channels=1", 0, unchanged);
}

#[test]
fn a_law_under_the_id_of_g726_is_recognised() {
    audio(CodecId::G726, 8000, 320, "alawenc", "audio/x-alaw,rate=8000,channels=1", 1, unchanged);
}

#[test]
fn pcm_audio_comes_out_unchanged() {
    let caps = "audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1";
    audio(CodecId::PCM, 16000, 640, "identity", caps, 0, unchanged);
}

const ADTS: &str = "avenc_aac bitrate=32000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=adts";
const RAW: &str = "avenc_aac bitrate=32000 ! audio/mpeg,mpegversion=4,stream-format=raw";

#[test]
fn adts_aac_is_recognised_under_each_of_its_ids() {
    for codec in [CodecId::AAC_ADTS, CodecId::AAC_WYZE, CodecId::SPEEX] {
        let caps = "audio/mpeg,mpegversion=4,stream-format=adts,framed=true,rate=16000,channels=1";
        audio(codec, 16000, 1024, &format!("audioconvert ! {ADTS}"), caps, 0, unchanged);
    }
}

#[test]
fn raw_aac_comes_out_unchanged() {
    // AAC-LC, 16 kHz, mono.
    let caps = "audio/mpeg,mpegversion=4,stream-format=raw,framed=true,rate=16000,channels=1,codec_data=(buffer)1408";
    audio(CodecId::AAC_RAW, 16000, 1024, &format!("audioconvert ! {RAW}"), caps, 0, unchanged);
}

/// Puts an AudioMuxElement around each raw AAC frame, with a configuration of 16 kHz mono AAC-LC in each.
fn to_latm(encoded: &mut Vec<Encoded>) {
    for encoded in encoded {
        let mut bits: Vec<bool> = Vec::new();
        let mut put = |value: u32, count: u32| bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        // useSameStreamMux, audioMuxVersion, allStreamsSameTimeFraming; numSubFrames, numProgram, numLayer.
        put(0b001, 3);
        put(0, 6 + 4 + 3);
        // AudioSpecificConfig; frameLengthType, latmBufferFullness, otherDataPresent, crcCheckPresent.
        put(0x1408, 16);
        put(0, 3);
        put(0xFF, 8);
        put(0, 2);
        for _ in 0..encoded.data.len() / 255 {
            put(255, 8);
        }
        put((encoded.data.len() % 255) as u32, 8);
        encoded.data.iter().for_each(|&byte| put(byte.into(), 8));
        encoded.data = bits
            .chunks(8)
            .map(|bits| bits.iter().enumerate().fold(0, |byte, (i, &bit)| byte | u8::from(bit) << (7 - i)))
            .collect();
    }
}

#[test]
fn latm_aac_comes_out_in_loas_frames() {
    let caps = "audio/mpeg,mpegversion=4,stream-format=loas,framed=true,rate=16000,channels=1";
    audio(CodecId::AAC_LATM, 16000, 1024, &format!("audioconvert ! {RAW}"), caps, 0, to_latm);
}

#[test]
fn opus_audio_comes_out_unchanged() {
    let caps = "audio/x-opus,channel-mapping-family=0,rate=16000,channels=1";
    audio(CodecId::OPUS, 16000, 320, "opusenc frame-size=20 bitrate=24000", caps, 0, unchanged);
}

#[test]
fn mp3_audio_comes_out_unchanged() {
    let caps = "audio/mpeg,mpegversion=1,mpegaudioversion=2,layer=3,rate=16000,channels=1";
    audio(CodecId::MP3, 16000, 576, "lamemp3enc ! mpegaudioparse", caps, 0, unchanged);
}

/// Leaves out the headers that Speex begins with in a container.
fn without_headers(encoded: &mut Vec<Encoded>) {
    encoded.drain(..2);
}

#[test]
fn speex_audio_comes_out_unchanged() {
    for (rate, mode) in [(8000, 0), (16_000, 1), (32_000, 2_u32)] {
        let fields = [rate, mode, 4, 1, u32::MAX, rate / 50, 0, 1].map(u32::to_le_bytes).concat();
        let fields: String = fields.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{:0<56}0100000050000000", "5370656578202020312e32");
        let caps = format!(
            "audio/x-speex,rate={rate},channels=1,streamheader=(buffer)<{name}{fields}{},0000000000000000>",
            "00".repeat(12)
        );
        audio(CodecId::SPEEX, rate, rate / 50, "speexenc", &caps, 0, without_headers);
    }
}

/// Cuts the encoder's long frames into frames of 40 ms of 8 kHz, at `BITS` a sample.
fn into_40_ms<const BITS: usize>(encoded: &mut Vec<Encoded>) {
    let all: Vec<u8> = encoded.iter().flat_map(|encoded| encoded.data.clone()).collect();
    *encoded = all.chunks(40 * BITS).map(|data| Encoded { data: data.to_vec(), key: true }).collect();
}

#[test]
fn g726_audio_comes_out_unchanged() {
    let cases: [(u32, Change); 4] =
        [(2, into_40_ms::<2>), (3, into_40_ms::<3>), (4, into_40_ms::<4>), (5, into_40_ms::<5>)];
    for (bits, cut) in cases {
        let caps = format!("audio/x-adpcm,layout=g726,rate=8000,channels=1,bitrate={}", bits * 8000);
        audio(CodecId::G726, 8000, 320, &format!("avenc_g726 code-size={bits}"), &caps, 3, cut);
    }
}

#[test]
fn ima_adpcm_audio_comes_out_unchanged() {
    let caps = "audio/x-adpcm,layout=dvi,rate=8000,channels=1,block_align=256";
    // A block's header has one sample; the other bytes have two each.
    audio(CodecId::ADPCM, 8000, 505, "adpcmenc blockalign=256", caps, 0, unchanged);
}

/// Makes audio frames of a codec that GStreamer has no caps for.
fn refused_sound(codec: CodecId, len: usize) -> Vec<MediaFrame> {
    let noise = vec![Encoded { data: vec![0x37; len], key: true }; 20];
    frames(codec, Some(8000), &noise, Duration::from_millis(40))
}

#[test]
fn audio_without_caps_gives_one_warning_and_video_goes_on() {
    for (codec, len, name) in
        [(CodecId::ADPCM, 160, "ADPCM"), (CodecId::SPEEX, 40, "Speex"), (CodecId(0x91), 100, "0x91")]
    {
        let camera = TestCamera::new(MediaSource::None);
        let player = Player::new(&camera, Link::Both);
        player.connect();
        for frame in refused_sound(codec, len) {
            camera.push_frame(&frame);
        }
        let pictures = camera.feed(SyntheticConfig { audio: None, ..small() }, Duration::from_secs(1), false);
        let (mut warnings, mut pads, mut ended, mut buffers) = (Vec::new(), Vec::new(), false, 0);
        player.until("all video frames and the warning", |seen| {
            warnings.extend(seen.warning());
            match seen {
                Seen::PadAdded { pad, .. } => pads.push(pad.name().to_string()),
                Seen::NoMorePads => ended = true,
                Seen::Buffer(..) => buffers += 1,
                _ => {}
            }
            (ended && buffers == pictures.len() && !warnings.is_empty()).then_some(())
        });
        let last = player.end();
        warnings.extend(last.iter().filter_map(Seen::warning));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(name) && warnings[0].contains("audio"), "{warnings:?}");
        assert_eq!(pads, ["video"]);
    }
}

#[test]
fn video_without_caps_gives_a_warning_and_audio_goes_on() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    let noise = vec![Encoded { data: vec![0x37; 500], key: true }; 5];
    for frame in frames(CodecId(0x51), None, &noise, Duration::from_millis(50)) {
        camera.push_frame(&frame);
    }
    let warning = player.until("a warning", Seen::warning);
    assert!(warning.contains("0x51") && warning.contains("video"), "{warning}");
    camera.feed(SyntheticConfig { video: None, ..small() }, Duration::from_secs(1), false);
    player.buffers("audio", 20);
    assert!(player.src.static_pad("video").is_none());
}

/// Makes pictures under the id of H.264 in which there is none.
fn unreadable_pictures(key: bool) -> Vec<MediaFrame> {
    let noise = vec![Encoded { data: vec![0x37; 500], key }; 5];
    frames(CodecId::H264, None, &noise, Duration::from_millis(50))
}

#[test]
fn sound_does_not_wait_for_pictures_that_cannot_be_read() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.connect();
    for frame in unreadable_pictures(true) {
        camera.push_frame(&frame);
    }
    let sent = camera.feed(SyntheticConfig { video: None, ..small() }, Duration::from_secs(1), true);
    let got = player.buffers("audio", sent.len());
    assert_eq!(got.iter().map(bytes).collect::<Vec<_>>(), sent.into_iter().map(|f| f.data).collect::<Vec<_>>());
    assert!(!player.drain().iter().any(|seen| matches!(seen, Seen::NoMorePads)), "a picture may still come");

    // A camera that sends a readable key frame later has its pad then.
    camera.feed(SyntheticConfig { audio: None, ..small() }, Duration::from_millis(500), false);
    player.buffers("video", 5);
}

#[test]
fn sound_that_waits_for_the_first_picture_in_vain_is_not_lost() {
    let camera = TestCamera::new(MediaSource::None);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("stall-timeout", 0_u32);
    player.connect();
    for frame in unreadable_pictures(false) {
        camera.push_frame(&frame);
    }
    let sent = camera.feed(SyntheticConfig { video: None, ..small() }, Duration::from_secs(6), true);
    let got = player.buffers("audio", sent.len());
    assert_eq!(got.iter().map(bytes).collect::<Vec<_>>(), sent.into_iter().map(|f| f.data).collect::<Vec<_>>());
    assert_eq!(player.stat("audio-queue-drops"), 0);
}

#[test]
fn sound_of_a_camera_without_pictures_comes_though_each_connection_stalls() {
    let camera = TestCamera::start(|_| {}, MediaSource::None, ServerOptions::default(), Tolerance::Behaviour);
    let player = Player::new(&camera, Link::Both);
    player.src.set_property("stall-timeout", 1500_u32);
    player.connect();
    let mut connections = 1;
    loop {
        camera.feed(SyntheticConfig { video: None, ..small() }, Duration::from_millis(500), true);
        if player.drain().iter().any(|seen| seen.buffer("audio").is_some()) {
            break;
        }
        // Then nothing comes, which is a stall.
        wait_until("the next connection", || player.stat("reconnects") == connections);
        connections += 1;
    }
    assert!(connections > 2, "{connections} connections");
}
