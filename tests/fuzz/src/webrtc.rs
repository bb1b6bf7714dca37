//! Targets `signalling`, `answer` and `viewer`: a viewer, and a server and a camera that are hostile.

use super::input::Input;
use super::web_camera::{self, CAMERA, VIEWER, WebCameraConfig, WebWorld, message, viewer_config};
use gstwyze::protocol::medium::{MediaSet, Medium};
use gstwyze::protocol::talk::TalkAudio;
use gstwyze::protocol::webrtc::Viewer;
use gstwyze::protocol::webrtc::signalling::{self, Message};
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use str0m::format::Codec;

const STRANGER: ([u8; 4], u16) = ([10, 0, 0, 66], 51234);
/// Kinds of messages.
const KINDS: [&str; 4] = ["SDP_ANSWER", "ICE_CANDIDATE", "STATUS_RESPONSE", "GO_AWAY"];

/// Target `signalling`: a text of the server, as it is and as the payload of each kind of message.
pub fn signalling(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let texts = KINDS.map(|kind| message(kind, &text));
    for text in texts.iter().map(String::as_str).chain([&*text]) {
        let Ok(read) = signalling::parse(text) else { continue };
        let shown = format!("{read:?}");
        assert!(shown.len() < 400 && shown.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{shown}");
        if let Message::Answer(sdp) | Message::Candidate(sdp) = &read {
            assert!(sdp.len() <= signalling::MAX_PAYLOAD);
        }
    }
}

/// Target `answer`: an answer to the offer, and a candidate.
pub fn answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let now = Instant::now();
    let mut viewer = Viewer::new(viewer_config(), &[VIEWER.into()], now, Duration::ZERO, [1; 32]);
    viewer.handle_text(now, &message("SDP_ANSWER", &format!("v=0\r\n{text}")));
    for line in text.lines().take(50) {
        let candidate = serde_json::json!({ "candidate": line }).to_string();
        viewer.handle_text(now, &message("ICE_CANDIDATE", &candidate));
    }
    let mut at = now;
    for _ in 0..200 {
        let Some(due) = viewer.poll_timeout() else { break };
        at = at.max(due);
        viewer.handle_timeout(at);
        while viewer.poll_transmit().is_some() {}
    }
    viewer.close(at);
}

/// Target `viewer`: the camera connects, and from then on the input decides what comes.
pub fn viewer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let camera = WebCameraConfig {
        video: if flags & 1 == 0 { Codec::H264 } else { Codec::H265 },
        audio: if flags & 2 == 0 { Codec::Opus } else { Codec::PCMU },
        rtx: flags & 4 == 0,
        tells_ssrc: flags & 8 == 0,
        ..WebCameraConfig::default()
    };
    let mut world = WebWorld::new(viewer_config(), camera, 1);
    if flags & 16 == 0 {
        world.connect();
    }
    for _ in 0..500 {
        if input.is_empty() {
            break;
        }
        step(&mut world, &mut input);
    }
    world.next = [None; 2];
    // Longer than any silence that the viewer tolerates.
    world.is_there = false;
    world.run(Duration::from_secs(30));
    assert_eq!(world.viewer.poll_timeout(), None, "it has ended");
}

