//! Frames with the headers that real encoders write (x264, x265, jpegenc, voaacenc, lame), and frames that nothing
//! writes.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::protocol::parameter_sets::ParameterSets;
use crate::protocol::wire::codec::AudioFlags;
use crate::protocol::wire::frame_info::FrameInfo;

const H264_360P: &str =
    "00000001 0910 00000001 6742c016da0280bfe5c05a83030352800000030080000014478b1750 00000001 68ce3c80
    000001 0605ffff 000001 6588840da2628000a5d4";
const H264_1080P: &str =
    "00000001 6742c028da01e0089f97016a020202800000030080000014478c1950 00000001 68ce3c80 000001 6588841089";
const H264_BROKEN_SPS: &str = "00000001 67ffffff 00000001 68ce3c80 000001 6588841089";
const H264_BARE_IDR: &str = "00000001 6588841089";
const H264_I_WITHOUT_IDR: &str =
    "00000001 6742c016da0280bfe5c05a83030352800000030080000014478b1750 00000001 68ce3c80 000001 4188";
const H264_DELTA: &str = "00000001 0930 00000001 419a2032803c";
const H265_720P: &str = "00000001 40010c01ffff040800000300980800000300005dba0240
    00000001 420101040800000300980800000300005d9000501005a2294b7494985ffe00020002d4040404100000030010000003014080
    00000001 4401c07030603120 000001 4e0105ff 000001 2801af0b8d07f805";
const H265_1080P: &str = "00000001 40010c01ffff0408000003009808000003000078ba0240
    00000001 4201010408000003009808000003000078900078100220f89294b7494985ffe00020002d404040410000030001000003001408
    00000001 4401c07030603120 000001 2801ac64110d0620";
const H265_DELTA: &str = "00000001 0201d009788e17";
const JPEG: &str = "ffd8 ffe000104a46494600010100000100010000 ffff c0001108016802800301220002110103 ffda";
const ADTS_16K_MONO: &str = "fff96040 01 5ffc 0148 00";
const MP3_16K_MONO: &str = "fff398c40024988e";

const FLAGS_8K_MONO: u8 = 2;
const FLAGS_16K_MONO: u8 = 3 << 2 | 2;
const FLAGS_48K_STEREO: u8 = 8 << 2 | 3;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn info(codec: CodecId, flags: u8) -> FrameInfo {
    FrameInfo { codec, flags, ..FrameInfo::parse(&[0; 40]).unwrap() }
}

fn caps_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Push { caps: Some(caps), .. } => caps.to_string(),
        Verdict::Push { caps: None, .. } => "as before".into(),
        Verdict::Skip => "skip".into(),
        Verdict::Unsupported(codec) => format!("no {codec}"),
    }
}

fn check(verdict: &Verdict, template: &gst::Caps) {
    if let Verdict::Push { caps: Some(caps), .. } = verdict {
        assert!(caps.is_fixed(), "{caps}");
        assert!(caps.is_subset(template), "{caps}");
    }
}

fn watch(format: &mut VideoFormat, codec: CodecId, key: bool, data: &str) -> (String, bool) {
    gst::init().unwrap();
    let verdict = format.inspect(&info(codec, key.into()), &mut hex(data));
    check(&verdict, &video_template());
    (caps_of(&verdict), matches!(verdict, Verdict::Push { sync: true, .. }))
}

fn hear(format: &mut AudioFormat, codec: CodecId, flags: u8, data: &mut Vec<u8>) -> String {
    gst::init().unwrap();
    let verdict = format.inspect(&info(codec, flags), data);
    check(&verdict, &audio_template());
    caps_of(&verdict)
}

/// Caps of a camera whose first and only frame this is.
fn first_sound(codec: CodecId, flags: u8, data: &str) -> String {
    hear(&mut AudioFormat::new(), codec, flags, &mut hex(data))
}

fn h26x(codec: &str, size: &str) -> String {
    format!("video/x-{codec}, stream-format=(string)byte-stream, alignment=(string)au{size}")
}

const SIZE_360P: &str = ", width=(int)640, height=(int)360";
const SIZE_720P: &str = ", width=(int)1280, height=(int)720";
const SIZE_1080P: &str = ", width=(int)1920, height=(int)1080";

