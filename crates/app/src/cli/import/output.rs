//! Prints what became of files, as JSON or as lines of text.

use std::io::{self, Write};

use domain::service::Imported;
use serde::Serialize;

use super::{Failure, Outcome};
use crate::cli::exit::{one_line, plain};

/// How many failures the summary repeats.
const REPEATED: usize = 100;

/// What became of all files.
#[derive(Debug, Default)]
pub(super) struct Summary {
    imported: u64,
    present: u64,
    left_out: u64,
    pub(super) failed: u64,
    /// The first failures, as lines.
    failures: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One JSON object a line.
    Json,
    /// A line for each file that was not imported.
    Lines,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

#[derive(Serialize)]
struct LastLine<'a> {
    summary: Counts<'a>,
}

#[derive(Serialize)]
struct Counts<'a> {
    imported: u64,
    present: u64,
    left_out: u64,
    failed: u64,
    failures: &'a [String],
}

impl Summary {
    /// Counts an outcome.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        match &outcome.result {
            Ok(Imported::New(_)) => self.imported += 1,
            Ok(Imported::Present(_)) => self.present += 1,
            Err(Failure::LeftOut(_)) => self.left_out += 1,
            Err(error) => {
                self.failed += 1;
                if self.failures.len() < REPEATED {
                    self.failures.push(line(outcome, &one_line(error)));
                }
            }
        }
    }

    /// How many files were to be imported.
    pub(super) fn all(&self) -> u64 {
        self.imported + self.present + self.failed
    }
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Lines }
    }

    /// Whether nothing is written of an outcome.
    pub(super) fn is_silent(self, outcome: &Outcome) -> bool {
        self == Self::Lines && outcome.result.is_ok() && outcome.notes.is_empty()
    }

    /// Writes the outcome of a file: text to `errors`, JSON to `out`.
    pub(super) fn write(
        self,
        outcome: &Outcome,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Json => {
                writeln!(out, "{}", serde_json::to_string(&json(outcome))?)?;
                out.flush()
            }
            Self::Lines => {
                if let Err(error) = &outcome.result {
                    writeln!(errors, "etiqueta: {}", line(outcome, &one_line(error)))?;
                }
                let notes = outcome.notes.iter();
                let mut notes = notes.map(|note| line(outcome, &plain(note)));
                notes.try_for_each(|note| writeln!(errors, "etiqueta: {note}"))
            }
        }
    }

    /// Writes what became of all files, to `out`, and the failures once more, to `errors`.
    pub(super) fn summary(
        self,
        summary: &Summary,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        let Summary {
            imported,
            present,
            left_out,
            failed,
            failures,
        } = summary;
        if self == Self::Json {
            let counts = Counts {
                imported: *imported,
                present: *present,
                left_out: *left_out,
                failed: *failed,
                failures,
            };
            let line = serde_json::to_string(&LastLine { summary: counts })?;
            writeln!(out, "{line}")?;
            return out.flush();
        }
        writeln!(
            out,
            "{imported} imported, {present} there already, {left_out} left out, {failed} failed"
        )?;
        out.flush()?;
        // A single one stands just above.
        if failures.len() > 1 {
            writeln!(errors, "failed:")?;
            failures
                .iter()
                .try_for_each(|line| writeln!(errors, "  {line}"))?;
            let more = failed.saturating_sub(failures.len() as u64);
            if more > 0 {
                writeln!(errors, "  and {more} more")?;
            }
        }
        Ok(())
    }
}

fn line(outcome: &Outcome, text: &str) -> String {
    format!("{}: {text}", plain(&outcome.name))
}

fn json(outcome: &Outcome) -> Line<'_> {
    let (result, image, error) = match &outcome.result {
        Ok(Imported::New(id)) => ("imported", Some(id), None),
        Ok(Imported::Present(id)) => ("present", Some(id), None),
        Err(error @ Failure::LeftOut(_)) => ("left_out", None, Some(one_line(error))),
        Err(error) => ("failed", None, Some(one_line(error))),
    };
    Line {
        file: &outcome.name,
        result,
        image: image.map(ToString::to_string),
        error,
        notes: &outcome.notes,
    }
}
