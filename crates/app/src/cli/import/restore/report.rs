//! Reports what came of the records of an export, as JSON or as lines of text.

use std::io::{self, Write};

use domain::service::{RestoreError, Restored};
use serde::Serialize;
use thiserror::Error;

use crate::cli::{exit::one_line, export::format::Record};

/// What came of the records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    imported: u64,
    present: u64,
    left_out: u64,
    failed: u64,
}

/// What came of all records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    pub(super) vocabulary: Tally,
    pub(super) images: Tally,
    pub(super) answers: Tally,
}

/// A record that was not restored.
pub(super) struct Failed {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) error: RestoreError,
}

/// Some records were not restored; each was reported.
#[derive(Debug, Error)]
#[error("{0} records were not imported; start it again once that is put right")]
struct SomeFailed(u64);

/// Writes text to standard error, or JSON to standard output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reporter {
    is_json: bool,
}

#[derive(Serialize)]
struct FailedLine<'a> {
    line: u64,
    record: &'a str,
    result: &'static str,
    error: String,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: &'a Report,
}

/// What a record is called.
pub(super) fn name(record: &Record) -> String {
    match record {
        Record::Entry(entry) => format!("vocabulary {}", entry.tag),
        Record::Image(image) => format!("image {}", image.id),
        Record::Answer(key, _) => format!("answer {} {}", key.digest, key.provider.name()),
    }
}

/// Whether the record is whole, and something else is missing.
fn is_left_out(error: &RestoreError) -> bool {
    matches!(error, RestoreError::NoOriginal(_))
}

impl Tally {
    pub(super) fn note(&mut self, outcome: &Result<Restored, RestoreError>) {
        let count = match outcome {
            Ok(Restored::New) => &mut self.imported,
            Ok(Restored::Present) => &mut self.present,
            Err(error) if is_left_out(error) => &mut self.left_out,
            Err(_) => &mut self.failed,
        };
        *count += 1;
    }

    fn missing(self) -> u64 {
        self.left_out + self.failed
    }
}

impl Report {
    /// An error if a record was not restored.
    pub(super) fn outcome(self) -> anyhow::Result<()> {
        let tallies = [self.vocabulary, self.images, self.answers];
        match tallies.into_iter().map(Tally::missing).sum() {
            0 => Ok(()),
            missing => Err(SomeFailed(missing).into()),
        }
    }
}

impl Reporter {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(super) fn failed(self, failed: &Failed) -> io::Result<()> {
        let Failed { line, name, error } = failed;
        let is_left_out = is_left_out(error);
        let error = one_line(error);
        if !self.is_json {
            return writeln!(io::stderr(), "etiqueta: line {line}, {name}: {error}");
        }
        let line = FailedLine {
            line: *line,
            record: name,
            result: if is_left_out { "left_out" } else { "failed" },
            error,
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&line)?)
    }

    pub(super) fn summary(self, report: &Report) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.is_json {
            let line = SummaryLine { summary: report };
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            return out.flush();
        }
        for (kind, tally) in [
            ("vocabulary", report.vocabulary),
            ("images", report.images),
            ("answers", report.answers),
        ] {
            let Tally {
                imported,
                present,
                left_out,
                failed,
            } = tally;
            writeln!(
                out,
                "{kind}: {imported} imported, {present} there already, {left_out} left out, {failed} failed"
            )?;
        }
        out.flush()
    }
}