#[test]
fn h264_starts_with_a_key_frame_and_follows_its_size() {
    let mut format = VideoFormat::new();
    let mut see = |key, data| watch(&mut format, CodecId::H264, key, data);
    assert_eq!(see(false, H264_DELTA), ("skip".into(), false));
    assert_eq!(see(true, H264_DELTA), ("skip".into(), false), "a flag without parameter sets");
    assert_eq!(see(true, H264_BARE_IDR), ("skip".into(), false), "nor an IDR without them");
    assert_eq!(see(false, H264_360P), (h26x("h264", SIZE_360P), true), "an IDR is believed over the flag");
    assert_eq!(see(false, H264_DELTA), ("as before".into(), false));
    assert_eq!(see(true, H264_360P), ("as before".into(), true));
    assert_eq!(see(true, H264_1080P), (h26x("h264", SIZE_1080P), true));
    assert_eq!(see(true, H264_BROKEN_SPS), ("as before".into(), true));
    assert_eq!(see(false, H264_BARE_IDR), ("as before".into(), true));
}

#[test]
fn the_two_ids_of_h264_are_one_codec() {
    let mut format = VideoFormat::new();
    assert_eq!(watch(&mut format, CodecId::H264_SECOND, true, H264_360P), (h26x("h264", SIZE_360P), true));
    assert_eq!(watch(&mut format, CodecId::H264, false, H264_DELTA), ("as before".into(), false));
    assert_eq!(watch(&mut format, CodecId::H264_SECOND, true, H264_360P), ("as before".into(), true));
}

#[test]
fn h265_starts_with_a_key_frame_and_follows_its_size() {
    let mut format = VideoFormat::new();
    let mut see = |key, data| watch(&mut format, CodecId::H265, key, data);
    assert_eq!(see(true, H265_DELTA), ("skip".into(), false));
    assert_eq!(see(true, H265_720P), (h26x("h265", SIZE_720P), true));
    assert_eq!(see(false, H265_DELTA), ("as before".into(), false));
    assert_eq!(see(true, H265_1080P), (h26x("h265", SIZE_1080P), true));
}

#[test]
fn h265_needs_its_vps_too() {
    let without_vps = H265_720P.split_once('\n').unwrap().1;
    assert_eq!(watch(&mut VideoFormat::new(), CodecId::H265, true, without_vps), ("skip".into(), false));
}

#[test]
fn a_key_frame_that_is_no_idr_is_one_by_its_flag_and_parameter_sets() {
    let (mut flagged, mut unflagged) = (VideoFormat::new(), VideoFormat::new());
    assert_eq!(watch(&mut flagged, CodecId::H264, true, H264_I_WITHOUT_IDR), (h26x("h264", SIZE_360P), true));
    assert_eq!(watch(&mut unflagged, CodecId::H264, false, H264_I_WITHOUT_IDR), ("skip".into(), false));
}

#[test]
fn an_unreadable_sps_costs_only_the_size() {
    let mut format = VideoFormat::new();
    assert_eq!(watch(&mut format, CodecId::H264, true, H264_BROKEN_SPS), (h26x("h264", ""), true));
    assert_eq!(watch(&mut format, CodecId::H264, true, H264_360P), (h26x("h264", SIZE_360P), true));
}

#[test]
fn a_change_of_codec_starts_anew() {
    let mut format = VideoFormat::new();
    assert_eq!(watch(&mut format, CodecId::H264, true, H264_1080P).0, h26x("h264", SIZE_1080P));
    assert_eq!(watch(&mut format, CodecId::H265, false, H265_DELTA).0, "skip");
    assert_eq!(watch(&mut format, CodecId::H265, true, H265_1080P).0, h26x("h265", SIZE_1080P));
}

#[test]
fn after_a_loss_only_a_key_frame_will_do_and_caps_stay() {
    let mut format = VideoFormat::new();
    watch(&mut format, CodecId::H264, true, H264_360P);
    format.wait_for_key_frame();
    assert_eq!(watch(&mut format, CodecId::H264, false, H264_DELTA).0, "skip");
    assert_eq!(watch(&mut format, CodecId::H264, true, H264_BROKEN_SPS).0, "as before");
}

