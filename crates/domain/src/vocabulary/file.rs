//! Vocabularies as texts: tab-separated tables, and keyword lists as Lightroom writes them.

mod keywords;
mod table;

use std::collections::HashMap;

use thiserror::Error;

pub use self::{
    keywords::{from_keywords, to_keywords},
    table::{from_table, to_table},
};
use super::{EntryError, VocabularyConflict, VocabularyEntry};
use crate::{Label, LabelError};

/// The entries of a text, and where they stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VocabularyFile {
    entries: Vec<VocabularyEntry>,
    /// The lines of the entries.
    lines: Vec<usize>,
    /// The places of the entries, by folded tag.
    places: HashMap<String, usize>,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct VocabularyFileError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub fault: VocabularyFileFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VocabularyFileFault {
    /// The first line of a table does not name its columns.
    #[error("the columns are not {expected:?}, separated by tabs")]
    Columns {
        /// The names of the columns.
        expected: String,
    },
    /// It has more fields than there are columns.
    #[error("there are more fields than columns")]
    Fields,
    /// A text cannot be a label.
    #[error("{text:?}: {error}")]
    Text {
        /// The text.
        text: String,
        /// Why it cannot.
        error: LabelError,
    },
    /// The field is not a confidence.
    #[error("{0:?} is not a number from 0 to 100")]
    Threshold(String),
    /// The field is neither `yes` nor empty.
    #[error("{0:?} is neither \"yes\" nor empty")]
    Blocked(String),
    /// The field is not a name in a language.
    #[error("{0:?} is not a language and a name, as in es=sofá")]
    Name(String),
    /// The language has two names.
    #[error("there is a second name in {0:?}")]
    Language(String),
    /// The tag has an entry already.
    #[error("{tag:?} has an entry in line {line} already")]
    Twice {
        /// The tag.
        tag: String,
        /// The line of the other entry.
        line: usize,
    },
    /// The line is indented by more than one tab more than the keyword above it.
    #[error("the line is indented too far")]
    Indentation,
    /// The synonym does not stand below a keyword.
    #[error("there is no keyword of which this is a synonym")]
    Synonym,
    /// The entry is invalid.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl VocabularyFile {
    /// The entries.
    pub fn entries(&self) -> &[VocabularyEntry] {
        &self.entries
    }

    /// The line at which a conflict shows; `None` if it is none of the text's own.
    pub fn line_of(&self, conflict: &VocabularyConflict) -> Option<usize> {
        let tags = conflict.tags();
        tags.iter().find_map(|tag| {
            let place = self.places.get(&tag.folded())?;
            self.lines.get(*place).copied()
        })
    }

    /// The entry of a tag, made if there is none, and whether it was there.
    fn entry(&mut self, tag: Label, line: usize) -> (usize, bool) {
        let key = tag.folded();
        if let Some(place) = self.places.get(&key) {
            return (*place, true);
        }
        let place = self.entries.len();
        self.entries.push(VocabularyEntry::new(tag));
        self.lines.push(line);
        self.places.insert(key, place);
        (place, false)
    }

    /// Checks each entry by itself.
    fn checked(mut self) -> Result<Self, VocabularyFileError> {
        for (entry, line) in self.entries.iter_mut().zip(&self.lines) {
            let checked = entry.clone().checked();
            *entry = checked.map_err(|error| VocabularyFileError {
                line: *line,
                fault: error.into(),
            })?;
        }
        Ok(self)
    }
}

/// Reads a text in the form that it has: a table if its first line names the columns of one.
pub fn from_text(text: &str) -> Result<VocabularyFile, VocabularyFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if table::is_table(text) {
        from_table(text)
    } else {
        from_keywords(text)
    }
}

fn label(text: &str) -> Result<Label, VocabularyFileFault> {
    Label::parse(text).map_err(|error| VocabularyFileFault::Text {
        text: text.chars().take(40).collect(),
        error,
    })
}

#[cfg(test)]
mod tests;
