//! The inputs that fuzzing begins with, most of them from the golden packets of `tests/vectors/vectors.json`.

use serde_json::Value;

const AUTH_RESULTS: [&str; 4] = [
    r#"{"connectionRes":"1","cameraInfo":{"basicInfo":{"firmware":"4.52.9.4188","mac":"AABBCCDDEEFF","model":"HL_CAM4"},"channelResquestResult":{"audio":"0","video":"1"}}}"#,
    r#"{"connectionRes":1,"cameraInfo":{"channelRequestResult":{"audio":1,"video":0}}}"#,
    r#"{"connectionRes":"2"}"#,
    "[[[[{\"a\":1e9}]]]]\0",
];
const URIS: [&str; 6] = [
    "192.168.1.123?dtls=true&enr=ZQdg2W3LL9TZQL8%2Bi1%2BN2f%2BV&mac=AABBCCDDEEFF&model=HL_CAM4&subtype=sd&uid=HSBJYB5HSETGCDWD111A",
    "wyze://cam:4000?uid=HSBJYB5HSETGCDWD111A&resolution=2k&video=false&audio=1&bitrate=120&framerate=15&latency=500#x",
    "?connect-timeout=3000&backchannel=0",
    "cam:99999?enr=short",
    "cam/path?mac=AA:BB:CC:DD:EE:FF&enr=a+b/c=dddddddddddd",
    "rtsp://cam?model=%FF",
];
/// Frames that begin as encoders' frames do, each with an index into the codecs of target `caps` and its flags: H.264
/// and H.265 key frames, a broken H.264 one, JPEG, ADTS, MP3.
const FRAMES: [(u8, u8, &str); 7] = [
    (0, 1, "000000010910000000016742c016da0280bfe5c05a830303528000000300800000144"),
    (0, 1, "000000016742c028da01e0089f97016a0202028000000300800000144"),
    (0, 1, "0000000167ffffff0000000168ce3c800000016588841089"),
    (
        1,
        1,
        "0000000140010c01ffff040800000300980800000300005dba024000000001420101040800000300980800000300005d9000501005a2294b7494985ffe00020002d404040410000003001000000301408000000001",
    ),
    (2, 1, "ffd8ffe000104a46494600010100000100010000ffffc0001108016802800301220002110103ffda"),
    (6, 14, "fff9604001 5ffc014800"),
    (13, 14, "fff398c40024988e"),
];

/// A timing probe and its answer, a login that ends with its random bytes, a message of the channel itself, a wrapped
/// control frame, and an ACK that lists two packets.
const OTHERS: [&str; 6] = [
    "0a080b005b0000000b51590002000000",
    "0b000b0000001f000b5103000300000000000000",
    "00200c000000000000000000000000000000000001020304",
    "00100c000500000000000000000000000000000000000000080000000000000000000000eeeeeeeeeeeeeeee",
    "0c000b00070000000000000000000000 00700100010000000d00000000000000 484c05001b2701000000000000000000 01",
    "09000c0034120000feff0200674502000100ab89efcd01000300",
];
/// Payloads of answers to commands.
const ANSWERS: [&[u8]; 7] = [
    b"\xf0\x00\x05\x14\x01\x01",
    br#"{"camerainfo":{"powerlevel":87}}"#,
    br#"{"1":2,"2":3,"5":20,"6":1,"7":1,"21":1,"22":0,"27":2,"40":350,"41":0,"42":113,"43":0,"50":1}"#,
    b"\x34\x12\x00\x67\x71\x0f\x01",
    b"\x02\x4b\x0f\x00\x0a\x5b\x0f\x01\xff",
    b"\x01\x07\0rtsp://me:secret@192.0.2.1/live\0",
    br#"{"0":1,"1":2,"2":3,"3":4,"4":5,"5":"6"}"#,
];
/// A packet with a timing probe, one that ends with FRAMEINFO of 16 bytes, and a parity packet.
const MEDIA: [&str; 3] = [
    "070c0b0005007e500b515900020000000700050002000100030000000000000001000000010203",
    "03010b0006007e50 0301060001001000110000000000000002000000 ff 8900020001000000000000002e160000",
    "0c000b00090000000100141401000000 0c0000000000000004000000000000000000000001020304",
];