#[test]
fn other_video_codecs() {
    let mut format = VideoFormat::new();
    let mut see = |codec, key, data| watch(&mut format, codec, key, data);
    let mpeg4 = "video/mpeg, mpegversion=(int)4, systemstream=(boolean)false";
    assert_eq!(see(CodecId::MJPEG, false, JPEG), ("image/jpeg, width=(int)640, height=(int)360".into(), true));
    assert_eq!(see(CodecId::MJPEG, false, "00"), ("as before".into(), false));
    assert_eq!(see(CodecId::MPEG4, false, "000001b6"), ("skip".into(), false));
    assert_eq!(see(CodecId::MPEG4, true, "000001b0"), (mpeg4.into(), true));
    assert_eq!(see(CodecId::MPEG4, false, "000001b6"), ("as before".into(), false));
    assert_eq!(see(CodecId::H263, true, "000080"), ("video/x-h263, variant=(string)itu".into(), true));
    assert_eq!(see(CodecId(0x55), true, "00"), ("no codec 0x55".into(), false));
    assert_eq!(see(CodecId(0x55), true, "00"), ("skip".into(), false), "said once");
    assert_eq!(see(CodecId(0x56), true, "00").0, "no codec 0x56");
}

#[test]
fn h265_size_is_found_behind_sub_layers() {
    use h264_reader::rbsp::{BitWrite, BitWriter};
    let mut bits = BitWriter::new(vec![0x42, 0x01]);
    let ones = |count: u32, bits: &mut BitWriter<Vec<u8>>| (0..count).for_each(|_| bits.write_bit(true).unwrap());
    bits.write::<4, u8>(0).unwrap();
    bits.write::<3, u8>(1).unwrap();
    ones(1 + 96, &mut bits);
    // One sub-layer with profile and level, and six pairs of reserved bits.
    ones(2 + 14 + 96, &mut bits);
    for value in [0, 1, 640, 368] {
        bits.write_ue(value).unwrap();
    }
    ones(1, &mut bits);
    for offset in [0, 0, 0, 4] {
        bits.write_ue(offset).unwrap();
    }
    bits.write_rbsp_trailing_bits().unwrap();
    let sps: String = bits.into_writer().iter().map(|b| format!("{b:02x}")).collect();
    let frame = format!("000001 4001 000001 {sps} 000001 4401 000001 2601");
    assert_eq!(watch(&mut VideoFormat::new(), CodecId::H265, true, &frame).0, h26x("h265", SIZE_360P));
}

#[test]
fn sound_without_headers_is_what_the_flags_say() {
    let cases = [
        (CodecId::MULAW, FLAGS_8K_MONO, "audio/x-mulaw, rate=(int)8000, channels=(int)1"),
        (CodecId::ALAW, FLAGS_16K_MONO, "audio/x-alaw, rate=(int)16000, channels=(int)1"),
        (
            CodecId::PCM,
            FLAGS_48K_STEREO,
            "audio/x-raw, rate=(int)48000, channels=(int)2, format=(string)S16LE, layout=(string)interleaved",
        ),
        (
            CodecId::OPUS,
            FLAGS_48K_STEREO,
            "audio/x-opus, rate=(int)48000, channels=(int)2, channel-mapping-family=(int)0",
        ),
        (CodecId::MULAW, 0xFE, "audio/x-mulaw, rate=(int)8000, channels=(int)1"),
        (CodecId::ADPCM, FLAGS_8K_MONO, "no ADPCM (0x8B)"),
        (CodecId::SPEEX, FLAGS_8K_MONO, "no Speex (0x8D)"),
        (CodecId(0x99), FLAGS_8K_MONO, "no codec 0x99"),
    ];
    for (codec, flags, expected) in cases {
        assert_eq!(first_sound(codec, flags, "0102030405"), expected, "{codec}");
        assert_eq!(first_sound(codec, flags, ""), "skip", "{codec}, empty");
    }
}

#[test]
fn pcm_is_cut_to_whole_samples() {
    let mut data = hex("0102030405");
    hear(&mut AudioFormat::new(), CodecId::PCM, FLAGS_48K_STEREO, &mut data);
    assert_eq!(data, [1, 2, 3, 4]);
    assert_eq!(first_sound(CodecId::PCM, FLAGS_48K_STEREO, "010203"), "skip");
}

fn aac(format: &str, rate: u32, channels: u32) -> String {
    format!(
        "audio/mpeg, rate=(int){rate}, channels=(int){channels}, mpegversion=(int)4, stream-format=(string){format}, framed=(boolean)true"
    )
}

