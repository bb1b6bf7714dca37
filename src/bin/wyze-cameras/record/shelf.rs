//! The folder of the recordings: which files in it are the recorder's own, which of them may go, and whether there is
//! room for more.
//!
//! An index in the folder lists each file from the moment it is created, so that nothing but what is listed is ever
//! deleted. Each open file is locked (flock), which ends with its process: so processes that share a folder leave each
//! other's open files alone, also after one was killed.

use super::report::Report;
use super::template::Template;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const INDEX: &str = ".wyze-record.index";
const LOCK: &str = ".wyze-record.lock";
/// Names that are tried for a file of the same second.
const ATTEMPTS: u32 = 1000;

/// How much of the recordings is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub age: Option<Duration>,
    pub size: Option<u64>,
    pub min_free: u64,
}

pub struct Shelf {
    folder: PathBuf,
    template: Template,
    limits: Limits,
    is_full: AtomicBool,
    /// Keeps this process's own threads apart; the lock file keeps other processes apart.
    turn: Mutex<()>,
}

/// A line of the index.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    file: PathBuf,
    /// Tells the recorder's file from another that has taken its name.
    inode: u64,
}

/// An entry whose file is there and not open.
struct Finished {
    entry: Entry,
    bytes: u64,
    changed: SystemTime,
}

impl Shelf {
    pub fn new(folder: PathBuf, template: Template, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let shelf = Shelf { folder, template, limits, is_full: AtomicBool::new(false), turn: Mutex::new(()) };
        shelf.locked(|| Ok(()))?;
        Ok(shelf)
    }

    /// Whether the disk has less room than is to stay free, as of the last [`Shelf::tidy`].
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Creates a file that was not there before, and lists it. It counts as open as long as the returned file lives.
    pub fn create(&self, camera: &str, begin: SystemTime, ending: &str) -> Result<(PathBuf, File), String> {
        let wanted = self.template.path(camera, begin, ending)?;
        self.locked(|| {
            let (path, file) = self.create_like(&wanted)?;
            file.try_lock().map_err(io::Error::from)?;
            let entry = Entry { file: path.clone(), inode: file.metadata()?.ino() };
            let mut index = OpenOptions::new().create(true).append(true).open(self.folder.join(INDEX))?;
            index.write_all(line(&entry).as_bytes())?;
            Ok((self.folder.join(path), file))
        })
        .map_err(|e| format!("{} cannot be created: {e}", self.folder.join(&wanted).display()))
    }

    /// Creates the file, or one with a number where the name is taken. Returns its path inside the folder.
    fn create_like(&self, wanted: &Path) -> io::Result<(PathBuf, File)> {
        for number in 0..ATTEMPTS {
            let mut path = wanted.to_owned();
            if number > 0 {
                let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
                let ending = wanted.extension().unwrap_or_default().to_string_lossy();
                path.set_file_name(format!("{stem}_{number}.{ending}"));
            }
            let whole = self.folder.join(&path);
            fs::create_dir_all(whole.parent().unwrap_or(&self.folder))?;
            match OpenOptions::new().read(true).write(true).create_new(true).open(&whole) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Deletes a file that holds nothing.
    pub fn discard(&self, path: &Path) {
        let _ = fs::remove_file(path);
        self.remove_empty_folders(path);
    }

    /// Deletes what is too old or too much, oldest first, and looks whether there is room. Tells what it deletes.
    pub fn tidy(&self, report: &Report) -> io::Result<()> {
        let result = self.locked(|| {
            if self.limits.age.is_some() || self.limits.size.is_some() {
                self.delete_surplus(report)?;
            }
            Ok(())
        });
        self.is_full.store(self.free()? < self.limits.min_free, Ordering::Relaxed);
        result
    }

    fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.folder)?;
        Ok(disk.blocks_available() as u64 * disk.fragment_size() as u64)
    }

    fn delete_surplus(&self, report: &Report) -> io::Result<()> {
        let (mut finished, open) = self.listed()?;
        finished.sort_by_key(|file| file.changed);
        let mut whole: u64 = finished.iter().map(|file| file.bytes).sum();
        let (mut kept, mut is_changed) = (open, false);
        for file in finished {
            let age = file.changed.elapsed().unwrap_or_default();
            let is_surplus = self.limits.age.is_some_and(|most| age > most)
                || self.limits.size.is_some_and(|most| whole > most)
                || self.free()? < self.limits.min_free;
            let path = self.folder.join(&file.entry.file);
            if is_surplus && fs::remove_file(&path).is_ok() {
                whole -= file.bytes;
                is_changed = true;
                report.deleted(&path, file.bytes);
                self.remove_empty_folders(&path);
            } else {
                kept.push(file.entry);
            }
        }
        if is_changed { self.write_index(&kept) } else { Ok(()) }
    }

