pub mod credentials;
pub mod dtls;
pub mod wire;
