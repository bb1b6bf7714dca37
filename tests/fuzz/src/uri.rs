//! Target `uri`: how both elements take any URI.

use gst::prelude::*;
use std::sync::Once;

/// Tries the input as it is, and with the scheme `wyze://` before it.
pub fn uri(bytes: &[u8]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstwyze::plugin_register_static().unwrap();
    });
    // GLib's strings end at a zero byte.
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    for factory in ["wyzesrc", "wyzesink"] {
        check(factory, &text);
        check(factory, &format!("wyze://{text}"));
    }
}

fn check(factory: &str, text: &str) {
    let handler = || gst::ElementFactory::make(factory).build().unwrap().dynamic_cast::<gst::URIHandler>().unwrap();
    let element = handler();
    match element.set_uri(text) {
        Ok(()) => {
            let Some(written) = element.uri() else { return };
            let again = handler();
            again.set_uri(&written).unwrap_or_else(|e| panic!("{written:?}: {e}"));
            assert_eq!(again.uri(), Some(written));
        }
        // Without the scheme the URI does not reach the element, and the error's text is GStreamer's.
        Err(error) if text.starts_with("wyze://") => {
            let enr = text.split_once("enr=").map(|(_, rest)| rest.split(['&', '#']).next().unwrap_or_default());
            if let Some(enr) = enr.filter(|enr| enr.len() >= 16 && enr.chars().all(|c| c.is_ascii_alphanumeric())) {
                assert!(!error.message().contains(enr), "an error repeats a secret");
            }
        }
        Err(_) => {}
    }
}
