//! Encodes raw sound as the camera speaks it, by GStreamer's own elements.
//!
//! They run in a chain between two pads, without a pipeline, a thread or a queue: when a buffer has been pushed, its
//! encoded form is there.

use super::camera_audio::{CameraAudio, Coding};
use super::talk_failure::TalkFailure;
use crate::session::lock;
use gst::prelude::*;
use std::sync::{Arc, Mutex};

const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const LIBAV: &str = "gstreamer1.0-libav";
/// The encoders to try, best first.
const AAC_ENCODERS: [&str; 4] = ["fdkaacenc", "avenc_aac", "voaacenc", "faac"];
const OPUS_RATES: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];

type Encoded = Arc<Mutex<Vec<gst::Buffer>>>;

pub struct Encoder {
    audio: CameraAudio,
    bin: gst::Bin,
    bus: gst::Bus,
    input: gst::Pad,
    output: gst::Pad,
    encoded: Encoded,
}

impl Encoder {
    pub fn new(caps: &gst::Caps, audio: CameraAudio) -> Result<Self, TalkFailure> {
        let elements = elements(audio)?;
        let encoded = Encoded::default();
        let for_chain = encoded.clone();
        let (bin, bus) = (gst::Bin::new(), gst::Bus::new());
        bin.set_bus(Some(&bus));
        let input = gst::Pad::builder(gst::PadDirection::Src).name("input").build();
        let output = gst::Pad::builder(gst::PadDirection::Sink)
            .name("output")
            .chain_function(move |_, _, buffer| {
                // Speex begins with headers, which a camera makes up for itself.
                if !buffer.flags().contains(gst::BufferFlags::HEADER) {
                    lock(&for_chain).push(buffer);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        // From here on, dropping the encoder tears down what has been set up.
        let encoder = Encoder { audio, bin, bus, input, output, encoded };
        encoder.set_up(&elements, caps).map_err(|e| encoder.failure(&e.to_string()))?;
        Ok(encoder)
    }

    fn set_up(&self, elements: &[gst::Element], caps: &gst::Caps) -> Result<(), gst::glib::BoolError> {
        self.bin.add_many(elements)?;
        gst::Element::link_many(elements)?;
        let ghost = |element: Option<&gst::Element>, name: &str| {
            let target = element.and_then(|element| element.static_pad(name));
            let target = target.ok_or_else(|| gst::glib::bool_error!("no {name} pad"))?;
            let ghost = gst::GhostPad::with_target(&target)?;
            self.bin.add_pad(&ghost)?;
            ghost.set_active(true)?;
            Ok::<_, gst::glib::BoolError>(ghost)
        };
        let (first, last) = (ghost(elements.first(), "sink")?, ghost(elements.last(), "src")?);
        let link_error = |e| gst::glib::bool_error!("pads do not link: {e}");
        self.output.set_active(true)?;
        last.link(&self.output).map_err(link_error)?;
        let state_error = |_| gst::glib::bool_error!("the elements do not start");
        self.bin.set_state(gst::State::Playing).map_err(state_error)?;
        self.input.set_active(true)?;
        self.input.link(&first).map_err(link_error)?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let events =
            [gst::event::StreamStart::new("talk"), gst::event::Caps::new(caps), gst::event::Segment::new(&segment)];
        match events.into_iter().all(|event| self.input.push_event(event)) {
            true => Ok(()),
            false => Err(gst::glib::bool_error!("{caps} is not taken")),
        }
    }

    /// Takes a buffer, and returns the encoded ones that are ready with it.
    pub fn encode(&self, buffer: gst::Buffer) -> Result<Vec<gst::Buffer>, TalkFailure> {
        self.input.push(buffer).map_err(|e| self.failure(&e.to_string()))?;
        Ok(self.take())
    }

    /// Ends the stream, and returns the encoded buffers that are left.
    pub fn drain(&self) -> Vec<gst::Buffer> {
        self.input.push_event(gst::event::Eos::new());
        self.take()
    }

    fn take(&self) -> Vec<gst::Buffer> {
        std::mem::take(&mut *lock(&self.encoded))
    }

    /// Makes the error, in the words of the element that failed if it had any.
    fn failure(&self, reason: &str) -> TalkFailure {
        let said = self.bus.pop_filtered(&[gst::MessageType::Error]);
        let said = said.and_then(|message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        });
        TalkFailure::Encoding { camera: self.audio, reason: said.unwrap_or_else(|| reason.into()) }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // These calls fail only for what was never set up.
        let _ = self.input.set_active(false);
        let _ = self.bin.set_state(gst::State::Null);
        let _ = self.output.set_active(false);
        if let Some(peer) = self.input.peer() {
            let _ = self.input.unlink(&peer);
        }
        if let Some(peer) = self.output.peer() {
            let _ = peer.unlink(&self.output);
        }
        // Messages on the bus refer to the bin and its elements, which in turn hold the bus.
        self.bus.set_flushing(true);
        self.bin.set_bus(None::<&gst::Bus>);
    }
}

/// Makes the elements of the chain, in their order.
fn elements(audio: CameraAudio) -> Result<Vec<gst::Element>, TalkFailure> {
    let missing = |factory, package| TalkFailure::MissingElement { camera: audio, factory, package };
    let make = |factory: &'static str, package| {
        gst::ElementFactory::make(factory).build().map_err(|_| missing(factory, package))
    };
    let filter = |caps: &gst::Caps| {
        let filter = gst::ElementFactory::make("capsfilter").property("caps", caps).build();
        filter.map_err(|_| missing("capsfilter", "libgstreamer1.0-0"))
    };
    let rate = match audio.coding {
        Coding::Opus if !OPUS_RATES.contains(&audio.rate) => 48_000,
        _ => audio.rate,
    };
    let raw =
        gst::Caps::builder("audio/x-raw").field("rate", rate as i32).field("channels", audio.channels as i32).build();
    let mut elements = vec![make("audioconvert", BASE)?, make("audioresample", BASE)?, filter(&raw)?];
    match audio.coding {
        Coding::Mulaw => elements.push(make("mulawenc", GOOD)?),
        Coding::Alaw => elements.push(make("alawenc", GOOD)?),
        Coding::Pcm => {}
        Coding::Opus => {
            let encoder = make("opusenc", BASE)?;
            encoder.set_property_from_str("audio-type", "voice");
            elements.push(encoder);
        }
        Coding::Speex => elements.push(make("speexenc", GOOD)?),
        Coding::Mp3 => {
            let encoder = make("lamemp3enc", GOOD)?;
            encoder.set_property_from_str("target", "bitrate");
            encoder.set_property("cbr", true);
            encoder.set_property("bitrate", speech_bitrate(audio) as i32 / 1000);
            elements.extend([encoder, make("mpegaudioparse", GOOD)?]);
        }
        Coding::G726 { bits } => {
            let encoder = make("avenc_g726", LIBAV)?;
            encoder.set_property("code-size", bits as i32);
            elements.push(encoder);
        }
        Coding::AacAdts | Coding::AacRaw => {
            let made = AAC_ENCODERS.iter().find_map(|factory| gst::ElementFactory::make(factory).build().ok());
            let encoder = made.ok_or_else(|| missing("avenc_aac", LIBAV))?;
            encoder.set_property_from_str("bitrate", &speech_bitrate(audio).to_string());
            elements.extend([encoder, make("aacparse", GOOD)?]);
        }
    }
    elements.push(filter(&audio.caps())?);
    Ok(elements)
}

/// Bits a second that are enough for a small speaker; a frame fits into one datagram.
fn speech_bitrate(audio: CameraAudio) -> u32 {
    audio.channels * if audio.rate < 32_000 { 32_000 } else { 64_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::codec::{AudioFlags, CodecId};

    #[test]
    fn nothing_is_left_of_an_encoder() {
        gst::init().unwrap();
        let caps = "audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1".parse().unwrap();
        let (codec, flags) = (CodecId::MULAW, AudioFlags::new(8000, false).unwrap());
        let audio = CameraAudio { codec, flags, coding: Coding::Mulaw, rate: 8000, channels: 1 };
        let encoder = Encoder::new(&caps, audio).unwrap();
        encoder.encode(gst::Buffer::from_slice([0; 9600])).unwrap();
        let left = (encoder.bin.downgrade(), encoder.bus.downgrade());
        drop(encoder);
        assert!(left.0.upgrade().is_none() && left.1.upgrade().is_none());
    }
}
