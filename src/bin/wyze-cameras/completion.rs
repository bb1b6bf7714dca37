//! Completion in the shell: the script that a shell loads, and the answers to what the script asks.
//!
//! The script runs the program with `COMPLETE` set to the shell's name and the words of the line after `--`. Nothing
//! but the store is looked at, and where that cannot be read, there are no names.

use super::control::words::{self, VERBS};
use super::{Arguments, Command, Failure};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use clap_complete::env::{CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use gstwyze::account::Store;
use gstwyze::protocol::commands::controls::CONTROLS;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

const VARIABLE: &str = "COMPLETE";
/// The program's name.
pub const NAME: &str = "wyze-cameras";
const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a shell's question on standard output, where this run is one. Returns whether it was.
pub fn answer() -> Result<bool, clap::Error> {
    if std::env::var_os(VARIABLE).is_none_or(|shell| shell.is_empty()) {
        return Ok(false);
    }
    // A message about the store would be printed into the line that the user types.
    gst::glib::log_set_default_handler(|_, _, _| {});
    let environment = CompleteEnv::with_factory(Arguments::command).var(VARIABLE).shells(SHELLS);
    environment.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
}

/// Returns the script that makes a shell ask this program.
pub fn script(shell: Shell) -> Result<String, Failure> {
    let mut script = Vec::new();
    let shell = shell.to_string();
    let completer =
        SHELLS.completer(&shell).ok_or_else(|| Failure::Other(format!("nothing is known of the shell {shell}")))?;
    completer.write_registration(VARIABLE, NAME, NAME, &program(), &mut script).map_err(Failure::Output)?;
    Ok(String::from_utf8_lossy(&script).trim().to_owned())
}

/// Returns what the script runs: the program as it was called, by a path that holds in other folders too.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_else(|| NAME.into());
    let path = Path::new(&called);
    let folder = std::env::current_dir().ok().filter(|_| path.components().count() > 1);
    folder.map_or(path.to_owned(), |folder| folder.join(path)).to_string_lossy().into_owned()
}

/// Completes the name of a camera.
pub fn camera_names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let cameras = Store::open_default().cameras().unwrap_or_default();
        let mut found: Vec<CompletionCandidate> = Vec::new();
        for camera in cameras.iter() {
            // A name that begins with a hyphen would be taken for an option.
            let is_wanted = !camera.name.starts_with('-') && begins_with(&camera.name, current);
            if is_wanted && !camera.name.is_empty() && found.iter().all(|other| other.get_value() != &*camera.name) {
                let help = Some(camera.model.clone()).filter(|model| !model.is_empty());
                found.push(CompletionCandidate::new(&camera.name).help(help.map(Into::into)));
            }
        }
        found
    })
}

/// Completes the words of `control`: first a control or what to do, then what that can be.
pub fn control_words() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let earlier = match Arguments::try_parse_from(words_before()) {
            Ok(Arguments { command: Command::Control(arguments) }) => arguments.words,
            _ => return Vec::new(),
        };
        let choices: Vec<&str> = match &earlier[..] {
            [] => CONTROLS.iter().map(|control| control.name).chain(VERBS.map(|(verb, _)| verb)).collect(),
            [first] => words::choices(first).to_vec(),
            _ => Vec::new(),
        };
        choices.into_iter().filter(|word| begins_with(word, current)).map(CompletionCandidate::new).collect()
    })
}

/// Returns the words of the user's line before the one that is completed.
fn words_before() -> Vec<OsString> {
    let line: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let place = place(&line);
    line.into_iter().take(place).collect()
}

/// Returns which word of the line is completed.
fn place(line: &[OsString]) -> usize {
    let told = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|place| place.parse().ok());
    // Shells that do not tell it end the line with that word.
    told.unwrap_or(line.len().saturating_sub(1))
}

/// Whether a text begins with what is typed, in upper or lower case.
fn begins_with(text: &str, typed: &OsStr) -> bool {
    text.to_lowercase().starts_with(&bare(typed).to_lowercase())
}

/// Returns what is typed without quotes and backslashes, with which some shells give it.
fn bare(typed: &OsStr) -> String {
    typed.to_string_lossy().trim_start_matches(['"', '\'']).replace('\\', "")
}

/// Bash, with a script of our own: clap's inserts names with blanks as they are, so that they become several words.
struct Bash;

const BASH_SCRIPT: &str = r#"
_wyze_cameras() {
    local word
    mapfile -t COMPREPLY < <(
        _CLAP_COMPLETE_INDEX=$COMP_CWORD VARIABLE=bash \
            PROGRAM -- "${COMP_WORDS[@]:0:COMP_CWORD}" "$2" 2>/dev/null
    )
    if [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* || ${COMPREPLY-} == */* ]]; then
        # Bash quotes what it takes for names of files, but leaves some characters as they are where no quote is open.
        compopt -o filenames
    else
        for word in "${!COMPREPLY[@]}"; do printf -v "COMPREPLY[word]" %q "${COMPREPLY[word]}"; done
    fi
    [[ ${COMPREPLY-} != */ ]] || compopt -o nospace
}
complete -o bashdefault -o nosort -F _wyze_cameras NAME"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        clap_complete::env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        clap_complete::env::Bash.is(name)
    }

    fn write_registration(&self, var: &str, _: &str, bin: &str, program: &str, to: &mut dyn Write) -> io::Result<()> {
        let program = format!("'{}'", program.replace('\'', r"'\''"));
        let script = BASH_SCRIPT.replace("VARIABLE", var).replace("NAME", bin).replace("PROGRAM", &program);
        writeln!(to, "{script}")
    }

    /// Writes the candidates, a line each. Options are offered only where one is begun, or nothing else fits.
    fn write_complete(
        &self,
        command: &mut clap::Command,
        mut words: Vec<OsString>,
        folder: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let place = place(&words);
        let begins_option = words.get(place).is_some_and(|word| is_option(word));
        words.iter_mut().skip(place).for_each(|word| *word = bare(word).into());
        let mut found = complete(command, words, place, folder)?;
        if !begins_option && found.iter().any(|candidate| !is_option(candidate.get_value())) {
            found.retain(|candidate| !is_option(candidate.get_value()));
        }
        found.iter().try_for_each(|candidate| writeln!(to, "{}", candidate.get_value().to_string_lossy()))
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_may_be_quoted() {
        for typed in ["", "front d", r"Front\ D", "\"Front D", "'Front"] {
            assert!(begins_with("Front Door", OsStr::new(typed)), "{typed}");
        }
        assert!(!begins_with("Front Door", OsStr::new("Door")));
    }
}
