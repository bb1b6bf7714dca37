//! The last part of a camera's RTSP address: its name in characters that need no quoting in a URL or a shell.

use std::collections::HashSet;

/// Returns a slug for each name, in their order. Equal ones are numbered: `front-door`, `front-door-2`.
pub fn slugs<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |name| {
        let slug = slug(name);
        let mut free = slug.clone();
        let mut number = 1;
        while !taken.insert(free.clone()) {
            number += 1;
            free = format!("{slug}-{number}");
        }
        free
    };
    names.into_iter().map(unique).collect()
}

/// Returns a name in small letters and digits of ASCII, with one hyphen for whatever stands between them.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            'ä' | 'æ' => slug.push_str("ae"),
            'ö' | 'œ' => slug.push_str("oe"),
            'ü' => slug.push_str("ue"),
            'ß' => slug.push_str("ss"),
            'à'..='å' => slug.push('a'),
            'ç' => slug.push('c'),
            'è'..='ë' => slug.push('e'),
            'ì'..='ï' => slug.push('i'),
            'ñ' => slug.push('n'),
            'ò'..='õ' | 'ø' => slug.push('o'),
            'ù'..='û' => slug.push('u'),
            // "Joe's" is "joes".
            '\'' | '’' => {}
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "camera".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_an_address() {
        for (name, expected) in [
            ("Front Door", "front-door"),
            ("  Joe's  Garage (2) ", "joes-garage-2"),
            ("Küche/Flur", "kueche-flur"),
            ("Entrée", "entree"),
            ("../../etc", "etc"),
            ("玄関", "camera"),
            ("", "camera"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    #[test]
    fn equal_slugs_are_numbered_and_never_meet() {
        let names = ["Front Door", "front-door", "Front Door 2", "FRONT DOOR", "玄関", "?"];
        let expected = ["front-door", "front-door-2", "front-door-2-2", "front-door-3", "camera", "camera-2"];
        assert_eq!(slugs(names), expected);
    }
}