/// Returns inputs of less than 4 KiB for the target of this name.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/vectors.json")).unwrap();
    let section = |name: &str| -> Vec<Vec<u8>> {
        let entries = vectors[name].as_object().unwrap().iter().filter(|(key, _)| *key != "note");
        entries.map(|(_, hex)| bytes(hex.as_str().unwrap())).collect()
    };
    let client = |prefix: &str| -> Vec<Vec<u8>> {
        let entries = vectors["client"].as_object().unwrap().iter().filter(|(key, _)| key.starts_with(prefix));
        entries.map(|(_, hex)| bytes(hex.as_str().unwrap())).collect()
    };
    match target {
        "iotc" => {
            let wire =
                vectors["transcode"].as_array().unwrap().iter().map(|pair| bytes(pair["wire"].as_str().unwrap()));
            let plain = ["disco", "session", "data", "keepalive"].into_iter().flat_map(client);
            wire.take(10).chain(plain).collect()
        }
        "cc51" => {
            let second = &vectors["second_client"];
            let keys = ["cc51_discovery_step0_ticket0", "cc51_keepalive_counter42"];
            client("cc51").into_iter().chain(keys.map(|key| bytes(second[key].as_str().unwrap()))).collect()
        }
        "control" => {
            let client = ["ack", "login", "ioctrl"].into_iter().flat_map(client);
            client.chain(section("hl")).chain(OTHERS.map(bytes)).chain(ANSWERS.map(<[u8]>::to_vec)).collect()
        }
        "media" => media(&vectors).into_iter().chain(MEDIA.map(bytes)).collect(),
        "talk" => client("audio"),
        "auth_result" => AUTH_RESULTS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "uri" => URIS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "caps" => FRAMES.iter().map(|&(codec, flags, hex)| frames(codec, flags, &bytes(hex))).collect(),
        "dtls" => [0, 1]
            .into_iter()
            .flat_map(|established| section("hl").into_iter().map(move |b| sent(established, &b)))
            .collect(),
        "client" => {
            super::client::seeds(&media(&vectors), &[section("hl"), client("ioctrl"), client("login")].concat())
        }
        "signalling" | "answer" | "viewer" => super::webrtc::seeds(target),
        "relay" => super::relay::seeds(),
        // The vectors have no packets for the remaining targets.
        "reassembly" => [noise(), vec![fat_frames()]].concat(),
        _ => noise(),
    }
}

/// Picks one media packet of each channel and type from each stream of the vectors.
fn media(vectors: &Value) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for stream in vectors["media"].as_array().unwrap() {
        let all = stream["packets"].as_array().unwrap();
        let mut some: Vec<_> = all.iter().map(|hex| bytes(hex.as_str().unwrap())).collect();
        some.sort_by_key(|packet| [packet[0], packet[1]]);
        some.dedup_by_key(|packet| [packet[0], packet[1]]);
        packets.extend(some);
    }
    packets
}

/// Pseudo-random bytes in several lengths, the same ones every time.
fn noise() -> Vec<Vec<u8>> {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (1..40).map(|i| (0..50 * i).map(|_| byte()).collect()).collect()
}

/// Starts as many large frames without finishing them as one input can, for the target `reassembly`.
fn fat_frames() -> Vec<u8> {
    let packet = |i: u8| [3, if i == 0 { 16 } else { 0 }, 2, 0, 5, i, 6, 1, 1];
    [&[0; 5][..], &(0..450u16).flat_map(|i| packet(i as u8)).collect::<Vec<_>>()].concat()
}

fn text(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16).to_le_bytes()[..], data].concat()
}

/// An input for the target `caps`: the same frame twice.
fn frames(codec: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    let frame = |choice: &[u8]| [choice, &[flags, 0, 0], &text(data)].concat();
    [frame(&[1, codec]), frame(&[0])].concat()
}

/// An input for the target `dtls`: data from the peer, and a forged record.
fn sent(established: u8, data: &[u8]) -> Vec<u8> {
    let (genuine, on) = ([&[1, 0], &text(data)[..]].concat(), [1, 1]);
    let forged = [&[1, 4, 3, 0, 9, 0], &text(data)[..]].concat();
    [&[0, 0, established], &genuine[..], &on, &forged, &[0, 1, 1, 1]].concat()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