#[test]
fn adts_is_believed_over_id_and_flags() {
    for codec in [CodecId::AAC_RAW, CodecId::AAC_ADTS, CodecId::AAC_WYZE, CodecId::SPEEX] {
        assert_eq!(first_sound(codec, FLAGS_48K_STEREO, ADTS_16K_MONO), aac("adts", 16_000, 1), "{codec}");
    }
}

#[test]
fn adts_without_a_channel_count_takes_the_flags() {
    assert_eq!(first_sound(CodecId::AAC_ADTS, FLAGS_48K_STEREO, "fff96000 01 5ffc 0148 00"), aac("adts", 16_000, 2));
}

#[test]
fn a_broken_frame_between_adts_frames_is_dropped() {
    let mut format = AudioFormat::new();
    for codec in [CodecId::SPEEX, CodecId::AAC_WYZE] {
        assert_eq!(hear(&mut format, codec, FLAGS_16K_MONO, &mut hex(ADTS_16K_MONO)), aac("adts", 16_000, 1));
        assert_eq!(hear(&mut format, codec, FLAGS_16K_MONO, &mut hex("0148")), "skip");
        assert_eq!(hear(&mut format, codec, FLAGS_16K_MONO, &mut hex(ADTS_16K_MONO)), "as before");
    }
}

#[test]
fn raw_aac_gets_its_config_from_the_flags() {
    for codec in [CodecId::AAC_RAW, CodecId::AAC_WYZE] {
        let caps = format!("{}, codec_data=(buffer)1408", aac("raw", 16_000, 1));
        assert_eq!(first_sound(codec, FLAGS_16K_MONO, "0148"), caps, "{codec}");
    }
    let caps = format!("{}, codec_data=(buffer)1190", aac("raw", 48_000, 2));
    assert_eq!(first_sound(CodecId::AAC_RAW, FLAGS_48K_STEREO, "2148"), caps);
}

#[test]
fn latm_is_pushed_as_loas() {
    let mut bare = hex("20001190");
    assert_eq!(hear(&mut AudioFormat::new(), CodecId::AAC_LATM, FLAGS_16K_MONO, &mut bare), aac("loas", 16_000, 1));
    assert_eq!(bare, hex("56e004 20001190"));
    let mut framed = bare.clone();
    assert_eq!(hear(&mut AudioFormat::new(), CodecId::AAC_WYZE, FLAGS_16K_MONO, &mut framed), aac("loas", 16_000, 1));
    assert_eq!(framed, bare);
    let mut huge = vec![0x20; 1 << 13];
    assert_eq!(hear(&mut AudioFormat::new(), CodecId::AAC_LATM, FLAGS_16K_MONO, &mut huge), "skip");
}

#[test]
fn mp3_reads_its_own_header() {
    let caps = |rate, channels, version| {
        format!(
            "audio/mpeg, rate=(int){rate}, channels=(int){channels}, mpegversion=(int)1, mpegaudioversion=(int){version}, \
             layer=(int)3"
        )
    };
    assert_eq!(first_sound(CodecId::MP3, FLAGS_48K_STEREO, MP3_16K_MONO), caps(16_000, 1, 2));
    assert_eq!(first_sound(CodecId::MP3, FLAGS_48K_STEREO, "fffb9004"), caps(44_100, 2, 1));
    assert_eq!(first_sound(CodecId::MP3, FLAGS_48K_STEREO, "ffe310c4"), caps(11_025, 1, 3));
    assert_eq!(first_sound(CodecId::MP3, FLAGS_8K_MONO, "00"), caps(8_000, 1, 3));
}

#[test]
fn a_new_rate_is_new_caps() {
    let mut format = AudioFormat::new();
    let mut hear = |flags| hear(&mut format, CodecId::ALAW, flags, &mut vec![0xD5; 160]);
    assert_eq!(hear(FLAGS_8K_MONO), "audio/x-alaw, rate=(int)8000, channels=(int)1");
    assert_eq!(hear(FLAGS_8K_MONO), "as before");
    assert_eq!(hear(FLAGS_16K_MONO), "audio/x-alaw, rate=(int)16000, channels=(int)1");
}

