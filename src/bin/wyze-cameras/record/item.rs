//! What a camera's pipelines hand to its recorder.

use gst::ClockTime;
use gstwyze::protocol::medium::Medium;

pub enum Item {
    /// A pad has come.
    Pad(Medium),
    NoMorePads,
    /// A frame as the camera sent it.
    Captured(Frame),
    /// Sound that was encoded.
    Encoded(Frame),
    /// A message from the camera's pipeline.
    Message(gst::Message),
}

/// A picture, or a piece of sound.
#[derive(Clone)]
pub struct Frame {
    pub medium: Medium,
    pub buffer: gst::Buffer,
    pub caps: gst::Caps,
    /// The running time.
    pub at: ClockTime,
}

impl Frame {
    /// Returns nothing where the sample has no time.
    pub fn of(medium: Medium, sample: &gst::Sample) -> Option<Self> {
        let (buffer, caps) = (sample.buffer_owned()?, sample.caps_owned()?);
        let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
        let at = segment.to_running_time(buffer.pts()?)?;
        Some(Frame { medium, buffer, caps, at })
    }

    /// Whether a file can begin with it.
    pub fn is_key(&self) -> bool {
        !self.buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
    }
}
