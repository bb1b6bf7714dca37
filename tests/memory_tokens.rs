//! The account's password and tokens are wiped from memory when they are done with. This is the only test in its file,
//! because it searches the memory of its whole process.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/store.rs"]
mod store;

use cloud::{API_KEY, EMAIL, KEY_ID, MockCloud, PASSWORD};
use gstwyze::account::cloud::{ApiKey, Hosts, Login};
use gstwyze::account::{Access, Secret, Store};
use memory::{copies, masked, unhex, unmask};
use serde_json::json;
use std::path::Path;
use store::{again, role};
use tempfile::TempDir;

const TEST: &str = "passwords_and_tokens_are_wiped_when_they_are_done_with";

/// Logs in and fetches the list, and counts copies of the secrets afterwards.
fn log_in(secrets: &str) {
    let secrets: Vec<Vec<u8>> = secrets.split(' ').map(unhex).collect();
    let folder = std::env::var("XDG_CONFIG_HOME").unwrap();
    let store = Store::at(Path::new(&folder).join("gst-plugin-wyze"));
    let secret = |number: usize| Secret::from(unmask(&secrets[number]));
    let api_key = Some(ApiKey { id: KEY_ID.into(), key: secret(1) });
    let login = Login { email: EMAIL.into(), password: secret(0), api_key, totp_secret: None };
    let access = Access::new(&store, Hosts::from_environment()).unwrap();
    access.login(&login, &mut |_| panic!("nobody should be asked")).unwrap();
    assert!(access.cameras().unwrap().cameras.is_empty());
    drop((access, login));
    let left: Vec<_> = secrets.iter().map(|secret| copies(secret)).collect();
    println!("password, API key, access token and refresh token: {left:?} copies afterwards");
    // The HTTP client's own buffers have been over the last login's key and answer.
    assert!(left[0] == 0 && left.iter().all(|&count| count <= 1), "{left:?}");
}

#[test]
fn passwords_and_tokens_are_wiped_when_they_are_done_with() {
    if let Some(secrets) = role() {
        return log_in(&secrets);
    }
    let mock = MockCloud::start();
    mock.state().devices = json!([]);
    let secrets = [PASSWORD, API_KEY, "access-token-1", "refresh-token-1"].map(|secret| masked(secret.as_bytes()));
    let folder = TempDir::new().unwrap();
    let mut command = again(&[], TEST, &secrets.join(" "));
    command.env("XDG_CONFIG_HOME", folder.path());
    command.env("WYZE_AUTH_URL", mock.auth_url()).env("WYZE_API_URL", mock.api_url());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}
