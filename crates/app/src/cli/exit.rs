//! How a command ended: one line of error, and an exit code.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use domain::ports::in_words;
use thiserror::Error;

use crate::settings::SettingsError;

/// Exit code: the command failed.
const FAILED: u8 = 1;

/// Exit code: the command could not start.
const WRONG: u8 = 2;

/// Exit code: a check could not be completed. Completed checks have codes of their own.
const UNCHECKED: u8 = 8;

/// The store could not be checked.
#[derive(Debug, Error)]
#[error("the store could not be checked")]
pub(super) struct Unchecked;

/// An error in the command line.
#[derive(Debug, Error)]
#[error("{0}; see etiqueta --help")]
pub(super) struct Usage(String);

impl Usage {
    /// A usage error that only shows once the store is open.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Extracts the message from the many lines of clap's error.
    pub(super) fn new(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
        let line = paragraph.map(str::trim).collect::<Vec<_>>().join(" ");
        Self(line.trim_start_matches("error: ").to_owned())
    }
}

/// Writes the error line to `out` and returns the exit code.
pub(super) fn report(outcome: anyhow::Result<ExitCode>, out: &mut dyn Write) -> ExitCode {
    let error = match outcome {
        Ok(code) => return code,
        Err(error) => error,
    };
    if is_broken_pipe(&error) && !error.is::<Unchecked>() {
        // The reader closed the pipe, as in `etiqueta config | head -1`.
        return ExitCode::SUCCESS;
    }
    // A failed write to standard error cannot be reported anywhere.
    let _ = writeln!(out, "etiqueta: {}", one_line(error.as_ref()));
    ExitCode::from(code(&error))
}

/// An error with its causes, on one line.
pub(super) fn one_line(error: &(dyn Error + 'static)) -> String {
    plain(&in_words(error))
}

/// The text without line breaks and other control characters.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() || error.is::<SettingsError>() {
        WRONG
    } else if error.is::<Unchecked>() {
        UNCHECKED
    } else {
        FAILED
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use clap::Parser;

    use super::*;
    use crate::{
        cli::arguments::Arguments,
        settings::{Environment, Settings},
    };

    fn reported(error: anyhow::Error) -> (String, ExitCode) {
        let mut out = Vec::new();
        let code = report(Err(error), &mut out);
        (String::from_utf8(out).unwrap(), code)
    }

    #[test]
    fn failure_is_reported_with_its_causes_and_exits_1() {
        let cause = io::Error::other("no\nspace");
        let (line, code) = reported(anyhow::Error::new(cause).context("writing"));
        assert_eq!(line, "etiqueta: writing: no space\n");
        assert_eq!(code, ExitCode::from(1));
    }

    #[test]
    fn wrong_settings_are_reported_once_and_exit_2() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("etiqueta.toml"), [0xff]).unwrap();
        let environment = Environment {
            folder: folder.path().to_owned(),
            ..Environment::default()
        };
        let error = Settings::load(&environment).unwrap_err();
        let (line, code) = reported(error.into());
        let why = "etiqueta.toml: cannot be read: stream did not contain valid UTF-8";
        assert_eq!(line, format!("etiqueta: {why}\n"));
        assert_eq!(code, ExitCode::from(2));
    }

    #[test]
    fn failed_check_exits_8_even_on_a_closed_pipe() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe] {
            let error = anyhow::Error::new(io::Error::from(kind)).context(Unchecked);
            let (line, code) = reported(error);
            assert!(
                line.starts_with("etiqueta: the store could not be checked: "),
                "{line}"
            );
            assert_eq!(code, ExitCode::from(8));
        }
    }

    #[test]
    fn usage_error_is_one_line_and_exits_2() {
        let error = Arguments::try_parse_from(["etiqueta", "tag"]).unwrap_err();
        let (line, code) = reported(Usage::new(&error).into());
        assert_eq!(
            line,
            "etiqueta: the following required arguments were not provided: <FILE>...; \
                see etiqueta --help\n"
        );
        assert_eq!(code, ExitCode::from(2));
    }

    #[test]
    fn closed_pipe_is_not_a_failure() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        let (line, code) = reported(Err::<(), _>(error).context("printing").unwrap_err());
        assert_eq!(line, "");
        assert_eq!(code, ExitCode::SUCCESS);
    }
}
