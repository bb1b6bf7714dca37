//! The end of a camera's streams that is in an RTSP medium of gst-rtsp-server: an appsrc and a payloader for picture
//! and sound each. All clients of a camera share one, unless what the camera sends has changed in between.

use super::track::{Format, Medium};
use gst::glib;
use gst::prelude::*;
use gst_app::{AppLeakyType, AppSrc};
use gst_rtsp_server::RTSPMedia;

/// Clients that pause, or that ask and never play, cost at most this, in bytes for each medium.
const QUEUE_BYTES: u64 = 16 << 20;
const QUEUE_TIME: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// A medium of the RTSP server that is kept prepared until this is dropped. Do that without locks: it waits for threads.
#[derive(Debug)]
pub struct Held(RTSPMedia);

impl Held {
    /// Takes a medium that a client has had prepared.
    pub fn new(media: &RTSPMedia) -> Option<Self> {
        // SAFETY: the medium is alive, and the function takes no thread for what runs already.
        let is_prepared = unsafe { gst_rtsp_server::ffi::gst_rtsp_media_prepare(media.as_ptr(), std::ptr::null_mut()) };
        (is_prepared != glib::ffi::GFALSE).then(|| Held(media.clone()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the medium is alive, and was prepared once for this.
        unsafe { gst_rtsp_server::ffi::gst_rtsp_media_unprepare(self.0.as_ptr()) };
    }
}

/// One medium of an outlet.
#[derive(Debug)]
struct Branch {
    medium: Medium,
    format: Format,
    source: AppSrc,
}

#[derive(Debug)]
pub struct Outlet {
    pub number: u64,
    branches: Vec<Branch>,
    /// The RTSP server's medium that has the bin, while that is kept ready for the next client.
    ///
    /// Without this, the server takes it down with the last client, and turns away one that comes in that moment.
    held: Option<Held>,
    /// Whether further clients share it.
    is_shared: bool,
    /// Whether a client plays.
    pub is_live: bool,
    /// Whether the RTSP server knows all that clients have to know of it.
    pub is_prepared: bool,
    /// The time stamp of the last picture that it was given so that the RTSP server can describe it.
    pub primed: Option<gst::ClockTime>,
}

impl Outlet {
    /// Makes an outlet for these media, to be shared by clients or not, and the bin for the RTSP server that it is in.
    pub fn new(
        number: u64,
        media: &[(Medium, Format, gst::Caps)],
        is_shared: bool,
    ) -> Result<(Self, gst::Bin), String> {
        let bin = gst::Bin::new();
        let mut branches = Vec::new();
        for (place, (medium, format, caps)) in (0..).zip(media) {
            let source = AppSrc::builder()
                .caps(caps)
                .format(gst::Format::Time)
                .is_live(true)
                .max_bytes(QUEUE_BYTES)
                .max_time(QUEUE_TIME)
                .leaky_type(AppLeakyType::Downstream)
                .build();
            // The RTSP server lets a medium that no client has set up flow to a pad without a peer. As an error, that
            // would turn away the clients that are about to play.
            let forgiving = gst::ElementFactory::make("tee").property("allow-not-linked", true).build();
            let forgiving = forgiving.map_err(|e| e.to_string())?;
            let payloader = format.route.make_payloader(place)?;
            let elements = [source.upcast_ref(), &forgiving, &payloader];
            bin.add_many(elements).map_err(|e| e.to_string())?;
            gst::Element::link_many(elements).map_err(|e| e.to_string())?;
            branches.push(Branch { medium: *medium, format: *format, source });
        }
        Ok((Outlet { number, branches, held: None, is_shared, is_live: false, is_prepared: false, primed: None }, bin))
    }

    /// Whether it is to be given what comes of a medium so that the RTSP server can describe it.
    pub fn is_being_prepared(&self, medium: Medium) -> bool {
        let mut branches = self.branches.iter().filter(|branch| branch.medium == medium);
        !self.is_live && !self.is_prepared && branches.any(|branch| branch.format.route.holds_back())
    }

    /// Whether it takes what a camera sends that has this format of a medium. One that lacks the medium does.
    pub fn takes(&self, medium: Medium, format: Format) -> bool {
        self.branches.iter().all(|branch| branch.medium != medium || branch.format == format)
    }

    /// Whether it has these media and no others, in these formats.
    pub fn is_of(&self, media: impl Iterator<Item = (Medium, Format)>) -> bool {
        media.eq(self.branches.iter().map(|branch| (branch.medium, branch.format)))
    }

    pub fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// Whether it is to be kept ready for further clients, and is not yet.
    pub fn can_be_held(&self) -> bool {
        self.is_shared && self.held.is_none()
    }

    /// Lets go of the RTSP server's medium, which ends with its last client then.
    pub fn release(&mut self) -> Option<Held> {
        self.held.take()
    }

    pub fn has(&self, medium: Medium) -> bool {
        self.branches.iter().any(|branch| branch.medium == medium)
    }

    /// Gives the RTSP server a buffer, from which it learns what clients have to know of the stream.
    pub fn prime(&mut self, medium: Medium, sample: &gst::Sample) {
        if medium == Medium::Video {
            self.primed = sample.buffer().and_then(gst::BufferRef::pts);
        }
        self.push(medium, sample);
    }

    /// Gives its clients a buffer. Never waits.
    pub fn push(&self, medium: Medium, sample: &gst::Sample) {
        for branch in self.branches.iter().filter(|branch| branch.medium == medium) {
            // It refuses only while it ends.
            let _ = branch.source.push_sample(sample);
        }
    }

    /// Ends the stream for its clients.
    pub fn end(&self) {
        for branch in &self.branches {
            let _ = branch.source.end_of_stream();
        }
    }
}
