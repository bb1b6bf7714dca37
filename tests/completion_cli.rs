//! Completion of `wyze-cameras` in shells.

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/user.rs"]
mod user;

use gstwyze::account::{Camera, Cameras, StoreError};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use terminal::terminal;
use user::{User, finish};
use wyze_camera::{DEMO_ENR, DEMO_MAC, DEMO_UID};

/// A name with what shells treat in a special way.
const ODD: &str = "Attic $HOME \"b\\'; (x)";

/// A user with these cameras, of which the first has keys.
fn user_with(names: &[&str]) -> User {
    let user = User::new();
    let cameras =
        names.iter().map(|name| Camera { name: (*name).into(), model: "HL_PAN3".into(), ..Camera::default() });
    let mut cameras: Vec<Camera> = cameras.collect();
    cameras[0].uid = DEMO_UID.into();
    cameras[0].enr = DEMO_ENR.into();
    cameras[0].mac = DEMO_MAC.into();
    let change = |stored: &mut Cameras| {
        stored.extend(cameras);
        Ok::<_, StoreError>(())
    };
    user.store().update(change).unwrap();
    user
}

/// Asks as bash's script does, with the last word being the one to complete. Nothing may go wrong or be told.
fn completed(user: &User, words: &[&str]) -> Vec<String> {
    let mut command = user.tool(&[&["--", "wyze-cameras"], words].concat());
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let asked = user.cloud.state().requests.len();
    let outcome = finish(command, "", false);
    assert_eq!((outcome.stderr.as_str(), user.cloud.state().requests.len()), ("", asked));
    outcome.ok().lines().map(str::to_owned).collect()
}

#[test]
fn names_of_cameras_complete_for_every_command_that_takes_one() {
    let user = user_with(&["Front Door", "Garden", "garage", "Garden", "-x", ""]);
    for command in ["show", "probe", "control", "remove", "watch", "talk"] {
        assert_eq!(completed(&user, &[command, ""]), ["Front Door", "Garden", "garage"], "{command}");
        assert_eq!(completed(&user, &[command, "gar"]), ["Garden", "garage"], "{command}");
        assert_eq!(completed(&user, &[command, r"Front\ "]), ["Front Door"], "{command}");
        assert!(completed(&user, &[command, "attic"]).is_empty(), "{command}");
    }
    assert_eq!(completed(&user, &["pro"]), ["probe"]);
    assert!(completed(&user, &["probe", "--t"]).contains(&"--trace".to_owned()));
    assert!(completed(&user, &["list", ""]).contains(&"--online".to_owned()), "where nothing else fits");
    // Other shells get the model, too.
    let mut command = user.tool(&["--", "wyze-cameras", "show", "Fr"]);
    command.env("COMPLETE", "fish");
    assert_eq!(finish(command, "", false).ok(), "Front Door\tHL_PAN3\n");
}

#[test]
fn words_of_control_complete_by_those_before() {
    let user = user_with(&["Front Door"]);
    let after = |words: &[&str]| completed(&user, &[&["control", "Front Door"], words].concat());
    let first = after(&[""]);
    for word in ["night-vision", "siren", "rotate", "go-to-waypoint", "power", "send"] {
        assert!(first.contains(&word.to_owned()), "{word}: {first:?}");
    }
    assert_eq!(after(&["night"]), ["night-vision", "night-vision-light"]);
    assert_eq!(after(&["night-vision", ""]), ["on", "off", "auto"]);
    assert_eq!(after(&["night-vision-light", "f"]), ["far"]);
    assert_eq!(after(&["rotate", ""]), ["left", "right", "up", "down"]);
    assert_eq!(after(&["--timeout", "3", "power", "r"]), ["restart"]);
    assert_eq!(after(&["move", "--hex", "u"]), ["up"]);
    for done in [&["rotate", "left", "1"][..], &["night-vision", "on", "o"], &["coffee", "o"]] {
        assert!(after(done).is_empty(), "{done:?}");
    }
}

#[test]
fn a_store_that_cannot_be_read_gives_no_names_and_no_message() {
    let user = User::new();
    assert_eq!(completed(&user, &["show", "F"]), [""; 0]);
    let folder = user.home.path().join("gst-plugin-wyze");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("cameras.json"), "not ours").unwrap();
    // The program takes that from others, and tells of it otherwise.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(completed(&user, &["show", "F"]), [""; 0]);
    assert_eq!(fs::read_to_string(folder.join("cameras.json")).unwrap(), "not ours");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is written");
}

