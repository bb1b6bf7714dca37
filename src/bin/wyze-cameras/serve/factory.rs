//! What gst-rtsp-server asks for a camera's streams.

use super::hub::Hub;
use super::output::tell;
use gst::glib;
use gst::prelude::*;
use gst_app::AppSrc;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::subclass::prelude::*;
use gst_rtsp_server::{RTSPContext, RTSPMedia, RTSPMediaFactory, RTSPOnvifMedia, RTSPOnvifMediaFactory};
use std::sync::{Arc, OnceLock};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct CameraFactory {
        pub hub: OnceLock<Arc<Hub>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for CameraFactory {
        const NAME: &'static str = "WyzeCameraFactory";
        type Type = super::CameraFactory;
        type ParentType = RTSPOnvifMediaFactory;
    }

    impl ObjectImpl for CameraFactory {}

    impl RTSPMediaFactoryImpl for CameraFactory {
        /// Clients for which this is the same share one medium. It may take some seconds: each client has a thread of
        /// its own.
        fn gen_key(&self, url: &gst_rtsp::RTSPUrl) -> Option<glib::GString> {
            let hub = self.hub.get()?;
            match hub.wait() {
                // A client that may talk has a medium of its own.
                Ok(_) if self.client_talks() => None,
                Ok(streams) => Some(format!("{} {streams}", self.parent_gen_key(url)?).into()),
                Err(why) => {
                    tell(format_args!("wyze-cameras: {}: a client was turned away: {why}", hub.name));
                    None
                }
            }
        }

        fn create_element(&self, _: &gst_rtsp::RTSPUrl) -> Option<gst::Element> {
            let hub = self.hub.get()?;
            let (number, bin) = match hub.open_outlet(self.client_talks()) {
                Ok(opened) => opened,
                Err(why) => {
                    tell(format_args!("wyze-cameras: {}: a client was turned away: {why}", hub.name));
                    return None;
                }
            };
            // Also where the server drops the bin without ever having used it.
            let weak = Arc::downgrade(hub);
            bin.add_weak_ref_notify(move || {
                if let Some(hub) = weak.upgrade() {
                    hub.close_outlet(number);
                }
            });
            bin.set_property("name", format!("outlet{number}"));
            Some(bin.upcast())
        }

        fn configure(&self, media: &RTSPMedia) {
            self.parent_configure(media);
            let element = media.element();
            if let Some(pipeline) = element.parent().and_then(|parent| parent.downcast::<gst::Pipeline>().ok()) {
                super::super::clock::set(&pipeline);
                mend(&pipeline);
            }
            let (Some(hub), Some(number)) = (self.hub.get(), number(&element)) else { return };
            let weak = Arc::downgrade(hub);
            media.connect_prepared(move |media| {
                if let Some(hub) = weak.upgrade() {
                    hub.outlet_is_prepared(number, media);
                }
            });
            let weak = Arc::downgrade(hub);
            media.connect_unprepared(move |_| {
                if let Some(hub) = weak.upgrade() {
                    hub.close_outlet(number);
                }
            });
        }
    }

    impl RTSPOnvifMediaFactoryImpl for CameraFactory {
        fn has_backchannel_support(&self) -> bool {
            true
        }
    }

    impl CameraFactory {
        /// Whether the client whose request is handled asks for ONVIF's way back.
        fn client_talks(&self) -> bool {
            RTSPContext::with_current_context(|context| self.obj().requires_backchannel(context)).unwrap_or_default()
        }
    }

    /// Mends what gst-rtsp-server adds to a pipeline for its clients.
    fn mend(pipeline: &gst::Pipeline) {
        pipeline.connect_element_added(|_, element| {
            if let Some(source) = element.downcast_ref::<AppSrc>() {
                name_reports(source);
            } else if element.is::<gst_base::BaseSink>() {
                // A pipeline plays once each sink has a buffer, and a sink with one holds its thread until then. Where
                // clients begin at once over TCP and UDP, the second sink of a thread would never get any.
                element.set_property("async", false);
            }
        });
    }

    /// Gives the RTCP that clients send over TCP the caps that gst-rtsp-server gives it over UDP only.
    ///
    /// Both ways meet in a funnel. As soon as clients have used both, GStreamer would warn of events in the wrong order.
    fn name_reports(source: &AppSrc) {
        let Some(pad) = source.static_pad("src") else { return };
        let source = source.downgrade();
        pad.connect_linked(move |_, way_in| {
            // The funnel is linked already.
            let way_out = way_in.parent_element().and_then(|funnel| funnel.static_pad("src")?.peer());
            if let (Some(source), Some(sink)) = (source.upgrade(), way_out)
                && sink.name().starts_with("recv_rtcp_sink")
            {
                source.set_caps(Some(&gst::Caps::new_empty_simple("application/x-rtcp")));
            }
        });
    }

    /// Returns the number of the outlet that has this bin.
    fn number(bin: &gst::Element) -> Option<u64> {
        bin.name().strip_prefix("outlet")?.parse().ok()
    }
}

glib::wrapper! {
    pub struct CameraFactory(ObjectSubclass<imp::CameraFactory>) @extends RTSPOnvifMediaFactory, RTSPMediaFactory;
}

impl CameraFactory {
    pub fn new(hub: Arc<Hub>) -> Self {
        let factory: Self = glib::Object::new();
        // It is set nowhere else.
        let _ = factory.imp().hub.set(hub);
        factory.set_media_gtype(RTSPOnvifMedia::static_type());
        factory.set_shared(true);
        factory.set_protocols(gst_rtsp::RTSPLowerTrans::UDP | gst_rtsp::RTSPLowerTrans::TCP);
        factory
    }
}
