pub mod credentials;
pub mod wire;
