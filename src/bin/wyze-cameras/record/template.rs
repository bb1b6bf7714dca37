//! Names of files, made of a template, the camera's name and the time at which the file begins.

use gst::glib::DateTime;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

pub const DEFAULT: &str = "{camera}/%Y-%m-%d/%H-%M-%S.mp4";
const CAMERA: &str = "{camera}";
/// Endings that give way to that of the format.
const ENDINGS: [&str; 4] = ["mp4", "mov", "mkv", "ts"];
/// Most file systems take 255 bytes, and something may be appended.
const LONGEST_NAME: usize = 200;

/// A template as `--name` takes it: a relative path with strftime's codes and `{camera}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let template = Template(text.to_owned());
        // A code that cannot be written now cannot be written later either.
        template.path("camera", SystemTime::UNIX_EPOCH, "mp4")?;
        Ok(template)
    }
}

impl Template {
    /// Returns the path of a file of this camera that begins at this time. It is relative, and leads upwards nowhere.
    pub fn path(&self, camera: &str, begin: SystemTime, ending: &str) -> Result<PathBuf, String> {
        // The camera's name comes in first, with its percent signs doubled, so that no code comes out of it.
        let text = self.0.replace(CAMERA, &safe(camera).replace('%', "%%"));
        let text = local(begin)
            .and_then(|time| time.format(&text).ok())
            .ok_or("the template has a code that strftime does not know, or a single %")?;
        let path = Path::new(text.as_str());
        let is_inside = path.components().all(|component| matches!(component, Component::Normal(_)));
        let has_name = path.file_name().is_some() && !text.ends_with('/');
        if !is_inside || !has_name || text.contains('\0') {
            return Err("the template has to be a path inside the folder: no / at its begin or end, and no ..".into());
        }
        Ok(with_ending(path, ending))
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if extension.is_some_and(|extension| ENDINGS.contains(&extension)) {
        return path.with_extension(ending);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A camera's name as a part of a path: without what file systems and shells take for something else.
pub fn safe(camera: &str) -> String {
    let mut name = String::new();
    for c in camera.trim().chars() {
        let c = if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
        if name.len() + c.len_utf8() > LONGEST_NAME {
            break;
        }
        name.push(c);
    }
    // Dots at the begin hide a file or lead upwards; a hyphen there looks like an option.
    let hidden = name.find(|c| c != '.' && c != '-').unwrap_or(name.len());
    let name = "_".repeat(hidden) + &name[hidden..];
    if name.is_empty() { "camera".into() } else { name }
}

fn micros(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Returns a time as this machine's clock on the wall shows it.
pub fn local(time: SystemTime) -> Option<DateTime> {
    let micros = micros(time);
    let whole = DateTime::from_unix_local(micros.div_euclid(1_000_000)).ok()?;
    whole.add(gst::glib::TimeSpan::from_microseconds(micros.rem_euclid(1_000_000))).ok()
}

/// Writes a time with its offset from UTC (ISO 8601).
pub fn stamp(time: SystemTime) -> Option<String> {
    Some(local(time)?.format("%Y-%m-%dT%H:%M:%S%:z").ok()?.to_string())
}

/// Counts the segments of this length, in seconds, since the year 1970 of the clock on the wall: two times with the
/// same number are in the same one.
pub fn segment(time: SystemTime, length: u64) -> i64 {
    let offset = local(time).map_or(0, |time| time.utc_offset().as_seconds());
    (micros(time) / 1_000_000 + offset).div_euclid(length.max(1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn path(template: &str, camera: &str) -> Result<String, String> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        template.parse::<Template>()?.path(camera, time, "mkv").map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_path_has_the_camera_and_the_time() {
        assert_eq!(path("{camera}/%s.mp4", "Front Door").unwrap(), "Front Door/1700000000.mkv");
        assert_eq!(path("%s", "x").unwrap(), "1700000000.mkv");
        assert_eq!(path("%s.v2", "x").unwrap(), "1700000000.v2.mkv");
    }

    #[test]
    fn a_camera_s_name_is_one_safe_part_of_the_path() {
        assert_eq!(path("{camera}/a", "../../etc").unwrap(), "___.._etc/a.mkv");
        assert_eq!(path("{camera}/a", "..").unwrap(), "__/a.mkv");
        assert_eq!(path("{camera}/a", "100%Y /x\n").unwrap(), "100%Y _x/a.mkv");
        assert_eq!(path("{camera}/a", "").unwrap(), "camera/a.mkv");
        assert_eq!(path("{camera}/a", "-rf").unwrap(), "_rf/a.mkv");
        assert!(path("{camera}/a", &"é".repeat(300)).unwrap().len() < 220);
    }

    #[test]
    fn no_template_leads_out_of_the_folder() {
        for wrong in ["", "/a", "../a", "a/../../b", "a/", "a/..", "%", "%!", "."] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn segments_change_at_full_multiples() {
        let at = |seconds| segment(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), 600);
        // Offsets from UTC are multiples of a quarter of an hour, hence of no 10 min, but of 5.
        let changes = (0..1200).filter(|&second| at(1_700_000_000 + second) != at(1_700_000_001 + second));
        assert_eq!(changes.count(), 2);
    }
}
