use super::redactor::{ENR, MAC, UID};
use super::*;
use gstwyze::protocol::client::{Config, Resend};
use gstwyze::protocol::credentials::Credentials;
use gstwyze::protocol::medium::{MediaSet, Medium};
use gstwyze::protocol::talk::{TalkAudio, TalkEvent};
use gstwyze::protocol::trace::Trace;
use gstwyze::protocol::wire::codec::{AudioFlags, CodecId};
use gstwyze::protocol::wire::hl::{self, Challenge, ChallengeAnswer, ChallengeStatus};
use gstwyze::protocol::wire::{cc51, iotc, login, media, transcode};
use gstwyze::session::{Event, Membership, Place, Use, Wants};
use pcap_file::pcapng::{Block, PcapNgReader};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use std::sync::Arc;
use std::sync::mpsc;
use wyze_camera::{CameraConfig, CameraServer, DEMO_UID, Envelope, MediaSource, ResendSupport, SyntheticConfig};

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than most, so that the camera asks for both halves.
const LONG_ENR: &str = "roTRg3tiuL3TjXhmPq7wZ9bYk2LnVs4d";
const DIGIT_MAC: &str = "2CAA8E71F0D3";

fn keys() -> Credentials {
    Credentials::new(DEMO_UID, LONG_ENR, DIGIT_MAC).unwrap()
}

fn redactor() -> Redactor {
    Redactor::new(&keys(), ["", "", ""])
}

/// Every form in which a key could be in a file.
fn forms(keys: &Credentials) -> Vec<Vec<u8>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mac = text(keys.mac.bytes());
    let pairs: Vec<String> = mac.as_bytes().chunks(2).map(text).collect();
    let enr = text(keys.enr.bytes());
    let texts = [
        text(keys.uid.bytes()),
        enr[..16].to_owned(),
        enr[16..].to_owned(),
        mac.clone(),
        pairs.join(":"),
        pairs.join("-"),
    ];
    let mut forms: Vec<Vec<u8>> =
        texts.iter().flat_map(|text| [text.clone(), text.to_lowercase()]).map(Into::into).collect();
    forms.push(pairs.iter().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect());
    forms.push(keys.auth_key().bytes().to_vec());
    forms.push(keys.psk().bytes().to_vec());
    forms.retain(|form| !form.is_empty());
    forms
}

#[track_caller]
fn assert_free_of_secrets(bytes: &[u8], what: &str) {
    for form in forms(&keys()) {
        let found = bytes.windows(form.len()).position(|window| window == form);
        assert_eq!(found, None, "{what}: {:?}", String::from_utf8_lossy(&form));
    }
}

/// Streams from this camera, talks to it, and returns the file.
fn trace(change: impl FnOnce(&mut CameraConfig), full: bool) -> (Vec<u8>, Summary) {
    let mut config = CameraConfig::new(keys());
    change(&mut config);
    let resend = if config.resend == ResendSupport::Granted { Resend::On } else { Resend::Auto };
    let media = MediaSource::Synthetic(SyntheticConfig::default());
    let camera = CameraServer::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), media).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.pcapng");
    let file = Arc::new(TraceFile::create(&path, full, None, &Camera::default(), &keys()).unwrap());
    let config = Config { trace: Some(Trace(file.clone())), resend, ..Config::default() };
    let (sender, events) = mpsc::channel();
    let observer = move |event| {
        // Nobody listens after the test.
        let _ = sender.send(event);
        Use::Used
    };
    let place = Place { host: Some("127.0.0.1".into()), known: None, port: camera.addr().port(), interface: None };
    let wants = Wants { media: MediaSet::BOTH, ..Wants::default() };
    let (member, _) = Membership::join(keys().into(), config, place, wants, Some(0), None, observer).unwrap();
    let (mut video, mut audio, mut talked) = (0, 0, false);
    while video < 20 || audio < 20 || !talked {
        match events.recv_timeout(PATIENCE).unwrap() {
            Event::Connected(_) => member.start_talk(),
            Event::Frame(frame) => *(if frame.medium == Medium::Video { &mut video } else { &mut audio }) += 1,
            Event::Talk(TalkEvent::Ready) => {
                let flags = AudioFlags::new(8000, false).unwrap();
                let data = vec![0x5A; 160];
                member.send_talk(TalkAudio { codec: CodecId::MULAW, flags, data, duration: Duration::from_millis(20) });
                member.stop_talk(false);
            }
            Event::Talk(TalkEvent::Stopped) => talked = true,
            Event::Ended(error) => panic!("{error}"),
            _ => {}
        }
    }
    drop(member);
    (std::fs::read(&path).unwrap(), file.finish().unwrap())
}

/// The packets of a file: interface and bytes.
fn packets(file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            packets.push((packet.interface_id, packet.data.into_owned()));
        }
    }
    packets
}

