//! `etiqueta completions` and `etiqueta man`: what packages install beside the program, made from the arguments.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::arguments::Arguments;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command_line(), "etiqueta", &mut text);
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.flush()?)
}

/// Writes a page for the program and for each of its commands into a folder.
pub(super) fn pages(folder: &Path) -> anyhow::Result<()> {
    let writing = || format!("writing {}", folder.display());
    fs::create_dir_all(folder).with_context(writing)?;
    clap_mangen::generate_to(Arguments::command_line(), folder).with_context(writing)
}

impl Arguments {
    /// The command line as clap describes it.
    fn command_line() -> clap::Command {
        <Self as CommandFactory>::command()
    }
}
