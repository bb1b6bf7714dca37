//! The server's state as JSON, for programs: in a file that is kept up to date, and on SIGUSR1.

use super::hub::Hub;
use super::output::{print, tell};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Status {
    /// Where the server listens.
    address: SocketAddr,
    pub hubs: Vec<Arc<Hub>>,
    file: Option<PathBuf>,
    /// What the file has.
    written: Mutex<String>,
}

impl Status {
    pub fn new(address: SocketAddr, hubs: &[Arc<Hub>], file: Option<PathBuf>) -> Self {
        Status { address, hubs: hubs.to_vec(), file, written: Mutex::default() }
    }

    fn text(&self) -> String {
        let cameras: Vec<_> = self.hubs.iter().map(|hub| hub.status()).collect();
        json!({ "listen": self.address.to_string(), "cameras": cameras }).to_string()
    }

    /// Prints the state as one line.
    pub fn print(&self) {
        // Without a reader, there is nobody to be told.
        let _ = print(self.text());
    }

    /// Writes the file, if something has changed.
    pub fn write(&self) {
        let Some(file) = &self.file else { return };
        let text = self.text();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written == text {
            return;
        }
        if let Err(error) = replace(file, &text) {
            tell(format_args!("wyze-cameras: cannot write {}: {error}", file.display()));
        }
        // What cannot be written is told once.
        *written = text;
    }

    /// Removes the file: the server ends.
    pub fn remove(&self) {
        if let Some(file) = &self.file {
            // Somebody else may have removed it.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Writes a file so that whoever reads it sees the old text or the new one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, format!("{text}\n"))?;
    std::fs::rename(&name, file)
}
