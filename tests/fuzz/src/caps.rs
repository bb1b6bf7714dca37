//! Target `caps`: the caps that are made from any frames.

use super::input::Input;
use super::memory::peak_of;
use gstwyze::caps::{AudioFormat, Verdict, VideoFormat, audio_template, video_template};
use gstwyze::protocol::wire::codec::CodecId;
use gstwyze::protocol::wire::frame_info::FrameInfo;
use std::sync::LazyLock;

const CODECS: [u16; 17] =
    [0x4E, 0x50, 0x4F, 0x4C, 0x4D, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x92];
/// Room for the caps of a frame and the tables of its parameter sets; a frame of a few KiB must not take more.
const MEMORY: usize = 1 << 20;

static TEMPLATES: LazyLock<(gst::Caps, gst::Caps)> = LazyLock::new(|| {
    gst::init().unwrap();
    (video_template(), audio_template())
});

/// Inspects a series of frames as from one camera.
pub fn caps(bytes: &[u8]) {
    let (video_template, audio_template) = &*TEMPLATES;
    let mut input = Input::new(bytes);
    let (mut video, mut audio) = (VideoFormat::new(), AudioFormat::new());
    let peak = peak_of(|| {
        let mut codec = CodecId(0x4E);
        while !input.is_empty() {
            if input.flag() {
                codec = CodecId(input.pick(&CODECS));
            }
            let mut info = FrameInfo::parse(&[0; 40]).unwrap();
            (info.codec, info.flags, info.microseconds) = (codec, input.byte(), input.u16().into());
            let data = input.text();
            check(&video.inspect(&info, &mut data.to_vec()), video_template);
            let mut sound = data.to_vec();
            check(&audio.inspect(&info, &mut sound), audio_template);
            assert!(sound.len() <= data.len() + 16, "{} bytes became {}", data.len(), sound.len());
            if info.flags == 0xFF {
                video.wait_for_key_frame();
            }
        }
    });
    assert!(peak < MEMORY + 16 * bytes.len(), "{peak} bytes for {}", bytes.len());
}

fn check(verdict: &Verdict, template: &gst::Caps) {
    if let Verdict::Push { caps: Some(caps), .. } = verdict {
        assert!(caps.is_fixed() && caps.is_subset(template), "{caps}");
    }
}
