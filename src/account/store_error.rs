//! What can go wrong with the store's files.

use std::io;
use std::path::{Path, PathBuf};

/// The name of the store's folder, and of this program in GLib's log.
pub const FOLDER: &str = "gst-plugin-wyze";
/// The format version of both files. A change that older programs would misread or drop raises it.
pub const VERSION: u64 = 1;

/// An error of the store. Its text repeats nothing of the files, which have secrets in them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path} cannot be {verb} ({source})", path = path.display())]
    Io { path: PathBuf, verb: &'static str, source: io::Error },
    #[error(
        "it is not known where the cameras are kept: HOME is empty or a relative path, or XDG_CONFIG_HOME is relative"
    )]
    NoHome,
    #[error("{path} {problem}; it is left as it is", path = path.display())]
    Refused { path: PathBuf, problem: &'static str },
    #[error("{path} is locked by another program, which does not let go of it", path = path.display())]
    Locked { path: PathBuf },
    #[error(
        "{path} is damaged or another program's (line {line}): it is left as it is; correct it, or move it away and \
         run wyze-cameras login",
        path = path.display()
    )]
    Foreign { path: PathBuf, line: usize },
    #[error(
        "{path} is of version {version}, and this program knows version {VERSION}: it is left as it is; update \
         gst-plugin-wyze",
        path = path.display()
    )]
    Newer { path: PathBuf, version: u64 },
}

impl StoreError {
    pub(super) fn io(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| StoreError::Io { path: path.to_owned(), verb, source }
    }
}
