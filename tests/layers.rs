//! Each layer knows only the one below. That the plugin works without a cloud client and a command line is the
//! compiler's to check: both are features, and CI lints the plugin without them.

use std::path::{Path, PathBuf};

/// The paths and texts of all Rust files below a folder, without tests, which may use what they like.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    found
}

/// Asserts that no code below a folder of `src` has any of these words.
fn assert_free_of(folder: &str, words: &[&str]) {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder));
    assert!(!sources.is_empty(), "{folder}");
    for (path, code) in sources {
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in words {
                assert!(!line.contains(word), "{} has {word}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_protocol_has_no_gstreamer_socket_thread_or_clock() {
    let outside = ["gst::", "glib", "UdpSocket", "std::thread", "Instant::now", "SystemTime", "crate::session"];
    assert_free_of("protocol", &outside);
}

#[test]
fn the_camera_store_knows_no_element_or_session() {
    assert_free_of("account", &["gst::prelude", "crate::identity", "crate::session", "crate::wyzes"]);
}

#[test]
fn the_session_has_no_gstreamer() {
    assert_free_of("session", &["gst::", "glib", "crate::element", "crate::caps", "crate::wyzes"]);
}

#[test]
fn the_elements_do_not_know_each_other() {
    assert_free_of("wyzesrc", &["crate::wyzesink"]);
    assert_free_of("wyzesink", &["crate::wyzesrc"]);
}

#[test]
fn what_the_elements_share_knows_neither() {
    for folder in ["protocol", "identity", "caps", "element"] {
        assert_free_of(folder, &["crate::wyzes"]);
    }
    for folder in ["protocol", "session", "identity", "caps"] {
        assert_free_of(folder, &["crate::element"]);
    }
    for folder in ["protocol", "session", "identity", "element"] {
        assert_free_of(folder, &["crate::caps"]);
    }
}

#[test]
fn files_beside_imp_do_not_import_it() {
    for folder in ["wyzesrc", "wyzesink"] {
        assert_free_of(folder, &["super::imp"]);
    }
}

#[test]
fn tcp_is_for_signalling_and_relays_only() {
    for (path, code) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        assert!(path.ends_with("session/stream.rs") || !code.contains("TcpStream"), "{}", path.display());
    }
}

/// `src/ticket.rs` hands in a function that asks it.
#[test]
fn elements_and_sessions_know_no_cloud() {
    assert_free_of("session", &["crate::account"]);
    for folder in ["protocol", "identity", "element", "wyzesrc", "wyzesink"] {
        assert_free_of(folder, &["cloud::", "account::Access", "Hosts"]);
    }
}
