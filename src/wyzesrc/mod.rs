pub mod caps;
pub mod timeline;
