//! Prints what became of sidecars, as JSON or as lines of text.

use std::io::{self, Write};

use serde::Serialize;

use super::{Failure, Outcome};
use crate::cli::exit::{one_line, plain};

/// What became of all pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    pub(super) written: u64,
    pub(super) unchanged: u64,
    pub(super) unknown: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One JSON object a line.
    Json,
    /// A line for each picture that failed.
    Lines,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sidecar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct LastLine {
    summary: Summary,
}

impl Summary {
    /// Counts an outcome.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        match &outcome.result {
            Ok(super::Done::Written(_)) => self.written += 1,
            Ok(super::Done::Unchanged) => self.unchanged += 1,
            Ok(super::Done::Unknown) => self.unknown += 1,
            Err(_) => self.failed += 1,
        }
    }

    /// How many pictures there were.
    pub(super) fn all(&self) -> u64 {
        self.written + self.unchanged + self.unknown + self.failed
    }
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Lines }
    }

    /// Writes the outcome of a picture: text to `errors`, JSON to `out`.
    pub(super) fn write(
        self,
        outcome: &Outcome,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match (self, &outcome.result) {
            (Self::Json, _) => {
                writeln!(out, "{}", serde_json::to_string(&json(outcome))?)?;
                out.flush()
            }
            (Self::Lines, Err(error)) => {
                let name = plain(&outcome.name);
                writeln!(errors, "etiqueta: {name}: {}", one_line(error))
            }
            (Self::Lines, Ok(_)) => Ok(()),
        }
    }

    /// Writes what became of all pictures.
    pub(super) fn summary(self, summary: Summary, out: &mut dyn Write) -> io::Result<()> {
        let Summary {
            written,
            unchanged,
            unknown,
            failed,
        } = summary;
        match self {
            Self::Json => writeln!(out, "{}", serde_json::to_string(&LastLine { summary })?)?,
            Self::Lines => writeln!(
                out,
                "{written} written, {unchanged} unchanged, {unknown} not in the store, {failed} failed"
            )?,
        }
        out.flush()
    }
}

fn json(outcome: &Outcome) -> Line<'_> {
    let (result, sidecar, error) = match &outcome.result {
        Ok(super::Done::Written(path)) => ("written", Some(path), None),
        Ok(super::Done::Unchanged) => ("unchanged", None, None),
        Ok(super::Done::Unknown) => ("unknown", None, None),
        Err(error) => ("failed", None, Some(error)),
    };
    Line {
        file: &outcome.name,
        result,
        sidecar: sidecar.map(|path| path.to_string_lossy().into_owned()),
        error: error.map(|error: &Failure| one_line(error)),
    }
}
