//! Opens the store's files and folder: only what is the user's own and nobody else's to read. What is not is put right
//! and told of, or refused, and never waited for.

use super::store_error::{FOLDER, StoreError};
use gst::glib;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permissions that are nobody's but the owner's.
const OTHERS: u32 = 0o077;
/// Opens neither what a symbolic link points to, nor waits for the other end of a pipe.
const CAREFULLY: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
const LINK: &str = "is a symbolic link: put the file itself there";
const SPECIAL: &str = "is no regular file: move it away";
const FOREIGN: &str = "belongs to another user: run this as that user, or move it away";
const OPEN: &str = "can be read or changed by others, and cannot be put right from here: run chmod go= on it";

/// Opens a file to be read; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<File>, StoreError> {
    if look(path)?.is_none() {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).custom_flags(CAREFULLY).open(path);
    let file = file.map_err(StoreError::io(path, "read"))?;
    let metadata = file.metadata().map_err(StoreError::io(path, "read"))?;
    protect(path, &metadata, |mode| file.set_permissions(mode))?;
    Ok(Some(file))
}

/// Opens a file that is there only to be locked; makes it where there is none.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    check_own(path)?;
    let file = OpenOptions::new().write(true).create(true).mode(0o600).custom_flags(CAREFULLY).open(path);
    let file = file.map_err(StoreError::io(path, "opened"))?;
    let metadata = file.metadata().map_err(StoreError::io(path, "opened"))?;
    protect(path, &metadata, |mode| file.set_permissions(mode))?;
    Ok(file)
}

/// Fails where a file is there that is not to be replaced: no regular one, or another user's.
pub fn check_own(path: &Path) -> Result<(), StoreError> {
    match look(path)? {
        Some(metadata) if !is_own(&metadata) => Err(refused(path, FOREIGN)),
        _ => Ok(()),
    }
}

/// Sees to the folder of the files, where it is there.
pub fn check_folder(folder: &Path) -> Result<(), StoreError> {
    let (Ok(metadata), Ok(itself)) = (fs::metadata(folder), fs::symlink_metadata(folder)) else { return Ok(()) };
    protect(folder, &metadata, |mode| match itself.is_symlink() {
        // What it points to has other uses, too.
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => fs::set_permissions(folder, mode),
    })
}

/// Looks at a file without opening it, which may do something by itself; `None` where there is none. Fails where it is
/// neither a regular file nor a folder, which says by itself what is wrong.
fn look(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(refused(path, LINK)),
        Ok(metadata) if !(metadata.is_file() || metadata.is_dir()) => Err(refused(path, SPECIAL)),
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io(path, "read")(e)),
    }
}

/// Takes a file or folder from others by `set`, where they could use it.
fn protect(
    path: &Path,
    metadata: &Metadata,
    set: impl FnOnce(Permissions) -> io::Result<()>,
) -> Result<(), StoreError> {
    let mode = metadata.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if !is_own(metadata) || set(Permissions::from_mode(mode & 0o700)).is_err() {
        return Err(refused(path, OPEN));
    }
    let what = if mode & 0o022 == 0 { "read" } else { "change" };
    glib::g_message!(FOLDER, "{} is yours alone from now on; others could {what} it", path.display());
    Ok(())
}

fn is_own(metadata: &Metadata) -> bool {
    // SAFETY: The call has no preconditions.
    metadata.uid() == unsafe { libc::geteuid() }
}

fn refused(path: &Path, problem: &'static str) -> StoreError {
    StoreError::Refused { path: path.to_owned(), problem }
}
