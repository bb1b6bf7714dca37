//! What `wyzesrc` and `wyzesink` share, neither of which knows the other: how an element joins the session of its camera.

pub mod messages;
mod stored;