/// What becomes of frames with id 8F, flagged 16 kHz mono, of `bytes` each, at these microseconds.
fn law(bytes: usize, stamps: &[u32]) -> Vec<String> {
    gst::init().unwrap();
    let mut format = AudioFormat::new();
    let frame = |&microseconds: &u32| {
        let info = FrameInfo { microseconds, ..info(CodecId::G726, FLAGS_16K_MONO) };
        caps_of(&format.inspect(&info, &mut vec![0xD5; bytes]))
    };
    stamps.iter().map(frame).collect()
}

#[test]
fn id_8f_is_settled_by_how_many_bytes_a_second_it_has() {
    let alaw = "audio/x-alaw, rate=(int)16000, channels=(int)1";
    let g726 = |bits: u32| {
        let bitrate = bits * 16_000;
        format!("audio/x-adpcm, rate=(int)16000, channels=(int)1, layout=(string)g726, bitrate=(int){bitrate}")
    };
    assert_eq!(law(640, &[980_000, 20_000, 60_000]), ["skip", alaw, "as before"], "A-law");
    assert_eq!(law(640, &[0, 80_000, 120_000]), ["skip", "skip", alaw], "A-law, a frame lost");
    assert_eq!(
        law(320, &[0, 40_000, 80_000, 120_000, 160_000]),
        ["skip", "skip", "skip", &g726(4), "as before"],
        "G.726 at 4 bits"
    );
    for (bits, bytes) in [(2, 160), (3, 240), (4, 320), (5, 400)] {
        let frames = law(bytes, &[0, 40_300, 79_800, 120_000]);
        assert_eq!(frames, ["skip", "skip", "skip", &g726(bits)], "G.726 at {bits} bits");
    }
    assert_eq!(law(320, &[0, 80_000, 160_000, 200_000])[3], g726(4), "G.726, frames lost");
    assert_eq!(law(320, &[0; 5]), ["skip", "skip", "skip", alaw, "as before"], "no time to go by");
}

#[test]
fn g726_in_two_channels_is_refused() {
    gst::init().unwrap();
    let mut format = AudioFormat::new();
    let seen = [0, 40_000, 80_000, 120_000, 160_000].map(|microseconds| {
        let info = FrameInfo { microseconds, ..info(CodecId::G726, FLAGS_16K_MONO | 1) };
        caps_of(&format.inspect(&info, &mut vec![0xD5; 640]))
    });
    assert_eq!(seen, ["skip", "skip", "skip", "no G.726 (0x8F)", "skip"]);
}

#[test]
fn ima_adpcm_is_known_by_the_header_of_its_blocks() {
    let dvi = |rate, channels, length| {
        format!(
            "audio/x-adpcm, rate=(int){rate}, channels=(int){channels}, layout=(string)dvi, block_align=(int){length}"
        )
    };
    assert_eq!(first_sound(CodecId::ADPCM, FLAGS_8K_MONO, "34125800 11223344"), dvi(8_000, 1, 8));
    let stereo = "34125800 34120000 11223344 55667788";
    assert_eq!(first_sound(CodecId::ADPCM, FLAGS_48K_STEREO, stereo), dvi(48_000, 2, 16));
    for broken in ["34125900 11223344", "34125801 11223344", "34125800 112233", "34125800"] {
        assert_eq!(first_sound(CodecId::ADPCM, FLAGS_8K_MONO, broken), "no ADPCM (0x8B)", "{broken}");
    }
}

#[test]
fn speex_is_known_by_its_frames_and_gets_its_header() {
    let packet = format!("40{}", "00".repeat(9));
    let caps = first_sound(CodecId::SPEEX, FLAGS_16K_MONO, &packet);
    let header = format!(
        "5370656578202020312e32{}0100000050000000803e000001000000040000000100000\
         0ffffffff400100000000000001000000{}",
        "00".repeat(17),
        "00".repeat(12)
    );
    let expected =
        format!("audio/x-speex, rate=(int)16000, channels=(int)1, streamheader=(buffer)< {header}, 0000000000000000 >");
    assert_eq!(caps, expected);
}

#[test]
fn flags_index_the_rates() {
    assert_eq!(AudioFlags::new(16_000, false), Some(AudioFlags(FLAGS_16K_MONO)));
    assert_eq!(AudioFlags::new(48_000, true), Some(AudioFlags(FLAGS_48K_STEREO)));
}