fn step(world: &mut WebWorld, input: &mut Input<'_>) {
    let now = world.now;
    match input.below(12) {
        0 | 1 => {
            let from: SocketAddr = input.pick(&[CAMERA, STRANGER, CAMERA]).into();
            world.viewer.handle_datagram(now, from, VIEWER.into(), &mut input.text().to_vec());
        }
        2 => {
            // A datagram of the camera's, damaged.
            world.start_media();
            world.tick();
            let at = usize::from(input.u16());
            let datagram = input.text();
            let mut data = web_camera::picture(u32::from(input.byte()), false, Codec::H264, 20);
            let at = at % data.len();
            data[at..].iter_mut().zip(datagram).for_each(|(byte, new)| *byte = *new);
            if world.connected.is_some() && world.ended.is_none() {
                world.camera.send(Medium::Video, data, now - world.started, now);
            }
        }
        3 if world.connected.is_some() && world.ended.is_none() && !world.camera.closed => {
            let medium = input.pick(&Medium::ALL);
            let data = input.text().to_vec();
            world.camera.send(medium, data, now - world.started, now);
        }
        4 => {
            world.loss = f64::from(input.byte()) / 255.0;
            world.start_media();
        }
        5 => world.viewer.handle_text(now, &String::from_utf8_lossy(input.text())),
        6 => world.viewer.set_media(MediaSet { video: input.flag(), audio: input.flag() }, now),
        7 => world.viewer.start_talk(now),
        8 => world.viewer.send_talk(talk_frame(input), now),
        9 => match input.below(4) {
            0 => world.viewer.stop_talk(input.flag(), now),
            1 => world.viewer.flush_talk(),
            2 => world.viewer.request_key_frame(now),
            _ => world.viewer.add_local(now, ([10, 0, 0, input.byte()], 40_000).into()),
        },
        10 => world.run(Duration::from_millis(input.byte().into())),
        _ => world.run(Duration::from_millis(20 * u64::from(input.byte()))),
    }
    world.exchange();
}

fn talk_frame(input: &mut Input<'_>) -> TalkAudio {
    TalkAudio {
        codec: input.pick(&[CodecId::OPUS, CodecId::MULAW]),
        flags: AudioFlags(2),
        data: vec![0x78; usize::from(input.byte())],
        duration: Duration::from_millis(10 + u64::from(input.byte())),
    }
}

/// A camera's answer, as it is in SDP.
pub fn real_answer() -> &'static str {
    static ANSWER: LazyLock<String> = LazyLock::new(|| {
        let mut world = WebWorld::new(viewer_config(), WebCameraConfig::default(), 1);
        let offer = world.viewer.poll_text().unwrap();
        world.camera.handle_text(&offer);
        let (_, answer) = web_camera::payload(&world.camera.texts.pop_front().unwrap());
        answer["sdp"].as_str().unwrap().trim_start_matches("v=0\r\n").to_owned()
    });
    &ANSWER
}

/// Returns the inputs that fuzzing these targets begins with.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let candidate = "candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host generation 0";
    let answer = real_answer().to_owned() + "a=" + candidate + "\r\n";
    match target {
        "signalling" => {
            let candidate = serde_json::json!({ "candidate": candidate, "sdpMid": "0" }).to_string();
            let status = r#"{"messageType":"STATUS_RESPONSE","statusResponse":{"correlationId":"1","errorType":"E","statusCode":"400"}}"#;
            let sdp = serde_json::json!({ "type": "answer", "sdp": answer }).to_string();
            [&*sdp, &answer, &candidate, status, &message("SDP_ANSWER", &sdp)]
                .map(|text| text.as_bytes().to_vec())
                .into()
        }
        "answer" => vec![answer.into_bytes(), candidate.as_bytes().to_vec()],
        _ => {
            let text = |text: &[u8]| [&(text.len() as u16).to_le_bytes(), text].concat();
            let datagram = |first: u8| [&[0, 0][..], &text(&[first; 40])].concat();
            let media = [&[3, 0][..], &text(&web_camera::picture(1, true, Codec::H264, 20)[..200])].concat();
            let steps = [
                vec![4, 40, 11, 100],
                [0u8, 22, 128, 200].map(datagram).concat(),
                media,
                vec![2, 9, 0, 3, 0, 1, 2, 3, 5],
                vec![7, 8, 0, 80, 10, 8, 0, 80, 10, 11, 20, 9, 0, 0],
                vec![6, 0, 0, 11, 50, 6, 1, 1, 9, 2, 9, 3, 5, 10, 100],
            ];
            (0..32).map(|flags| [&[flags][..], &steps.concat()].concat()).collect()
        }
    }
}
