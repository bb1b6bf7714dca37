pub mod protocol;
pub mod wyzesrc;
