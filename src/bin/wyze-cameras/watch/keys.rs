//! What keys mean, in a window and in a terminal.

/// A key that does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// An arrow, by its name in navigation events.
    Turn(&'static str),
    NightVision,
    Picture,
    Talk,
    Quit,
}

/// What comes from the user, and what was asked for.
#[derive(Debug)]
pub enum Input {
    Key(Key),
    /// The key that talks is held down.
    TalkBegins,
    TalkEnds,
    /// The decoded picture that the user wants.
    Picture(gst::Sample),
}

impl Key {
    fn of_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "n" => Key::NightVision,
            "s" => Key::Picture,
            "t" => Key::Talk,
            "q" => Key::Quit,
            _ => return None,
        })
    }
}

/// Reads a key that was pressed or released in a window, by its name in X11. Arrows are left to wyzesrc.
pub fn in_window(name: &str, is_pressed: bool) -> Option<Input> {
    let key = match name {
        "Escape" => Key::Quit,
        name => Key::of_letter(&name.to_lowercase())?,
    };
    match (key, is_pressed) {
        (Key::Talk, true) => Some(Input::TalkBegins),
        (Key::Talk, false) => Some(Input::TalkEnds),
        (key, true) => Some(Input::Key(key)),
        (_, false) => None,
    }
}

/// Reads what a terminal sends: letters, and arrows as escape sequences.
pub fn in_terminal(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match rest {
            [b'[' | b'O', arrow, others @ ..] if *first == 0x1b => {
                rest = others;
                keys.extend(match arrow {
                    b'A' => Some(Key::Turn("Up")),
                    b'B' => Some(Key::Turn("Down")),
                    b'C' => Some(Key::Turn("Right")),
                    b'D' => Some(Key::Turn("Left")),
                    _ => None,
                });
            }
            // Escape alone is not taken: a sequence may come in two pieces.
            _ => keys.extend(Key::of_letter(&char::from(*first).to_lowercase().to_string())),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_arrows_of_a_terminal_are_keys() {
        let keys = in_terminal(b"n\x1b[A\x1bOBxS\x1b[C\x1b[D\x1b[5~tq");
        let arrows = ["Up", "Down", "Right", "Left"].map(Key::Turn);
        let [up, down, right, left] = arrows;
        assert_eq!(keys, [Key::NightVision, up, down, Key::Picture, right, left, Key::Talk, Key::Quit]);
        assert!(in_terminal(b"\x1b").is_empty() && in_terminal(b"\x1b[").is_empty());
    }

    #[test]
    fn who_holds_a_key_in_a_window_talks() {
        assert!(matches!(in_window("t", true), Some(Input::TalkBegins)));
        assert!(matches!(in_window("T", false), Some(Input::TalkEnds)));
        assert!(matches!(in_window("Escape", true), Some(Input::Key(Key::Quit))));
        assert!(["s", "Left", "Shift_L"].into_iter().all(|name| in_window(name, false).is_none()));
        assert!(in_window("Left", true).is_none(), "wyzesrc turns the camera by itself");
    }
}
