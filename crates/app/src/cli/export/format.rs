//! The format of exports: JSON lines (UTF-8, a line feed behind each).
//!
//! The first line says which version of the format follows, the last one how many records there were, with a checksum of
//! all lines before it. Between them, in this order: the entries of the vocabulary by their folded tags, the images in the
//! order of registration (ties: by id), the answers of providers by their keys. So equal stores have equal exports, byte
//! by byte, whatever the databases. What is unknown or empty is left out of a line.

mod image;
mod read;
mod record;
mod write;

use serde::{Deserialize, Serialize};

pub(in crate::cli) use self::{
    read::{ExportReader, ReadError},
    record::{Numbered, Record},
    write::ExportWriter,
};

/// The version of the format.
const VERSION: u64 = 1;

/// The longest line, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// How many records of each kind an export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Counts {
    pub(in crate::cli) vocabulary: u64,
    pub(in crate::cli) images: u64,
    pub(in crate::cli) answers: u64,
}

impl Counts {
    /// All of them together.
    pub(in crate::cli) fn sum(self) -> u64 {
        self.vocabulary + self.images + self.answers
    }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    EtiquetaExport,
    Vocabulary,
    Image,
    Answer,
    End,
}

/// What a line is, whatever else it says.
#[derive(Deserialize)]
struct AnyLine {
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
struct FirstLine {
    kind: Kind,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    kind: Kind,
    vocabulary: u64,
    images: u64,
    answers: u64,
    /// The SHA-256 of all lines before, in hexadecimal digits. Absent: an edited file is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// A label with a confidence.
type TagPair = (String, f64);

#[cfg(test)]
mod tests;
