//! The golden bytes of `tests/vectors/vectors.json`.

use serde_json::Value;

/// Parses the whole file of vectors.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap()
}

/// Returns the bytes that a vector gives as hexadecimal digits.
pub fn bytes(hex: &Value) -> Vec<u8> {
    let digits: Vec<u8> = text(hex).chars().map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8).collect();
    assert_eq!(digits.len() % 2, 0, "whole bytes");
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
