//! What of a text from outside is shown: neither characters that steer a terminal or end a text early, nor invisible
//! ones that turn its direction or hide in it.

/// Whether a character is shown as itself.
pub fn is_printable(c: char) -> bool {
    // Control characters, line and paragraph separators, and those of Unicode's category Cf (format).
    !c.is_control()
        && !matches!(c,
            '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}'
            | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_not_printable() {
        for c in ['\0', '\u{1b}', '\n', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}']
        {
            assert!(!is_printable(c), "{c:?}");
        }
        assert!("Vordertür 前門 🚪 HL_CAM4".chars().all(is_printable));
    }
}