#[test]
fn a_trace_of_picture_sound_and_talk_has_no_secret_in_any_form() {
    type Change = fn(&mut CameraConfig);
    let cameras: [(Change, bool); 6] = [
        (|config| *config = config.clone().with_resends(), false),
        (|_| {}, false),
        (|config| config.envelope = Envelope::Cc51, false),
        (|config| *config = config.clone().with_every_variant(), false),
        (|config| *config = CameraConfig { envelope: Envelope::Cc51, ..config.clone().with_every_variant() }, false),
        (|config| config.challenge = ChallengeStatus::LongEnr, true),
    ];
    for (change, full) in cameras {
        let (file, summary) = trace(change, full);
        assert_free_of_secrets(&file, "the file");
        for (interface, packet) in packets(&file) {
            if interface == WIRE {
                let mut datagram = packet[28..].to_vec();
                if transcode::decode(&mut datagram).is_ok() {
                    assert_free_of_secrets(&datagram, "an unscrambled datagram");
                }
            } else if media::is_media(&packet[16..]) && !full {
                // A header and FRAMEINFO, both of the longest kind.
                assert!(packet.len() <= 16 + 44 + 48, "{} bytes of media", packet.len());
            }
        }
        let counted =
            |kind: &str| summary.replaced.iter().find(|(other, _)| *other == kind).map_or(0, |(_, count)| *count);
        assert!(counted(ENR) >= 2 && counted(redactor::ANSWER) == 1, "{:?}", summary.replaced);
        assert!(counted(UID) + counted(redactor::HMAC) >= 2, "{:?}", summary.replaced);
        assert_eq!(summary.cut > 0, !full);
        assert_eq!(file.windows(100).any(|window| window == [0x5A; 100]), full, "what was said");
    }
}

#[test]
fn the_packets_of_a_trace_still_parse_and_fit_together() {
    let stand_in =
        Credentials::new("TRACEUIDTRACEUIDTRAC", "TraceEnrTraceEnrTraceEnrTraceEnr", "02FACE000000").unwrap();
    let (file, _) = trace(|_| {}, false);
    let (mut challenge, mut answer, mut passwords, mut discoveries) = (None, None, 0, 0);
    for (interface, packet) in packets(&file) {
        if interface == WIRE {
            let mut datagram = packet[28..].to_vec();
            if cc51::is_cc51(&datagram) {
                let signer = cc51::Signer::new(&stand_in.uid, &stand_in.auth_key());
                assert!(cc51::Packet::parse(&datagram, &signer).is_ok(), "signed with the stand-in's key");
                continue;
            }
            transcode::decode(&mut datagram).unwrap();
            match iotc::Packet::parse(&datagram).unwrap() {
                iotc::Packet::DiscoveryRequest(discovery) => {
                    assert_eq!(discovery.uid, stand_in.uid);
                    assert!(discovery.auth_key.is_none_or(|key| key == stand_in.auth_key()));
                    discoveries += 1;
                }
                iotc::Packet::Unknown { command } => panic!("{command:x}"),
                _ => {}
            }
            continue;
        }
        let packet = &packet[16..];
        if let Ok(request) = login::Request::parse(packet) {
            assert_eq!(request.password, stand_in.enr.bytes());
            passwords += 1;
        }
        let message = |number: u16| {
            let at = packet.windows(2).position(|window| window == b"HL")?;
            let message = hl::Message::parse(&packet[at..]).ok()?;
            (message.command == number).then_some(message.payload)
        };
        challenge = message(hl::AUTH_CHALLENGE).map(|payload| Challenge::parse(payload).unwrap()).or(challenge);
        answer = message(hl::AUTH_ANSWER).map(|payload| ChallengeAnswer::parse(payload).unwrap()).or(answer);
    }
    assert!(passwords > 0 && discoveries > 0);
    assert_eq!(stand_in.answer(&challenge.unwrap()), Some(answer.unwrap().answer));
}

#[test]
fn json_keeps_its_length_and_loses_names_of_networks_and_people() {
    let mut json = br#"{"basicInfo":{"mac":"112233445566","model":"HL_CAM4","ssid":"My \"home\"","wifidb":"-50"},
        "other":{"bssid":"11:22:33:44:55:66","MAC":"112233445566","userName":"Ann","n":3}}"#
        .to_vec();
    let len = json.len();
    redactor().replace_in_json(&mut json);
    let text = String::from_utf8(json).unwrap();
    assert_eq!(text.len(), len);
    assert_eq!(text.matches("02FACE000001").count(), 2, "the same MAC has the same stand-in: {text}");
    for gone in ["112233", "home", "11:22", "Ann"] {
        assert!(!text.contains(gone), "{text}");
    }
    for kept in [r#""model":"HL_CAM4""#, r#""wifidb":"-50""#, r#""n":3"#] {
        assert!(text.contains(kept), "{text}");
    }
    // One that is cut off, or no JSON, changes nothing that must not be.
    redactor().replace_in_json(&mut b"{\"mac\":\"1122".to_vec());
    redactor().replace_in_json(&mut b"{\"a\\".to_vec());
}

