//! Keeps cameras and tokens: in one JSON file each, which only the owner can read.

use super::camera::{Camera, Cameras, Secret};
use super::owned_file;
use super::store_error::{FOLDER, StoreError, VERSION};
use gst::glib;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const CAMERAS: &str = "cameras.json";
const TOKENS: &str = "tokens.json";
const LOCK: &str = ".lock";
/// How long other writers are waited for; each takes some milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// The store: a folder with the files. Keeps nothing open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// The part that is read first, so that a newer file is not taken for a damaged one.
#[derive(Deserialize)]
struct Header {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CamerasFile {
    version: u64,
    cameras: Cameras,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile<T> {
    version: u64,
    tokens: T,
}

impl Store {
    /// Returns the user's store: `gst-plugin-wyze` in `$XDG_CONFIG_HOME` or `~/.config`. It need not exist yet. Where
    /// those are no absolute paths, each use of the store is an error.
    pub fn open_default() -> Store {
        Store::at(glib::user_config_dir().join(FOLDER))
    }

    /// Returns the store in a folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into() }
    }

    /// Returns the folder of the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads all cameras; none where there is no file.
    pub fn cameras(&self) -> Result<Cameras, StoreError> {
        let mut cameras = self.read::<CamerasFile>(CAMERAS)?.map(|file| file.cameras).unwrap_or_default();
        cameras.iter_mut().for_each(Camera::tidy);
        Ok(cameras)
    }

    /// Reads the cameras, lets `change` change them, and writes them. All other writers wait, so `change` must not
    /// write to the store itself. Where it fails or changes nothing, nothing is written.
    pub fn update<R, E: From<StoreError>>(&self, change: impl FnOnce(&mut Cameras) -> Result<R, E>) -> Result<R, E> {
        let _locked = self.lock()?;
        let before = self.cameras()?;
        let mut cameras = before.clone();
        let result = change(&mut cameras)?;
        if cameras != before {
            self.write(CAMERAS, &CamerasFile { version: VERSION, cameras })?;
        }
        Ok(result)
    }

    /// Writes down the address at which the camera with this UID was found. A camera that is not in the store stays out
    /// of it.
    pub fn keep_address(&self, uid: &Secret, ip: Ipv4Addr) -> Result<(), StoreError> {
        self.update(|cameras| {
            let camera = cameras.iter_mut().find(|camera| !uid.is_empty() && camera.uid == *uid);
            camera.into_iter().for_each(|camera| camera.host = Some(ip.to_string()));
            Ok(())
        })
    }

    /// Reads the account's tokens; `None` where there are none.
    pub fn tokens<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        Ok(self.read::<TokensFile<T>>(TOKENS)?.map(|file| file.tokens))
    }

    /// Reads the tokens, lets `change` change them, and writes them, as [`Store::update`] does. `None` removes the
    /// file.
    pub fn update_tokens<T, R, E>(&self, change: impl FnOnce(&mut Option<T>) -> Result<R, E>) -> Result<R, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<StoreError>,
    {
        let _locked = self.lock()?;
        let mut tokens = self.tokens()?;
        let result = change(&mut tokens)?;
        match tokens {
            Some(tokens) => self.write(TOKENS, &TokensFile { version: VERSION, tokens })?,
            None => {
                let path = self.folder.join(TOKENS);
                owned_file::check_own(&path)?;
                remove(&path)?;
            }
        }
        Ok(result)
    }

    /// Waits for the lock that keeps out writers of other threads and processes. Dropping the result releases it.
    fn lock(&self) -> Result<File, StoreError> {
        self.check_folder()?;
        let (folder, path) = (&self.folder, self.folder.join(LOCK));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(StoreError::io(folder, "created"))?;
        let file = owned_file::lock(&path)?;
        let until = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, "locked")(e)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return Err(StoreError::Locked { path }),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_INTERVAL),
            }
        }
    }

    fn check_folder(&self) -> Result<(), StoreError> {
        if !self.folder.is_absolute() {
            return Err(StoreError::NoHome);
        }
        owned_file::check_folder(&self.folder)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.check_folder()?;
        let path = self.folder.join(name);
        let Some(mut file) = owned_file::read(&path)? else { return Ok(None) };
        // It has secrets in it. What outgrows its place in memory would leave a copy behind.
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 1));
        file.read_to_end(&mut text).map_err(StoreError::io(&path, "read"))?;
        let foreign = |e: serde_json::Error| StoreError::Foreign { path: path.clone(), line: e.line() };
        let Header { version } = serde_json::from_slice(&text).map_err(foreign)?;
        if version > VERSION {
            return Err(StoreError::Newer { path, version });
        }
        serde_json::from_slice(&text).map(Some).map_err(foreign)
    }

    /// Replaces a file as a whole: a reader gets the old one or the new one, even where the machine stops midway. The
    /// caller has the lock.
    fn write<T: Serialize>(&self, name: &str, content: &T) -> Result<(), StoreError> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        owned_file::check_own(&path)?;
        // A file that a stopped writer left behind may have other permissions.
        remove(&new)?;
        let failed = StoreError::io(&new, "written");
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            serde_json::to_writer_pretty(&mut file, content)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(failed)
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path, "removed")(e)),
        _ => Ok(()),
    }
}
