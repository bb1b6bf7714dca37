//! What the properties of both elements have in common.

use crate::identity::{self, UriError};
use gst::glib;
use gst::prelude::*;

/// Logs a property's new value, unless it is a secret.
pub fn log_property(element: &impl IsA<gst::Element>, category: gst::DebugCategory, name: &str, value: &glib::Value) {
    match identity::is_secret(name, value) {
        true => gst::info!(category, obj = element, "{name} set"),
        false => gst::info!(category, obj = element, "{name} set to {value:?}"),
    }
}

/// Takes a value of the `uri` property. One that is malformed is logged and changes nothing.
pub fn set_uri_property(
    element: &(impl IsA<gst::Element> + IsA<gst::URIHandler>),
    category: gst::DebugCategory,
    value: &glib::Value,
) {
    if let Ok(Some(uri)) = value.get::<Option<String>>()
        && let Err(e) = element.set_uri(&uri)
    {
        gst::error!(category, obj = element, "uri not taken: {e}");
    }
}

/// Takes a URI by `apply`, which returns the keys that it does not know; these are warned of.
pub fn set_uri(
    element: &impl IsA<gst::Element>,
    category: gst::DebugCategory,
    is_running: bool,
    apply: impl FnOnce() -> Result<Vec<String>, UriError>,
) -> Result<(), glib::Error> {
    if is_running {
        return Err(glib::Error::new(gst::URIError::BadState, "The URI can only be changed in NULL or READY"));
    }
    let unknown = apply().map_err(|e| {
        let kind = match e {
            UriError::Scheme => gst::URIError::UnsupportedProtocol,
            _ => gst::URIError::BadUri,
        };
        glib::Error::new(kind, &e.to_string())
    })?;
    for key in unknown {
        gst::warning!(category, obj = element, "Ignoring the unknown URI key {key:?}");
    }
    Ok(())
}
