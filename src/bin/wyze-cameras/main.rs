//! `wyze-cameras`: fetches cameras from a Wyze account, keeps them by name, and finds out why one does not answer.

// What is written goes through `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod account;
mod chosen;
mod completion;
mod control;
mod edit;
mod import;
#[cfg(feature = "record")]
mod interrupt;
mod launch;
mod line;
mod list;
mod man;
mod output;
#[cfg(feature = "record")]
mod player;
#[cfg(any(feature = "record", feature = "serve"))]
mod plugins;
mod probe;
#[cfg(feature = "record")]
mod record;
mod scan;
mod search;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "record")]
mod snapshot;
#[cfg(feature = "record")]
mod talk;
mod trace;
#[cfg(feature = "record")]
mod values;
#[cfg(feature = "record")]
mod voice;
#[cfg(feature = "record")]
mod watch;
mod yaml;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use gstwyze::account::{AccessError, LookupError, Store, StoreError};
use output::{print, tell};
use std::io;
use std::process::ExitCode;

/// Finds Wyze cameras by name.
///
/// The command login fetches the cameras of a Wyze account once and keeps them on this machine; from then on everything
/// is local. Cameras can also be added by hand, or imported from go2rtc.
#[derive(Parser, Debug)]
#[command(name = completion::NAME, version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
From nothing to a picture:
  wyze-cameras login
  wyze-cameras list
  gst-launch-1.0 wyzesrc camera=\"Front Door\" ! decodebin ! autovideosink

A report of a camera that does not work:
  wyze-cameras probe \"Front Door\" --trace report.pcapng

Files, readable by their owner only, in $XDG_CONFIG_HOME/gst-plugin-wyze (~/.config/gst-plugin-wyze):
  cameras.json  names, keys and addresses
  tokens.json   the login, without the password

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no camera of that name or several, 4 the camera does not know it.";

#[derive(Subcommand, Debug)]
enum Command {
    Login(account::LoginArguments),
    Refresh(account::RefreshArguments),
    Logout(account::LogoutArguments),
    List(list::ListArguments),
    Show(list::ShowArguments),
    Probe(probe::ProbeArguments),
    #[cfg(feature = "record")]
    Record(record::RecordArguments),
    #[cfg(feature = "record")]
    Snapshot(snapshot::SnapshotArguments),
    #[cfg(feature = "record")]
    Watch(watch::WatchArguments),
    #[cfg(feature = "record")]
    Talk(talk::TalkArguments),
    Control(control::ControlArguments),
    Scan(scan::ScanArguments),
    #[cfg(feature = "serve")]
    Serve(serve::ServeArguments),
    Add(edit::AddArguments),
    Remove(edit::RemoveArguments),
    Import(import::ImportArguments),
    /// Print a script that completes commands and names of cameras in a shell
    ///
    /// For bash, a line in ~/.bashrc: source <(wyze-cameras completions bash)
    Completions {
        shell: Shell,
    },
    #[command(hide = true)]
    Man(man::ManArguments),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("{0} stored cameras fit: give the name of one")]
    Several(usize),
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    #[error("the camera did not answer: it does not know this, or is busy")]
    Silence,
    #[error("standard output cannot be written ({0})")]
    Output(io::Error),
    #[error("{0}")]
    Other(String),
    /// The reasons have been told already.
    #[error("")]
    Told,
}

impl Failure {
    fn other(error: impl std::fmt::Display) -> Self {
        Failure::Other(error.to_string())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Lookup(_) | Failure::Several(_) => 3,
            Failure::Silence => 4,
            _ => 1,
        }
    }
}

fn main() -> ExitCode {
    // Rust ignores SIGPIPE, so that printing fails once a reader such as head is gone. By default, the signal ends the
    // program quietly, as it does others.
    // SAFETY: Nothing else runs yet, and the default is no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // The program names formats in GStreamer's terms, and has no need of its plugins.
    // SAFETY: Nothing else runs yet that could read the environment.
    unsafe { std::env::set_var("GST_REGISTRY_UPDATE", "no") };
    match completion::answer() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => {
            tell(format_args!("wyze-cameras: {error}"));
            return ExitCode::FAILURE;
        }
    }
    // What the store puts right, it tells by GLib's log.
    gst::glib::log_set_default_handler(|_, _, message| tell(format_args!("wyze-cameras: {message}")));
    let result = match Arguments::try_parse() {
        Ok(arguments) => run(arguments.command),
        // Help and the version are errors too, of exit code 0.
        Err(answer) => match answer.print() {
            Err(e) if !answer.use_stderr() => Err(Failure::Output(e)),
            _ => return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
        },
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if !matches!(failure, Failure::Told) {
        tell(format_args!("wyze-cameras: {failure}"));
    }
    failure.exit_code().into()
}

fn run(command: Command) -> Result<(), Failure> {
    let store = Store::open_default();
    match command {
        Command::Login(arguments) => account::login(&store, &arguments),
        Command::Refresh(_) => account::refresh(&store),
        Command::Logout(arguments) => account::logout(&store, &arguments),
        Command::List(arguments) => list::list(&store, &arguments),
        Command::Show(arguments) => list::show(&store, &arguments),
        Command::Control(arguments) => control::control(&store, &arguments),
        Command::Probe(arguments) => probe::probe(&store, &arguments),
        #[cfg(feature = "record")]
        Command::Record(arguments) => record::record(&store, arguments),
        #[cfg(feature = "record")]
        Command::Snapshot(arguments) => snapshot::snapshot(&store, &arguments),
        #[cfg(feature = "record")]
        Command::Watch(arguments) => watch::watch(&store, &arguments),
        #[cfg(feature = "record")]
        Command::Talk(arguments) => talk::talk(&store, &arguments),
        Command::Scan(arguments) => scan::scan(&store, &arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::serve(&store, &arguments),
        Command::Add(arguments) => edit::add(&store, arguments),
        Command::Remove(arguments) => edit::remove(&store, &arguments),
        Command::Import(arguments) => import::import(&store, &arguments),
        Command::Completions { shell } => print(completion::script(shell)?),
        Command::Man(arguments) => man::man(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
