//! Chromium without a window, driven by WebDriver.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Nothing of the browser's own goes to the network, and pages reach this machine only.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A program at work that has printed its address or port; dropping it kills it.
pub struct Service {
    program: Child,
    pub address: String,
}

impl Service {
    /// The address is what stands between two texts of the line that has them.
    pub fn start(mut command: Command, before: &str, after: &str) -> Self {
        let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = streams.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut addresses = lines.map_while(Result::ok).filter_map(|line| {
            let end = line.split_once(before)?.1;
            Some(end.split_once(after)?.0.to_owned())
        });
        let address = addresses.next().unwrap_or_else(|| panic!("{command:?} has not printed {before:?}"));
        Service { program, address }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A browser with an empty profile; dropping it ends it.
pub struct Browser {
    session: String,
    _driver: Service,
}

impl Browser {
    /// `home` is the folder for all that it writes.
    pub fn new(home: &Path) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", home).env("TMPDIR", home);
        let driver = Service::start(command, "successfully on port ", ".");
        let session = format!("http://127.0.0.1:{}/session", driver.address);
        let mut browser = Browser { session, _driver: driver };
        let options = json!({ "goog:chromeOptions": { "args": ARGUMENTS } });
        let session = browser.post("", json!({ "capabilities": { "alwaysMatch": options } }));
        browser.session += &format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    pub fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// Runs a script in the page, and returns what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.session)).send(body.to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium, which is in a process group of its own.
        let _ = ureq::delete(&self.session).call();
    }
}
