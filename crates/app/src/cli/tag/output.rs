//! Telling of tags: as JSON for programs, as lines for people.

use std::io::{self, Write};

use domain::Tag;
use serde::Serialize;

use super::{FileError, Outcome, Tagged};
use crate::cli::exit::{one_line, plain};

/// The length of the bar of 100 %.
const BAR: f64 = 20.0;

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One object a line.
    Json,
    /// Name, and a line for each tag; with bars on a terminal.
    Lines { bars: bool },
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Told<'a> {
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

    /// Writes what came of a file. Where people read, a failure goes to `errors`; a file that was left
    /// out always does.
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
    let told = match tagged {
        Ok(tagged) => Told::Tags(tagged.tags.iter().map(json_tag).collect()),
        Err(error) => Told::Error(one_line(error)),
    };
    serde_json::to_string(&Line { file, told })
}

fn json_tag(tag: &Tag) -> JsonTag<'_> {
    JsonTag {
        tag: tag.label.as_str(),
        confidence: tag.confidence.get(),
    }
}

/// The label comes last: its width on a terminal is hard to tell.
fn line(tag: &Tag, bars: bool) -> String {
    let confidence = tag.confidence.get();
    let label = plain(tag.label.as_str());
    if !bars {
        return format!("  {confidence:6.2}  {label}");
    }
    format!("  {confidence:6.2}  {:20}  {label}", bar(confidence))
}

/// The line of a picture without tags, with the tag that came nearest.
fn nothing(best: Option<&Tag>) -> String {
    let best = best.map(|tag| {
        let (label, confidence) = (plain(tag.label.as_str()), tag.confidence.get());
        format!(" (best: {label} {confidence:.2})")
    });
    format!("  no tag above the threshold{}", best.unwrap_or_default())
}

/// A bar of a length in proportion.
fn bar(confidence: f64) -> String {
    let is_filled = |cell: &u8| f64::from(*cell) + 0.5 <= confidence / 100.0 * BAR;
    (0..20).filter(is_filled).map(|_| '█').collect()
}
