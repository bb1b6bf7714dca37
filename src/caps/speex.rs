//! Reads packets of Speex as far as to tell them from anything else, and makes the header that decoders ask for.

const HEADER: usize = 80;
/// Bits of a frame in each of the narrowband modes, with the mode's number; the modes from 9 on are no sound.
const NARROW: [usize; 9] = [5, 43, 119, 160, 220, 300, 364, 492, 79];
/// Bits of what a wideband frame adds in each of its modes, with the mode's number.
const WIDE: [usize; 5] = [4, 36, 112, 192, 352];
/// Bits of a message in the band, by its number / 2.
const MESSAGES: [usize; 8] = [1, 4, 4, 4, 8, 16, 32, 64];

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn left(&self) -> usize {
        self.data.len() * 8 - self.at
    }

    /// Reads a number; `None` past the end.
    fn read(&mut self, bits: usize) -> Option<usize> {
        let from = self.at;
        self.skip(bits)?;
        Some((from..self.at).fold(0, |number, at| number << 1 | usize::from(self.data[at / 8] >> (7 - at % 8) & 1)))
    }

    fn skip(&mut self, bits: usize) -> Option<()> {
        self.at += bits;
        (self.at <= self.data.len() * 8).then_some(())
    }
}

/// Returns how many frames a packet has; `None` if it is not of whole Speex frames.
pub fn frames(packet: &[u8]) -> Option<u32> {
    let mut bits = Bits { data: packet, at: 0 };
    let mut frames = 0;
    // The last byte is filled up with fewer bits than a frame's number has, or with a terminator.
    while bits.left() >= 5 {
        if bits.read(1)? == 1 {
            // This adds to the frame before it.
            let mode = bits.read(3)?;
            bits.skip(WIDE.get(mode)?.checked_sub(4)?)?;
            if frames == 0 {
                return None;
            }
            continue;
        }
        match bits.read(4)? {
            15 => break,
            14 => {
                let message = bits.read(4)?;
                bits.skip(MESSAGES[message / 2])?;
            }
            13 => {
                let length = bits.read(4)?;
                bits.skip(5 + 8 * length)?;
            }
            mode => {
                bits.skip(NARROW.get(mode)? - 5)?;
                frames += 1;
            }
        }
    }
    (frames > 0 && bits.left() < 8).then_some(frames)
}

/// Makes the two buffers of `streamheader`: the header of a stream of this rate (Hz), and a comment without words.
pub fn stream_header(rate: u32, channels: u32, frames: u32) -> [gst::Buffer; 2] {
    let (mode, samples) = match rate {
        0..=12_500 => (0_u32, 160_u32),
        12_501..=25_000 => (1, 320),
        _ => (2, 640),
    };
    let mut header = Vec::with_capacity(HEADER);
    header.extend(b"Speex   1.2");
    header.resize(28, 0);
    let (version, bitstream, bitrate, variable) = (1, 4, u32::MAX, 0);
    let fields = [version, HEADER as u32, rate, mode, bitstream, channels, bitrate, samples, variable, frames];
    header.extend(fields.into_iter().flat_map(u32::to_le_bytes));
    header.resize(HEADER, 0);
    [gst::Buffer::from_slice(header), gst::Buffer::from_slice([0; 8])]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value and its number of bits.
    type Field = (u64, u32);

    /// Makes a packet of fields, filled up as the encoder does.
    fn packet(fields: &[Field]) -> Vec<u8> {
        let mut bits: Vec<bool> = fields
            .iter()
            .flat_map(|&(value, count)| (0..count).rev().map(move |bit| value.unbounded_shr(bit) & 1 == 1))
            .collect();
        if !bits.len().is_multiple_of(8) {
            bits.push(false);
            bits.resize(bits.len().next_multiple_of(8), true);
        }
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect()
    }

    #[test]
    fn frames_are_counted_by_their_modes() {
        const FRAME: [Field; 2] = [(8, 5), (0, 74)];
        const WIDER: [Field; 2] = [(0b1001, 4), (0, 32)];
        let cases: [(&[&[Field]], Option<u32>); 9] = [
            (&[&FRAME], Some(1)),
            (&[&FRAME, &FRAME, &FRAME], Some(3)),
            (&[&FRAME, &WIDER], Some(1)),
            (&[&FRAME, &WIDER, &FRAME, &WIDER, &WIDER], Some(2)),
            (&[&[(14, 5), (9, 4), (3, 8)], &FRAME], Some(1)),
            (&[&[(13, 5), (1, 4), (0, 13)], &FRAME], Some(1)),
            (&[&WIDER, &FRAME], None),
            (&[&[(9, 5), (0, 75)]], None),
            (&[&[(8, 5), (0, 35)]], None),
        ];
        for (parts, expected) in cases {
            assert_eq!(frames(&packet(&parts.concat())), expected, "{parts:?}");
        }
        assert_eq!(frames(&[]), None);
        assert_eq!(frames(&[packet(&FRAME), vec![0x7F; 9]].concat()), None, "bytes after the terminator");
    }
}
