//! What `wyzesrc` and `wyzesink` share, neither of which knows the other: how an element comes into the session of its
//! camera, and what it tells the application of that.

mod announcer;
mod commands;
mod connection;
mod messages;
mod properties;
mod stored;

use crate::identity::Identity;
use crate::protocol::client::{Config, TransportKind};
use crate::protocol::model::VideoWish;
use crate::session::{Event, Membership, Peer, Use, Wants};
use gst::prelude::*;
use gst::subclass::prelude::*;
use messages::ConnectionMessages;

pub use announcer::Announcer;
pub use commands::{Fill, act, ask};
pub use connection::{Connection, ConnectionState, STATE, camera_label, error_details};
pub use messages::{MediumChange, ended, identity_error};
pub use properties::{is_valid, log_property, set_uri, set_uri_property};
pub use stored::{Filled, StoredCamera, fill};

/// What an element brings to the session of its camera.
pub struct Joining<'a> {
    /// The camera, after [`fill`].
    pub identity: &'a Identity,
    /// What [`fill`] returned.
    pub stored: Option<StoredCamera>,
    pub peer: Peer,
    pub config: Config,
    pub wants: Wants,
    pub video_wish: Option<VideoWish>,
    pub announcer: Announcer,
    pub connection: Connection,
    /// Whether an event shows that media are on their way.
    pub flows: fn(&Event) -> bool,
}

impl Joining<'_> {
    /// Joins the session. From then on, `announcer` tells the application how the connection goes, and `observe` gets each
    /// event on the session thread, where it must not block.
    pub fn join(
        self,
        element: &gst::Element,
        category: gst::DebugCategory,
        mut observe: impl FnMut(Event) -> Use + Send + 'static,
    ) -> Result<Membership, gst::ErrorMessage> {
        let Joining { identity, mut stored, peer, config, wants, video_wish, announcer, connection, flows } = self;
        let (weak, mut messages) = (element.downgrade(), ConnectionMessages::new(announcer.clone(), connection));
        let observer = move |event| {
            let Some(element) = weak.upgrade() else { return Use::Used };
            messages.follow(&element, &event, flows(&event));
            log(&element, category, &event);
            match &event {
                Event::Stage(stage) => {
                    let stage = *stage;
                    announcer.announce(&element, move |element| messages::stage(element, stage));
                }
                Event::Connected(camera) => {
                    // Over WebRTC it may be that of a relay.
                    if let Some(stored) = stored.as_mut().filter(|_| camera.transport == TransportKind::Lan) {
                        stored.found_at(camera.address.ip(), &element, category);
                    }
                }
                _ => {}
            }
            observe(event)
        };
        let (place, attempts) = (identity.place(), identity.reconnect_attempts());
        let (session, conflicts) = Membership::join(peer, config, place, wants, attempts, video_wish, observer)
            .map_err(|e| messages::join_error(&e))?;
        messages::conflicts(element, &conflicts);
        Ok(session)
    }
}

fn log(element: &gst::Element, category: gst::DebugCategory, event: &Event) {
    match event {
        Event::Stage(stage) => gst::debug!(category, obj = element, "The {} stage begins", stage.name()),
        Event::Connected(camera) => gst::info!(category, obj = element, "Connected: {camera:?}"),
        Event::Clock(clock) => gst::info!(category, obj = element, "The camera's clock: {clock:?}"),
        Event::Unanswered(command) => {
            gst::warning!(category, obj = element, "The camera did not answer K{command}; going on");
        }
        Event::Refused(command, number) => {
            gst::warning!(category, obj = element, "The camera answered K{command} by {number}, as if it refused");
        }
        Event::CountsByHead => {
            gst::info!(category, obj = element, "The camera counts media packets in their heads; resends go by that");
        }
        Event::Silent(medium, true) => {
            gst::warning!(
                category,
                obj = element,
                "The camera has stopped to send {}; it is asked anew",
                medium.name()
            );
        }
        Event::Silent(medium, false) => gst::info!(category, obj = element, "The {} is back", medium.name()),
        Event::Way(way) => gst::warning!(category, obj = element, "The next attempts go by {}", way.name()),
        Event::Reconnecting { error, attempt, delay } => {
            gst::warning!(category, obj = element, "Lost: {error}; attempt {attempt} to connect again in {delay:?}");
        }
        Event::Frame(_) | Event::ParameterSets(_) | Event::Talk(_) | Event::Ended(_) => {}
    }
}

/// An element's metadata; the author is the package's.
pub fn metadata(name: &str, class: &str, description: &str) -> gst::subclass::ElementMetadata {
    gst::subclass::ElementMetadata::new(name, class, description, env!("CARGO_PKG_AUTHORS"))
}

/// Says in the metadata of a class where the element is described.
pub fn set_doc_uri<T: ObjectSubclass>(class: &mut T::Class)
where
    T::Type: IsA<gst::Element>,
{
    let page = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/properties.md\0");
    // SAFETY: This is the class of an element, and both texts live as long as the process.
    unsafe {
        gst::ffi::gst_element_class_add_static_metadata(
            (&raw mut *class).cast(),
            gst::ffi::GST_ELEMENT_METADATA_DOC_URI.as_ptr().cast(),
            page.as_ptr().cast(),
        );
    }
}