#[test]
fn every_shell_has_a_script_that_asks_the_program() {
    let user = User::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = user.run(&["completions", shell], "").ok();
        assert!(script.contains("wyze-cameras") && script.contains("COMPLETE") && script.contains(shell), "{script}");
        // The script asks the program itself, by a path that holds in every folder.
        assert!(script.contains(env!("CARGO_BIN_EXE_wyze-cameras")) && !script.contains("probe"), "{script}");
        let mut command = user.tool(&[]);
        command.env("COMPLETE", shell);
        assert_eq!(finish(command, "", false).ok().trim(), script.trim());
        let mut command = user.tool(&["--", "wyze-cameras", "pro"]);
        command.env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "1");
        assert!(finish(command, "", false).ok().contains("probe"), "{shell}");
    }
}

#[test]
fn a_shell_that_nobody_knows_is_an_error() {
    let user = User::new();
    let mut command = user.tool(&["list"]);
    command.env("COMPLETE", "cmd");
    finish(command, "", false).fails(1, &["unknown shell", "cmd"]);
    let mut command = user.tool(&["list"]);
    command.env("COMPLETE", "");
    finish(command, "", false).ok();
}

/// Bash in a terminal, with the script of `completions bash`.
struct Bash {
    child: Child,
    typist: File,
    shown: String,
}

impl Bash {
    fn start(user: &User) -> Self {
        let bin = Path::new(env!("CARGO_BIN_EXE_wyze-cameras")).parent().unwrap();
        let rc = "PS1='READY> '\nbind 'set enable-bracketed-paste off'\nsource <(wyze-cameras completions bash)\n";
        let rc = user.file("bashrc", rc);
        let (program, typist) = terminal();
        let mut command = user.command("setsid");
        command.args(["--ctty", "--wait", "bash", "--noprofile", "--rcfile", &rc, "-i"]);
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        command.env("TERM", "dumb").current_dir(user.home.path());
        command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).stderr(program);
        let child = command.spawn().expect("util-linux' setsid");
        let mut bash = Bash { child, typist, shown: String::new() };
        bash.wait_for("READY> ");
        bash
    }

    /// Reads until the terminal shows this, and returns what it showed before.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some((before, after)) = self.shown.split_once(text) {
                let before = before.to_owned();
                self.shown = after.to_owned();
                return before;
            }
            let mut bytes = [0; 1024];
            let n = self.typist.read(&mut bytes).unwrap_or_else(|e| panic!("{e}; {text:?} is not in {:?}", self.shown));
            self.shown += &String::from_utf8_lossy(&bytes[..n]);
        }
    }

    /// Types a line, and returns what the terminal shows until the next prompt.
    fn answers(&mut self, line: &str) -> String {
        self.typist.write_all(line.as_bytes()).unwrap();
        self.wait_for("READY> ")
    }
}

#[test]
fn bash_completes_names_with_blanks_in_every_kind_of_quotes() {
    let user = user_with(&["Front Door", ODD]);
    // A folder of that name would get a slash, were it taken for one.
    fs::create_dir(user.home.path().join("list")).unwrap();
    let mut bash = Bash::start(&user);
    let printed = |name: &str| format!("\n{name}\r\n  model: HL_PAN3\r\n");
    for typed in ["Fr\t", "\"Fr\t", "'Fr\t", "Front\\ D\t", "\"front d\t"] {
        let shown = bash.answers(&format!("wyze-cameras show {typed}\n"));
        assert!(shown.contains(&printed("Front Door")), "{typed:?}: {shown}");
    }
    for typed in ["Att\t", "\"Att\t"] {
        let shown = bash.answers(&format!("wyze-cameras sho\t{typed}\n"));
        assert!(shown.contains(&printed(ODD)), "{typed:?}: {shown}");
    }
    let shown = bash.answers("wyze-cameras lis\t--js\t\n");
    assert!(shown.contains("\"name\": \"Front Door\""), "{shown}");
    let shown = bash.answers("wyze-cameras control Fr\tnight-vision-\tx\n");
    assert!(shown.contains("night-vision-light cannot be \"x\""), "{shown}");
    let folder = user.home.path().join("my folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("go2rtc.yaml"), "").unwrap();
    let shown = bash.answers("wyze-cameras import my\tgo\t\n");
    assert!(shown.contains(r"import my\ folder/go2rtc.yaml "), "{shown}");
    bash.typist.write_all(b"exit 0\n").unwrap();
    assert!(bash.child.wait().unwrap().success());
}
