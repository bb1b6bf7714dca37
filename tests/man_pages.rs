//! The manual pages that `wyze-cameras man` writes for packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wyze-cameras")).args(arguments).output().unwrap()
}

/// Returns what `--help` prints for these commands.
fn help(commands: &[&str]) -> String {
    String::from_utf8(tool(&[commands, &["--help"]].concat()).stdout).unwrap()
}

/// Returns the commands that the program's help lists, `help` excluded.
fn commands() -> Vec<String> {
    let help = help(&[]);
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Long explanations go on in lines that are indented further.
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Returns the long options that a help or a page without its markup has.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

/// Returns a page's text without the markup around words.
fn plain(page: &Path) -> String {
    fs::read_to_string(page).unwrap().replace(r"\fB", "").replace(r"\fI", "").replace(r"\fR", "").replace(r"\-", "-")
}

#[test]
fn each_command_has_a_page_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let written = tool(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success() && written.stderr.is_empty(), "{written:?}");

    let commands = commands();
    assert!(commands.iter().any(|name| name == "probe"), "{commands:?}");
    let pages = commands.iter().map(|name| format!("wyze-cameras-{name}.1"));
    let pages: BTreeSet<String> = pages.chain(["wyze-cameras.1".to_owned()]).collect();
    let found = fs::read_dir(folder.path()).unwrap();
    let found: BTreeSet<String> = found.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, pages);

    let installed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/meson.build")).unwrap();
    for name in &commands {
        assert!(installed.contains(&format!("'{name}'")), "packaging/meson.build lacks {name}");
        let page = plain(&folder.path().join(format!("wyze-cameras-{name}.1")));
        let help = help(&[name]);
        assert!(options(&page).is_superset(&options(&help)), "{name}:\n{page}\n{help}");
        assert!(page.contains("\n.nh\n") && page.contains(env!("CARGO_PKG_VERSION")), "{name}:\n{page}");
    }
    let front = plain(&folder.path().join("wyze-cameras.1"));
    for text in ["Finds Wyze cameras by name", "wyze-cameras-probe(1)", "Exit codes", env!("CARGO_PKG_VERSION")] {
        assert!(front.contains(text), "{text}:\n{front}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let written = tool(&["man", "/nonexistent/pages"]);
    let error = String::from_utf8(written.stderr).unwrap();
    assert_eq!((written.status.code(), error.contains("/nonexistent/pages")), (Some(1), true), "{error}");
}

#[test]
fn help_does_not_list_it() {
    assert!(!commands().iter().any(|name| name == "man"));
}
