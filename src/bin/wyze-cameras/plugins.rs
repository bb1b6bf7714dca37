//! GStreamer with its plugins, for the commands that need them.

use super::Failure;

/// Makes GStreamer ready, with all plugins that are installed and this one. Call it before any thread is started.
pub fn init() -> Result<(), Failure> {
    // Other commands need none of GStreamer's plugins; this one needs those that were installed last, too.
    // SAFETY: No other thread runs yet that could read the environment.
    unsafe { std::env::remove_var("GST_REGISTRY_UPDATE") };
    gst::init().map_err(Failure::other)?;
    gstwyze::plugin_register_static().map_err(Failure::other)
}
