//! Manual pages, made from what `--help` shows. Packages and meson install them.

use super::{Arguments, Failure, completion};
use clap::CommandFactory;
use clap_mangen::Man;
use std::io;
use std::path::PathBuf;

/// Write manual pages to a folder: wyze-cameras.1, and one for each command
///
/// For those who package the program. The folder has to be there.
#[derive(clap::Args, Debug)]
pub struct ManArguments {
    folder: PathBuf,
}

/// Writes a page for the program and one for each command that is not hidden.
pub fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let mut program = Arguments::command().disable_help_subcommand(true);
    // Gives the commands their full names.
    program.build();
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    for command in commands.chain([&program]).cloned() {
        let page = Man::new(command)
            .source(format!("{} {}", completion::NAME, env!("CARGO_PKG_VERSION")))
            .manual(env!("CARGO_PKG_NAME"));
        let file = folder.join(page.get_filename());
        text(&page)
            .and_then(|text| std::fs::write(&file, text))
            .map_err(|error| Failure::Other(format!("cannot write {} ({error})", file.display())))?;
    }
    Ok(())
}

/// Returns a page in which no word is cut and no line stretched: readers copy examples from it.
fn text(page: &Man) -> io::Result<String> {
    let mut text = Vec::new();
    page.render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).replacen(".SH NAME\n", ".nh\n.ad l\n.SH NAME\n", 1))
}