/// Bytes that lead parsers further in than noise does: a real frame with some of it overwritten and cut.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let frames = [H264_360P, H264_1080P, H265_720P, H265_1080P, JPEG, ADTS_16K_MONO, MP3_16K_MONO];
    let whole = prop::sample::select(frames.map(hex).to_vec());
    let blows = prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0), any::<u8>()]), 0..8);
    (whole, blows, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut frame, blows, end, cut)| {
        for (at, byte) in blows {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if cut {
            frame.truncate(end.index(frame.len()));
        }
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_make_bad_caps(
        codec in prop_oneof![0x4B_u16..0x52, 0x85_u16..0x94],
        flags in any::<u8>(),
        data in prop_oneof![damaged(), prop::collection::vec(any::<u8>(), 0..64)],
    ) {
        gst::init().unwrap();
        let info = info(CodecId(codec), flags);
        let (mut video, mut audio) = (VideoFormat::new(), AudioFormat::new());
        for _ in 0..5 {
            check(&video.inspect(&info, &mut data.clone()), &video_template());
            check(&audio.inspect(&info, &mut data.clone()), &audio_template());
        }
    }
}

const H264_SETS: &str = "00000001 6742c016da0280bfe5c05a83030352800000030080000014478b1750 00000001 68ce3c80";
const H265_SETS: &str = "00000001 40010c01ffff040800000300980800000300005dba0240
    00000001 420101040800000300980800000300005d9000501005a2294b7494985ffe00020002d404040100000300100000030140 80
    00000001 4401c07030603120";

/// Returns the caps of the verdict, whether it can be decoded from, and the frame as it goes on.
fn see_frame(format: &mut VideoFormat, codec: CodecId, key: bool, data: &str) -> (String, bool, Vec<u8>) {
    let mut data = hex(data);
    let verdict = format.inspect(&info(codec, key.into()), &mut data);
    let sync = matches!(verdict, Verdict::Push { sync: true, .. });
    (caps_of(&verdict), sync, data)
}

/// Some cameras send SPS and PPS in a frame of their own, and the key frame bare.
#[test]
fn parameter_sets_in_a_frame_of_their_own_are_joined_with_the_key_frame() {
    gst::init().unwrap();
    let mut format = VideoFormat::new();
    for round in 0..2 {
        assert_eq!(see_frame(&mut format, CodecId::H264, round == 0, H264_SETS).0, "skip");
        let (caps, sync, data) = see_frame(&mut format, CodecId::H264, true, H264_BARE_IDR);
        let first = if round == 0 { "width=(int)640" } else { "as before" };
        assert!(caps.contains(first) && sync, "{caps}");
        assert_eq!(data, [hex(H264_SETS), hex(H264_BARE_IDR)].concat());
        assert_eq!(see_frame(&mut format, CodecId::H264, false, H264_DELTA).2, hex(H264_DELTA));
    }
}

/// A camera that sends its parameter sets once, at its start, can still be joined later.
#[test]
fn a_later_viewer_begins_with_the_parameter_sets_that_came_before() {
    gst::init().unwrap();
    for (codec, sets, key) in
        [(CodecId::H264, H264_SETS, H264_BARE_IDR), (CodecId::H265, H265_SETS, "00000001 2801af0b")]
    {
        let mut earlier = ParameterSets::default();
        earlier.follow(codec, &hex(&format!("{sets} {key}")));
        earlier.follow(codec, &hex(key));
        let mut format = VideoFormat::new();
        assert_eq!(see_frame(&mut format, codec, true, key).0, "skip");
        let mut format = VideoFormat::new();
        format.learn(earlier);
        let (caps, sync, data) = see_frame(&mut format, codec, true, key);
        assert!(caps.contains("width") && sync, "{caps}");
        assert_eq!(data, [hex(sets), hex(key)].concat());
        assert_eq!(see_frame(&mut format, codec, true, key).2, hex(key), "once is enough");
        format.wait_for_key_frame();
        assert!(see_frame(&mut format, codec, true, key).1, "after a loss they are needed again");
    }
}

#[test]
fn sets_of_any_length_stay_within_a_limit() {
    let mut sets = ParameterSets::default();
    let huge = [&[0, 0, 0, 1, 0x67][..], &[0x55; 100_000]].concat();
    assert!(sets.follow(CodecId::H264, &huge).some);
    assert_eq!(sets.of(CodecId::H264), None);
}
