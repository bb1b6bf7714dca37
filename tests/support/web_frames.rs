//! Pictures and sound that a camera of the tests sends over WebRTC.

use str0m::format::Codec;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A picture as an access unit with start codes: a key frame of `kilobytes`, another of a fifth of that. Different
/// numbers differ, and so do the parts of a picture.
pub fn picture(number: u32, is_key: bool, codec: Codec, kilobytes: usize) -> Vec<u8> {
    let (key, other) = (kilobytes * 1000, kilobytes * 200);
    // Without zeros there is no start code inside.
    let fill = (number % 255) as u8 + 1;
    let nal = |header: &[u8], length: usize| {
        let mut nal = [&START_CODE, header].concat();
        let body = nal.len();
        nal.resize(body + length, fill);
        nal[body..].iter_mut().step_by(300).enumerate().for_each(|(i, byte)| *byte = (i % 255) as u8 + 1);
        nal
    };
    match (codec, is_key) {
        (Codec::H265, true) => {
            [nal(&[0x40, 1], 20), nal(&[0x42, 1], 40), nal(&[0x44, 1], 8), nal(&[0x26, 1], key)].concat()
        }
        (Codec::H265, false) => nal(&[0x02, 1], other),
        (_, true) => [nal(&[0x67, 0x42, 0xe0, 0x1f], 12), nal(&[0x68], 4), nal(&[0x65], key)].concat(),
        (_, false) => nal(&[0x41], other),
    }
}

/// 20 ms of sound. Different numbers differ.
pub fn sound(number: u32) -> Vec<u8> {
    // The first byte says to Opus that this is one frame of 20 ms.
    [&[0x78], &number.to_be_bytes()[..], &[number as u8; 155]].concat()
}
