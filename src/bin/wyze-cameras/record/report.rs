//! What the recorder tells: JSON lines for programs on standard output, or, on a terminal, lines for people and one
//! that shows how it goes.

use super::super::output::tell;
use super::super::values::readable;
use super::{Total, template};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What a finished file holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub begin: Option<SystemTime>,
    pub duration: Duration,
    pub pictures: u64,
    pub sounds: u64,
    pub bytes: u64,
}

pub struct Report {
    is_terminal: bool,
    /// Whether the line that shows how it goes is there.
    shown: Mutex<bool>,
}

impl Report {
    pub fn new() -> Self {
        Report { is_terminal: io::stdout().is_terminal(), shown: Mutex::new(false) }
    }

    pub fn started(&self, camera: &str, file: &Path) {
        let text = format!("{camera}: records to {}", file.display());
        self.event("started", Some(camera), json!({ "file": file.to_string_lossy() }), &text, false);
    }

    pub fn finished(&self, camera: &str, file: &Path, contents: &Contents) {
        let begin = contents.begin.and_then(template::stamp);
        let fields = json!({
            "file": file.to_string_lossy(),
            "begin": begin,
            "seconds": (contents.duration.as_secs_f64() * 1000.0).round() / 1000.0,
            "bytes": contents.bytes,
            "pictures": contents.pictures,
            "has-sound": contents.sounds > 0,
        });
        let (seconds, size) = (contents.duration.as_secs(), readable(contents.bytes));
        let text = format!("{camera}: finished {} ({seconds} s, {size})", file.display());
        self.event("finished", Some(camera), fields, &text, false);
    }

    pub fn deleted(&self, file: &Path, bytes: u64) {
        let text = format!("deleted {} ({})", file.display(), readable(bytes));
        self.event("deleted", None, json!({ "file": file.to_string_lossy(), "bytes": bytes }), &text, false);
    }

    /// Tells that something of a camera has changed: its `connection`, its `picture` or its `sound`.
    pub fn state(&self, camera: &str, of: &'static str, state: &str, text: &str) {
        let line = match text {
            "" => format!("{camera}: {of}: {state}"),
            text => format!("{camera}: {of}: {state}: {text}"),
        };
        self.event(of, Some(camera), json!({ "state": state, "text": text }), &line, false);
    }

    /// Tells what went wrong, to standard error too.
    pub fn error(&self, camera: Option<&str>, text: impl Display) {
        let line = match camera {
            Some(camera) => format!("wyze-cameras: {camera}: {text}"),
            None => format!("wyze-cameras: {text}"),
        };
        self.event("error", camera, json!({ "text": text.to_string() }), &line, true);
    }

    pub fn ended(&self, total: &Total) {
        let fields = json!({ "files": total.files, "received": total.received, "pictures": total.pictures });
        self.event("ended", None, fields, &format!("recorded files: {}", total.files), false);
    }

    fn event(&self, event: &str, camera: Option<&str>, fields: Value, text: &str, is_error: bool) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *shown) {
            let _ = write!(io::stdout(), "\r\x1b[K");
        }
        if is_error {
            tell(text);
        }
        // A recording goes on where nobody reads any more what it tells.
        if self.is_terminal {
            let _ = if is_error { Ok(()) } else { writeln!(io::stdout(), "{text}") };
            return;
        }
        let mut line = Map::new();
        line.insert("event".into(), event.into());
        let now = template::stamp(SystemTime::now());
        line.insert("time".into(), now.into());
        if let Some(camera) = camera {
            line.insert("camera".into(), camera.into());
        }
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{}", Value::Object(line)).and_then(|()| stdout.flush());
    }

    /// Shows how it goes, on a terminal.
    pub fn show(&self, line: impl Display) {
        if self.is_terminal {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = true;
            let _ = write!(io::stdout(), "\r\x1b[K{line}");
            let _ = io::stdout().flush();
        }
    }

    /// Leaves the cursor at the begin of an empty line.
    pub fn clear(&self) {
        if std::mem::take(&mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner)) {
            let _ = write!(io::stdout(), "\r\x1b[K");
            let _ = io::stdout().flush();
        }
    }
}
