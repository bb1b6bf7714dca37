//! A device: describes a camera, and makes elements that are set to it.

use super::CAT;
use super::watch::Listed;
use crate::identity::DEFAULT_PORT;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::cmp::Reverse;
use std::sync::OnceLock;

/// What a device is to a pipeline: a source of picture and sound, or a sink for talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    Source,
    Sink,
}

impl DeviceKind {
    pub const ALL: [DeviceKind; 2] = [DeviceKind::Source, DeviceKind::Sink];

    fn class(self) -> &'static str {
        match self {
            DeviceKind::Source => "Source/Network/Video",
            DeviceKind::Sink => "Sink/Network/Audio",
        }
    }

    fn factory(self) -> &'static str {
        match self {
            DeviceKind::Source => "wyzesrc",
            DeviceKind::Sink => "wyzesink",
        }
    }

    /// Returns all that the element's pads can carry.
    fn caps(self) -> gst::Caps {
        let factory = gst::ElementFactory::find(self.factory());
        let mut templates: Vec<_> = factory.iter().flat_map(|factory| factory.static_pad_templates()).collect();
        // Video before audio.
        templates.sort_by_key(|template| Reverse(template.name_template()));
        let mut caps = gst::Caps::new_empty();
        templates.iter().for_each(|template| caps.merge(template.caps()));
        caps
    }
}

#[derive(Default)]
pub struct WyzeDevice {
    /// The device's role, and what names its camera in the store. Set once, when the device is made.
    role: OnceLock<(DeviceKind, String)>,
}

#[glib::object_subclass]
impl ObjectSubclass for WyzeDevice {
    const NAME: &'static str = "GstWyzeDevice";
    type Type = super::WyzeDevice;
    type ParentType = gst::Device;
}

impl ObjectImpl for WyzeDevice {}
impl GstObjectImpl for WyzeDevice {}

impl super::WyzeDevice {
    pub fn new(camera: &Listed, role: DeviceKind) -> Self {
        let mut properties = gst::Structure::builder("wyze-device")
            .field("device.api", "wyze")
            .field("device.id", &camera.id)
            .field("online", camera.online)
            .field("can-stream", camera.paths.obstacle().is_none())
            .build();
        let (obstacle, paths) = (camera.paths.obstacle().unwrap_or_default(), camera.paths.open().join(", "));
        let address = camera.address.as_deref().unwrap_or_default();
        let texts = [
            ("cannot-stream", obstacle),
            ("paths", &paths),
            ("model", &camera.model),
            ("firmware", &camera.firmware),
            ("address", address),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            properties.set(name, text);
        }
        let device: Self = glib::Object::builder()
            .property("display-name", &camera.name)
            .property("device-class", role.class())
            .property("caps", role.caps())
            .property("properties", properties)
            .build();
        let _ = device.imp().role.set((role, camera.selector.clone()));
        device
    }
}

impl DeviceImpl for WyzeDevice {
    fn create_element(&self, name: Option<&str>) -> Result<gst::Element, gst::LoggableError> {
        let (role, selector) = self.role.get().expect("set when it was made");
        let mut builder = gst::ElementFactory::make(role.factory()).property("camera", selector);
        if let Some(name) = name {
            builder = builder.name(name);
        }
        builder.build().map_err(|e| gst::loggable_error!(CAT, "{e}"))
    }

    fn reconfigure_element(&self, element: &gst::Element) -> Result<(), gst::LoggableError> {
        let (role, selector) = self.role.get().expect("set when it was made");
        if element.factory().is_none_or(|factory| factory.name() != role.factory()) {
            return Err(gst::loggable_error!(CAT, "{} is no {}", element.name(), role.factory()));
        }
        if element.current_state() > gst::State::Ready {
            return Err(gst::loggable_error!(
                CAT,
                "{} can only be set to another camera in NULL or READY",
                element.name()
            ));
        }
        // Properties of another camera would win over the store.
        for name in ["uid", "enr", "mac", "host", "model", "interface"] {
            element.set_property(name, None::<&str>);
        }
        element.set_property("port", u32::from(DEFAULT_PORT));
        element.set_property("camera", selector);
        Ok(())
    }
}