#[test]
fn a_foreign_datagram_is_kept_but_for_the_secrets_in_it() {
    let mut plain = vec![7; 60];
    plain[20..40].copy_from_slice(DEMO_UID.as_bytes());
    let mut scrambled = plain.clone();
    transcode::encode(&mut scrambled).unwrap();
    for mut datagram in [plain, scrambled] {
        let mut redactor = redactor();
        let kept = datagram::redact(&datagram, false, &mut redactor);
        assert_eq!((kept.len, kept.bytes.len()), (60, 60));
        assert_eq!(redactor.replaced.get(UID), Some(&1));
        assert_free_of_secrets(&kept.bytes, "as it is");
        transcode::decode(&mut datagram).unwrap();
        let mut decoded = kept.bytes;
        transcode::decode(&mut decoded).unwrap();
        assert_free_of_secrets(&decoded, "unscrambled");
    }
}

#[test]
fn other_cameras_have_stand_ins_too() {
    let mut redactor = redactor();
    let uid = "ABCDEFGHJK1234567890";
    let mut answer = iotc::Discovery {
        uid: gstwyze::protocol::credentials::Uid::new(uid).unwrap(),
        session_id: gstwyze::protocol::wire::SessionId([1; 8]),
        stage: 1,
        auth_key: None,
    }
    .emit(iotc::DISCOVERY_RESPONSE);
    transcode::encode(&mut answer).unwrap();
    let mut kept = datagram::redact(&answer, false, &mut redactor).bytes;
    transcode::decode(&mut kept).unwrap();
    assert!(kept.windows(20).any(|window| window == b"OTHERUID000000000001"));
    let mut mac = *b"112233445566";
    redactor.replace_other_mac(&mut mac);
    assert_ne!(&mac, b"112233445566");
    assert_eq!(redactor.replaced.get(MAC), Some(&1));
}

#[test]
fn a_signature_that_does_not_verify_is_not_kept() {
    let other = Credentials::new(DEMO_UID, "anotherEnrOf16ch", DIGIT_MAC).unwrap();
    let signer = cc51::Signer::new(&other.uid, &other.auth_key());
    let packet = cc51::Keepalive { counter: 2, session_id: gstwyze::protocol::wire::SessionId([1; 8]) }.emit(&signer);
    let kept = datagram::redact(&packet, false, &mut redactor()).bytes;
    assert_eq!(kept[..28], packet[..28]);
    assert_eq!(kept[28..], [0; 20]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_of() {
    let nowhere = Path::new("/no/such/folder/trace.pcapng");
    assert!(TraceFile::create(nowhere, false, None, &Camera::default(), &keys()).is_err());
    let full = TraceFile::create(Path::new("/dev/full"), false, None, &Camera::default(), &keys());
    assert!(full.is_err());
}

proptest! {
    #[test]
    fn datagrams_of_any_bytes_keep_their_length(bytes in datagrams(), full: bool) {
        let kept = datagram::redact(&bytes, full, &mut redactor());
        prop_assert_eq!(kept.bytes.len(), bytes.len());
        prop_assert!(kept.len <= bytes.len());
        assert_free_of_secrets(&kept.bytes, "a datagram");
    }

    #[test]
    fn av_packets_of_any_bytes_are_taken_apart(bytes in records(), full: bool, from_camera: bool) {
        let direction = if from_camera { Direction::FromCamera } else { Direction::ToCamera };
        let mut redactor = redactor();
        let packets = av::redact(&bytes, direction, full, &mut redactor);
        let len: usize = packets.iter().map(|packet| packet.bytes.len() + packet.omitted.len()).sum();
        prop_assert!(len <= bytes.len());
        packets.iter().for_each(|packet| assert_free_of_secrets(&packet.bytes, "a packet"));
    }
}

/// Bytes that begin as those of a datagram do, with a key among them.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let starts = [&b"\x51\xcc\0\0\x02\x10"[..], b"\x51\xcc\0\0\x02\x15", b"\x04\x02\x1a\x0b", b""];
    let scrambled = any::<bool>();
    (with_key(starts.map(<[u8]>::to_vec).to_vec()), scrambled).prop_map(|(mut bytes, scrambled)| {
        if scrambled {
            // One that is too short stays as it is.
            let _ = transcode::encode(&mut bytes);
        }
        bytes
    })
}

/// Bytes that begin as those of AV packets do, with a key among them.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let starts = [
        &b"\0\0\x0c\0"[..],
        b"\0\x20\x0c\0",
        b"\0\x21\x0c\0",
        b"\x09\0\x0c\0",
        b"\x0c\0\x0c\0",
        b"\x0c\x09\x0b\0",
        b"\x0a\x08\x0b\0",
        b"\x05\x01\x0b\0",
        b"\x03\x09\x0b\0",
        b"\x0c\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x70",
    ];
    with_key(starts.map(<[u8]>::to_vec).to_vec())
}

fn with_key(starts: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let keys = forms(&keys());
    let noise = || proptest::collection::vec(any::<u8>(), 0..700);
    (select(starts), noise(), select(keys), noise()).prop_map(|parts| [parts.0, parts.1, parts.2, parts.3].concat())
}
