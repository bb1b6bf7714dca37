//! A user of `wyze-cameras`: an empty home, an account in a cloud on 127.0.0.1, and an environment without this
//! machine's settings.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::cloud::{API_KEY, EMAIL, KEY_ID, MockCloud, PASSWORD, TOTP_SECRET, device};
use gstwyze::account::Store;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

/// Far beyond what any command takes, in seconds.
const DEADLINE: &str = "60";
/// The account, as the program takes it from the environment.
pub const ACCOUNT: [(&str, &str); 4] =
    [("WYZE_EMAIL", EMAIL), ("WYZE_PASSWORD", PASSWORD), ("WYZE_KEY_ID", KEY_ID), ("WYZE_API_KEY", API_KEY)];

/// A user with an empty home, and a cloud where its account is.
pub struct User {
    pub home: TempDir,
    pub cloud: MockCloud,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Asserts that the command failed with this exit code, and that its errors have all these words.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }
}

impl User {
    pub fn new() -> Self {
        Self::with(MockCloud::start())
    }

    pub fn with(cloud: MockCloud) -> Self {
        let front = device("Front Door", "WYZE_CAKP2JFUS", DEMO_MAC, DEMO_UID, DEMO_ENR, "127.0.0.1");
        let gwell = json!({
            "mac": "GW_GC1_7C78B2", "nickname": "Porch", "product_model": "GW_GC1", "product_type": "Camera",
            "firmware_ver": "1.0.85", "device_params": {},
        });
        cloud.state().devices = json!([front, gwell]);
        User { home: tempfile::tempdir().unwrap(), cloud }
    }

    pub fn command(&self, program: impl Into<PathBuf>) -> Command {
        let mut command = Command::new("timeout");
        command.arg("--kill-after=5").arg(DEADLINE).arg(program.into());
        command.env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.env("HOME", self.home.path()).env("XDG_CONFIG_HOME", self.home.path());
        command.env("WYZE_AUTH_URL", self.cloud.auth_url());
        command.env("WYZE_API_URL", self.cloud.api_url()).env("WYZE_APP_URL", self.cloud.app_url());
        command
    }

    pub fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_wyze-cameras"));
        command.args(arguments);
        command
    }

    /// Runs the program with `input` typed in, and asserts that it prints no secret.
    pub fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        finish(self.tool(arguments), input, false)
    }

    /// As [`User::run`], with the account in the environment and nothing typed in.
    pub fn run_with_account(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.tool(arguments);
        command.envs(ACCOUNT);
        finish(command, "", false)
    }

    pub fn store(&self) -> Store {
        Store::at(self.home.path().join("gst-plugin-wyze"))
    }

    pub fn names(&self) -> Vec<String> {
        self.store().cameras().unwrap().iter().map(|camera| camera.name.clone()).collect()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Adds the simulated camera by hand, on this port.
    pub fn add(&self, name: &str, port: u16) {
        let input = format!("{DEMO_UID}\n{DEMO_ENR}\n{DEMO_MAC}\n");
        self.run(&["add", name, "--host", "127.0.0.1", "--port", &port.to_string()], &input).ok();
    }
}

/// Runs a command to its end with `input` typed in. It may print secrets only where `shows_secrets` is set.
pub fn finish(mut command: Command, input: &str, shows_secrets: bool) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("coreutils' timeout");
    // A command that asks nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let outcome =
        Outcome { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
    let secrets = [PASSWORD, API_KEY, TOTP_SECRET, DEMO_UID, DEMO_ENR, DEMO_MAC, "access-token", "refresh-token"];
    for secret in secrets.iter().filter(|_| !shows_secrets) {
        assert!(!outcome.stdout.contains(secret) && !outcome.stderr.contains(secret), "{outcome:?}");
    }
    outcome
}
