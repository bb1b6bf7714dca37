//! The home of a user who has installed nothing.

use tempfile::TempDir;

/// A user whose only plugin besides the system's is this build's.
pub fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().join("libgstwyze.so");
    std::os::unix::fs::symlink(built, home.path().join("libgstwyze.so")).unwrap();
    home
}
