//! Decodes sound that the files cannot hold, and encodes it as AAC.

use super::item::{Frame, Item};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc, AppStreamType};
use gstwyze::protocol::medium::Medium;
use std::sync::mpsc::Sender;

/// Any of these will do; the best come first.
const ENCODERS: [&str; 3] = ["fdkaacenc", "avenc_aac", "voaacenc"];
const MP3_DECODERS: [&str; 2] = ["mpg123audiodec", "avdec_mp3"];
const BITS_PER_CHANNEL: &str = "64000";
/// The rates, in Hz, that all encoders take. A lower one has frames too long for a file that is to be safe each second.
const RATES: [i32; 6] = [16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// How long the last sound may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(2);

pub struct Encoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
}

impl Encoder {
    /// Starts to take sound with these caps. What comes of it goes to `items`.
    pub fn start(caps: &gst::Caps, items: &Sender<Item>) -> Result<Self, String> {
        let source = AppSrc::builder().caps(caps).format(gst::Format::Time).stream_type(AppStreamType::Stream);
        let source = source.max_bytes(0).build();
        let sink = AppSink::builder().sync(false).async_(false).build();
        let sender = items.clone();
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(frame) = Frame::of(Medium::Audio, &sample) {
                // The recorder is gone only after the encoder.
                let _ = sender.send(Item::Encoded(frame));
            }
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());

        let mut chain = vec![source.clone().upcast()];
        for names in decoders(caps)? {
            chain.push(any(names)?);
        }
        for name in ["audioconvert", "audioresample", "capsfilter"] {
            chain.push(any(&[name])?);
        }
        if let Some(filter) = chain.last() {
            filter.set_property("caps", raw(caps));
        }
        let encoder = any(&ENCODERS)?;
        encoder.set_property_from_str("bitrate", BITS_PER_CHANNEL);
        chain.extend([encoder, any(&["aacparse"])?, sink.upcast()]);

        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&chain).map_err(|e| e.to_string())?;
        gst::Element::link_many(&chain).map_err(|e| e.to_string())?;
        pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        Ok(Encoder { pipeline, source })
    }

    pub fn push(&self, buffer: gst::Buffer) {
        // Why it fails is on the bus.
        let _ = self.source.push_buffer(buffer);
    }

    /// Returns why it has failed, if it has.
    pub fn error(&self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }

    /// Waits until all has been encoded.
    pub fn finish(&self) {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        if self.source.end_of_stream().is_ok()
            && let Some(bus) = self.pipeline.bus()
        {
            bus.timed_pop_filtered(PATIENCE, &ends);
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Going to NULL does not fail.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Returns the elements that make raw sound of this, each by the names that will do.
fn decoders(caps: &gst::Caps) -> Result<Vec<&'static [&'static str]>, String> {
    let structure = caps.structure(0).ok_or("sound without a codec")?;
    let is = |field, value: &str| structure.get::<&str>(field) == Ok(value);
    Ok(match structure.name().as_str() {
        "audio/x-raw" => vec![],
        "audio/x-mulaw" => vec![&["mulawdec"]],
        "audio/x-alaw" => vec![&["alawdec"]],
        "audio/x-opus" => vec![&["opusdec"]],
        "audio/x-speex" => vec![&["speexdec"]],
        "audio/x-adpcm" if is("layout", "dvi") => vec![&["adpcmdec"]],
        "audio/x-adpcm" => vec![&["avdec_g726"]],
        "audio/mpeg" if structure.get::<i32>("mpegversion") == Ok(1) => vec![&["mpegaudioparse"], &MP3_DECODERS],
        "audio/mpeg" if is("stream-format", "loas") => vec![&["aacparse"], &["avdec_aac_latm"]],
        "audio/mpeg" => vec![&["aacparse"], &["avdec_aac"]],
        other => return Err(format!("no decoder is known for {other}")),
    })
}

/// Returns the raw sound that is encoded.
fn raw(caps: &gst::Caps) -> gst::Caps {
    let number = |field| caps.structure(0).and_then(|structure| structure.get::<i32>(field).ok());
    let rate = number("rate").filter(|rate| RATES.contains(rate)).unwrap_or(RATES[0]);
    let channels = number("channels").unwrap_or(1).clamp(1, 2);
    gst::Caps::builder("audio/x-raw").field("rate", rate).field("channels", channels).build()
}

fn any(names: &[&str]) -> Result<gst::Element, String> {
    let made = names.iter().find_map(|name| gst::ElementFactory::make(name).build().ok());
    made.ok_or_else(|| format!("GStreamer lacks the element {}", names.join(" or ")))
}