    /// Reads the index: the files that are finished, and the open ones. Files that somebody has moved away or replaced
    /// are in neither.
    fn listed(&self) -> io::Result<(Vec<Finished>, Vec<Entry>)> {
        let text = match fs::read_to_string(self.folder.join(INDEX)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            text => text?,
        };
        let (mut finished, mut open) = (Vec::new(), Vec::new());
        // The last line may have come in part, when a process was killed.
        for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
            let path = self.folder.join(&entry.file);
            let Ok(data) = fs::symlink_metadata(&path) else { continue };
            if !data.is_file() || data.ino() != entry.inode {
                continue;
            }
            match File::open(&path).map(|file| file.try_lock()) {
                Ok(Ok(())) => {
                    let changed = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    finished.push(Finished { entry, bytes: data.len(), changed });
                }
                _ => open.push(entry),
            }
        }
        Ok((finished, open))
    }

    fn write_index(&self, entries: &[Entry]) -> io::Result<()> {
        let new = self.folder.join(format!("{INDEX}.new"));
        let mut file = File::create(&new)?;
        file.write_all(entries.iter().map(line).collect::<String>().as_bytes())?;
        file.sync_all()?;
        fs::rename(new, self.folder.join(INDEX))
    }

    fn remove_empty_folders(&self, path: &Path) {
        let parents = path.ancestors().skip(1).take_while(|folder| *folder != self.folder);
        for folder in parents {
            // This fails where there is something in it.
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    fn locked<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let _turn = self.turn.lock();
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(LOCK))?;
        lock.lock()?;
        act()
    }
}

fn line(entry: &Entry) -> String {
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn shelf(folder: &TempDir, limits: Limits) -> Shelf {
        Shelf::new(folder.path().to_owned(), "{camera}/%s.mp4".parse().unwrap(), limits).unwrap()
    }

    fn create(shelf: &Shelf) -> (PathBuf, File) {
        let (path, mut file) = shelf.create("Garden", SystemTime::UNIX_EPOCH, "mp4").unwrap();
        file.write_all(b"film").unwrap();
        (path, file)
    }

    const NOTHING: Limits = Limits { age: None, size: Some(0), min_free: 0 };

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let folder = TempDir::new().unwrap();
        let shelf = shelf(&folder, NOTHING);
        let names =
            [create(&shelf), create(&shelf)].map(|(path, _)| path.strip_prefix(folder.path()).unwrap().to_owned());
        assert_eq!(names, ["Garden/0.mp4", "Garden/0_1.mp4"].map(PathBuf::from));
    }

    #[test]
    fn open_files_and_those_of_others_stay() {
        let folder = TempDir::new().unwrap();
        let shelf = shelf(&folder, NOTHING);
        let (open, file) = create(&shelf);
        let (finished, _) = create(&shelf);
        let (replaced, held) = create(&shelf);
        drop(held);
        // Both files are there for a moment, so the new one has another inode.
        let new = folder.path().join("new");
        fs::write(&new, "another's").unwrap();
        fs::rename(&new, &replaced).unwrap();
        // Another process has the same folder.
        let other = self::shelf(&folder, NOTHING);
        other.tidy(&Report::new()).unwrap();
        assert!(open.exists() && replaced.exists() && !finished.exists());
        drop(file);
        other.tidy(&Report::new()).unwrap();
        assert!(!open.exists() && replaced.exists());
    }

    #[test]
    fn old_files_go_and_their_folders_too() {
        let folder = TempDir::new().unwrap();
        let shelf = shelf(&folder, Limits { age: Some(Duration::from_secs(3600)), size: None, min_free: 0 });
        let (young, _) = create(&shelf);
        let (old, file) = shelf.create("Door", SystemTime::UNIX_EPOCH, "mp4").unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3700)).unwrap();
        drop(file);
        shelf.tidy(&Report::new()).unwrap();
        assert!(young.exists() && !old.parent().unwrap().exists() && folder.path().exists());
    }

    #[test]
    fn a_disk_without_room_is_full() {
        let folder = TempDir::new().unwrap();
        let shelf = shelf(&folder, Limits { age: None, size: None, min_free: u64::MAX });
        let (kept, _) = create(&shelf);
        shelf.tidy(&Report::new()).unwrap();
        assert!(shelf.is_full() && kept.exists());
    }
}
