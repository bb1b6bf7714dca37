//! What the program writes. `println!` and its like would panic where that fails.

use super::Failure;
use gstwyze::printable::is_printable;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line to standard output.
pub fn print(line: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(Failure::Output)
}

/// Prints a line to standard error. Where that fails, there is nowhere left to say so.
pub fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A name that the store has not tidied yet, fit for a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect()
}
