//! Durations and sizes as people write them: `15s`, `10min`, `7d`, `200G`.

use std::time::Duration;

const DURATIONS: [(&str, u64); 12] = [
    ("s", 1),
    ("sec", 1),
    ("m", 60),
    ("min", 60),
    ("h", 3600),
    ("hour", 3600),
    ("hours", 3600),
    ("d", 86400),
    ("day", 86400),
    ("days", 86400),
    ("w", 604_800),
    ("weeks", 604_800),
];
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("K", 1000),
    ("KB", 1000),
    ("M", 1_000_000),
    ("MB", 1_000_000),
    ("G", 1_000_000_000),
    ("GB", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a duration of at least a second.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let unit = DURATIONS.iter().find(|(name, _)| *name == unit);
    let seconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit));
    match seconds {
        Some(seconds @ 1..=31_536_000_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("a duration is a number and one of s, min, h, d, w, as in 15s, 10min or 7d".into()),
    }
}

/// Reads a size in bytes. Units are decimal: a G is 1000 M.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let unit = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let bytes = number.parse::<u64>().ok().zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit));
    bytes.ok_or_else(|| "a size is a number and one of K, M, G, T, as in 500M or 200G".into())
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    (number, unit.trim_start())
}

/// Writes a size as people read it.
pub fn readable(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs()).ok();
        assert_eq!(seconds("15s"), Some(15));
        assert_eq!(seconds("10min"), Some(600));
        assert_eq!(seconds("2 h"), Some(7200));
        assert_eq!(seconds("7d"), Some(604_800));
        for wrong in ["", "15", "s", "-1s", "1.5h", "0s", "10 parsecs", "99999999999999999999d", "9999999999999d"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(size("200G"), Ok(200_000_000_000));
        assert_eq!(size("1gb"), Ok(1_000_000_000));
        assert_eq!(size("5 M"), Ok(5_000_000));
        assert_eq!(size("17"), Ok(17));
        for wrong in ["", "G", "1.5G", "-1G", "1GiB", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
