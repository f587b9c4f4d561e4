//! Telling of tags: as JSON for programs, as lines for people.

use std::io::{self, Write};

use domain::{Tag, Tags};
use serde::Serialize;

use super::{FileError, Outcome};
use crate::cli::ending::{one_line, plain};

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

    /// Tells of a file. Where it is people who read, a failure goes to `errors`.
    pub(super) fn write(
        self,
        outcome: &Outcome,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match (self, &outcome.tags) {
            (Self::Json, tags) => writeln!(out, "{}", json(&name(outcome), tags)?)?,
            (Self::Lines { .. }, Err(error)) => {
                let file = plain(&name(outcome));
                writeln!(errors, "etiqueta: {file}: {}", one_line(error))?;
            }
            (Self::Lines { bars }, Ok(tags)) => {
                writeln!(out, "{}", plain(&name(outcome)))?;
                tags.iter()
                    .try_for_each(|tag| writeln!(out, "{}", line(tag, bars)))?;
            }
        }
        out.flush()
    }
}

fn name(outcome: &Outcome) -> String {
    outcome.file.to_string_lossy().into_owned()
}

fn json(file: &str, tags: &Result<Tags, FileError>) -> serde_json::Result<String> {
    let told = match tags {
        Ok(tags) => Told::Tags(tags.iter().map(json_tag).collect()),
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

/// A bar of a length in proportion.
fn bar(confidence: f64) -> String {
    let is_filled = |cell: &u8| f64::from(*cell) + 0.5 <= confidence / 100.0 * BAR;
    (0..20).filter(is_filled).map(|_| '█').collect()
}
