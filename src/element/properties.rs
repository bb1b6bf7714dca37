//! What the properties of both elements have in common.

use crate::identity::{self, UriError};
use gst::glib;
use gst::glib::translate::ToGlibPtr;
use gst::prelude::*;
use std::ffi::CStr;

/// Logs a property's new value, unless it is a secret.
pub fn log_property(element: &impl IsA<gst::Element>, category: gst::DebugCategory, name: &str, value: &glib::Value) {
    match identity::is_secret(name, value) {
        true => gst::info!(category, obj = element, "{name} set"),
        false => gst::info!(category, obj = element, "{name} set to {value:?}"),
    }
}

/// Whether the value of a property can be taken: a text has to be UTF-8, which GObject does not check. One that is not
/// is told of as GLib tells of misuse.
pub fn is_valid(name: &str, value: &glib::Value) -> bool {
    if value.type_() != glib::Type::STRING {
        return true;
    }
    // SAFETY: The value holds a string, or NULL. It is not used past the value's life.
    let is_text = unsafe {
        let text = glib::gobject_ffi::g_value_get_string(value.to_glib_none().0);
        text.is_null() || CStr::from_ptr(text).to_str().is_ok()
    };
    if !is_text {
        glib::g_critical!("wyze", "The value of {} is no UTF-8, and is not taken", name);
    }
    is_text
}

/// Takes a value of the `uri` property by `apply`, which returns the keys that it does not know. A URI that is
/// malformed is logged.
pub fn set_uri_property(
    element: &impl IsA<gst::Element>,
    category: gst::DebugCategory,
    value: &glib::Value,
    apply: impl FnOnce(Option<&str>) -> Result<Vec<String>, UriError>,
) {
    let uri = value.get::<Option<String>>().ok().flatten().filter(|uri| !uri.is_empty());
    if let Err(e) = take_uri(element, category, || apply(uri.as_deref())) {
        gst::error!(category, obj = element, "uri not taken: {e}");
    }
}

/// Takes a URI of the interface GstURIHandler by `apply`, which returns the keys that it does not know.
pub fn set_uri(
    element: &impl IsA<gst::Element>,
    category: gst::DebugCategory,
    is_running: bool,
    apply: impl FnOnce() -> Result<Vec<String>, UriError>,
) -> Result<(), glib::Error> {
    if is_running {
        return Err(glib::Error::new(gst::URIError::BadState, "The URI can only be changed in NULL or READY"));
    }
    take_uri(element, category, apply).map_err(|e| {
        let kind = match e {
            UriError::Scheme => gst::URIError::UnsupportedProtocol,
            _ => gst::URIError::BadUri,
        };
        glib::Error::new(kind, &e.to_string())
    })?;
    element.as_ref().notify("uri");
    Ok(())
}

/// Takes a URI, warns of keys that are not known, and notifies of the properties that have changed.
fn take_uri(
    element: &impl IsA<gst::Element>,
    category: gst::DebugCategory,
    apply: impl FnOnce() -> Result<Vec<String>, UriError>,
) -> Result<(), UriError> {
    let element = element.as_ref();
    let is_set_by_uri = |property: &glib::ParamSpec| {
        let is_own = property.owner_type().name().starts_with("GstWyze");
        is_own && property.flags().contains(glib::ParamFlags::WRITABLE) && property.name() != "uri"
    };
    let properties: Vec<_> = element.list_properties().iter().filter(|p| is_set_by_uri(p)).cloned().collect();
    let values = || properties.iter().map(|p| format!("{:?}", element.property_value(p.name()))).collect::<Vec<_>>();
    let before = values();
    for key in apply()? {
        gst::warning!(category, obj = element, "Ignoring the unknown URI key {key:?}");
    }
    for ((property, before), after) in properties.iter().zip(before).zip(values()) {
        if before != after {
            element.notify_by_pspec(property);
        }
    }
    Ok(())
}
