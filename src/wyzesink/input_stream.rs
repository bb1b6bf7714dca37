//! The stream that comes in at the sink's pad, and how its buffers become frames that the camera takes.

use super::camera_audio::CameraAudio;
use super::encoder::Encoder;
use super::frame_cutter::{CutFrame, FrameCutter};
use super::talk_failure::TalkFailure;

/// The way from buffers of one format to frames.
struct Encoding {
    /// `None` if the camera takes the format as it is.
    encoder: Option<Encoder>,
    cutter: FrameCutter,
    camera: CameraAudio,
}

/// The state that belongs to the streaming thread.
#[derive(Default)]
pub struct InputStream {
    caps: Option<gst::Caps>,
    /// `None` until the camera's format is known, and after a flush.
    encoding: Option<Encoding>,
    pub live: bool,
}

impl InputStream {
    /// Takes the caps of the buffers that follow. Returns what the format before them has left in its encoder: it
    /// belongs to the talk as well.
    pub fn set_caps(&mut self, caps: &gst::Caps) -> Vec<(CameraAudio, CutFrame)> {
        if self.caps.as_ref() == Some(caps) {
            return Vec::new();
        }
        self.caps = Some(caps.clone());
        self.drain()
    }

    /// Drops what the encoder holds.
    pub fn flush(&mut self) {
        self.encoding = None;
    }

    /// Returns the frames that are ready with this buffer.
    pub fn encode(&mut self, camera: CameraAudio, buffer: &gst::Buffer) -> Result<Vec<CutFrame>, TalkFailure> {
        if self.encoding.as_ref().is_none_or(|encoding| encoding.camera != camera) {
            let caps = self.caps.clone().unwrap_or_else(gst::Caps::new_empty);
            self.encoding = Some(Encoding::new(&caps, camera)?);
        }
        let Some(encoding) = &mut self.encoding else { return Ok(Vec::new()) };
        let encoded = match &encoding.encoder {
            Some(encoder) => encoder.encode(buffer.clone())?,
            None => vec![buffer.clone()],
        };
        Ok(encoding.cut(encoded))
    }

    /// Returns the rest of the sound so far, and begins anew with the next buffer.
    pub fn drain(&mut self) -> Vec<(CameraAudio, CutFrame)> {
        let Some(mut encoding) = self.encoding.take() else { return Vec::new() };
        let encoded = encoding.encoder.as_ref().map(Encoder::drain).unwrap_or_default();
        let mut frames = encoding.cut(encoded);
        frames.extend(encoding.cutter.finish());
        frames.into_iter().map(|frame| (encoding.camera, frame)).collect()
    }
}

impl Encoding {
    fn new(caps: &gst::Caps, camera: CameraAudio) -> Result<Self, TalkFailure> {
        let is_raw = caps.structure(0).is_some_and(|structure| structure.name() == "audio/x-raw");
        let encoder = match (is_raw, caps.can_intersect(&camera.caps())) {
            (true, _) => Some(Encoder::new(caps, camera)?),
            (false, true) => None,
            (false, false) => return Err(TalkFailure::OtherCodec { camera, stream: caps.to_string() }),
        };
        Ok(Encoding { encoder, cutter: FrameCutter::new(camera), camera })
    }

    fn cut(&mut self, encoded: Vec<gst::Buffer>) -> Vec<CutFrame> {
        let mut frames = Vec::new();
        for buffer in encoded {
            // Fails only for memory that the processor cannot see.
            if let Ok(map) = buffer.map_readable() {
                frames.extend(self.cutter.cut(&map));
            }
        }
        frames
    }
}
