//! Prints tags, as JSON or as lines of text.

use std::io::{self, Write};

use domain::Tag;
use serde::Serialize;

use super::{FileError, Outcome, Tagged};
use crate::cli::exit::{one_line, plain};

/// The length of the bar for 100 %.
const BAR: f64 = 20.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One JSON object a line.
    Json,
    /// A name, and a line for each tag; with bars on a terminal.
    Lines { bars: bool },
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    result: Reported<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Reported<'a> {
    Tags(Vec<JsonTag<'a>>),
    Error(String),
}

#[derive(Serialize)]
struct JsonTag<'a> {
    tag: &'a str,
    confidence: f64,
}

impl Output {
    pub(super) fn new(json: bool, terminal: bool) -> Self {
        if json {
            Self::Json
        } else {
            Self::Lines { bars: terminal }
        }
    }

    /// Writes the outcome of a file. In text format a failure goes to `errors`; a skipped file
    /// always does.
    pub(super) fn write(
        self,
        outcome: &Outcome,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match (self, &outcome.tagged) {
            (Self::Lines { .. }, Err(error)) | (_, Err(error @ FileError::LeftOut(_))) => {
                let file = plain(&name(outcome));
                writeln!(errors, "etiqueta: {file}: {}", one_line(error))?;
            }
            (Self::Json, tagged) => writeln!(out, "{}", json(&name(outcome), tagged)?)?,
            (Self::Lines { bars }, Ok(tagged)) => {
                writeln!(out, "{}", plain(&name(outcome)))?;
                let mut lines = tagged.tags.iter().map(|tag| line(tag, bars));
                lines.try_for_each(|line| writeln!(out, "{line}"))?;
                if tagged.tags.is_empty() {
                    writeln!(out, "{}", nothing(tagged.best.as_ref()))?;
                }
            }
        }
        out.flush()
    }
}

fn name(outcome: &Outcome) -> String {
    outcome.file.to_string_lossy().into_owned()
}

fn json(file: &str, tagged: &Result<Tagged, FileError>) -> serde_json::Result<String> {
    let result = match tagged {
        Ok(tagged) => Reported::Tags(tagged.tags.iter().map(json_tag).collect()),
        Err(error) => Reported::Error(one_line(error)),
    };
    serde_json::to_string(&Line { file, result })
}

fn json_tag(tag: &Tag) -> JsonTag<'_> {
    JsonTag {
        tag: tag.label.as_str(),
        confidence: tag.confidence.get(),
    }
}

/// The label comes last: its width on a terminal is hard to compute.
fn line(tag: &Tag, bars: bool) -> String {
    let confidence = tag.confidence.get();
    let label = plain(tag.label.as_str());
    if !bars {
        return format!("  {confidence:6.2}  {label}");
    }
    format!("  {confidence:6.2}  {:20}  {label}", bar(confidence))
}

/// The line of a picture without tags, with its most confident tag.
fn nothing(best: Option<&Tag>) -> String {
    let best = best.map(|tag| {
        let (label, confidence) = (plain(tag.label.as_str()), tag.confidence.get());
        format!(" (best: {label} {confidence:.2})")
    });
    format!("  no tag above the threshold{}", best.unwrap_or_default())
}

/// A bar of a length proportional to the confidence.
fn bar(confidence: f64) -> String {
    let is_filled = |cell: &u8| f64::from(*cell) + 0.5 <= confidence / 100.0 * BAR;
    (0..20).filter(is_filled).map(|_| '█').collect()
}
