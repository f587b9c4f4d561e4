//! Reads exports. Every line is checked before it is returned.

use std::io::{self, BufRead, Read};

use domain::{ContentHasher, VocabularyEntry, ports::StoredImage};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{
    AnyLine, Counts, FirstLine, Kind, LONGEST_LINE, LastLine, Numbered, Record, VERSION,
    image::ImageLine,
    record::{AnswerLine, Position, VocabularyLine},
};

/// Reads an export line by line, with one line in memory.
pub(in crate::cli) struct ExportReader<R> {
    input: R,
    line: u64,
    /// Of the lines before the one that was read last.
    hasher: ContentHasher,
    buffer: Vec<u8>,
    counts: Counts,
    last: Option<Position>,
    is_ended: bool,
}

/// Why a file cannot be read as an export.
#[derive(Debug, Error)]
pub(in crate::cli) enum ReadError {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("it is empty: no export of Etiqueta")]
    Empty,
    #[error("it is no export of Etiqueta: its first line does not say so")]
    Foreign,
    #[error(
        "it is of version {0} of the format, this program reads version {VERSION}: use a newer one"
    )]
    Version(u64),
    #[error("line {line}: {reason}")]
    Line { line: u64, reason: String },
    #[error("it is truncated: it ends at line {0} without the last line of an export")]
    Truncated(u64),
    #[error("it was altered: its last line counts {0}")]
    Counts(String),
    #[error(
        "it was altered: its checksum does not fit. If you changed it on purpose, take `sha256` out of its last line"
    )]
    Checksum,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the first line.
    pub(in crate::cli) fn begin(input: R) -> Result<Self, ReadError> {
        let mut reader = Self {
            input,
            line: 0,
            hasher: ContentHasher::default(),
            buffer: Vec::new(),
            counts: Counts::default(),
            last: None,
            is_ended: false,
        };
        if !reader.read_line()? {
            return Err(ReadError::Empty);
        }
        let first: FirstLine =
            serde_json::from_slice(&reader.buffer).map_err(|_| ReadError::Foreign)?;
        match (first.kind, first.version) {
            (Kind::EtiquetaExport, VERSION) => Ok(reader),
            (Kind::EtiquetaExport, version) => Err(ReadError::Version(version)),
            _ => Err(ReadError::Foreign),
        }
    }

    /// The next record; `None` once the last line was read, and is right.
    pub(in crate::cli) fn next(&mut self) -> Result<Option<Numbered<Record>>, ReadError> {
        if self.is_ended {
            return Ok(None);
        }
        self.hasher.update(&self.buffer);
        if !self.read_line()? {
            return Err(ReadError::Truncated(self.line));
        }
        let AnyLine { kind } = self.parsed()?;
        let record = match kind {
            Kind::EtiquetaExport => return Err(self.wrong("it is a first line")),
            Kind::End => {
                self.end()?;
                return Ok(None);
            }
            Kind::Vocabulary => {
                let line: VocabularyLine = self.parsed()?;
                let entry = VocabularyEntry::try_from(line);
                Record::Entry(entry.map_err(|reason| self.wrong(reason))?)
            }
            Kind::Image => {
                let line: ImageLine = self.parsed()?;
                let image = StoredImage::try_from(line);
                Record::Image(image.map_err(|reason| self.wrong(reason))?.into())
            }
            Kind::Answer => {
                let line: AnswerLine = self.parsed()?;
                Record::try_from(line).map_err(|reason| self.wrong(reason))?
            }
        };
        self.count(&record)?;
        let line = self.line;
        Ok(Some(Numbered { line, record }))
    }

    /// The counts of the records so far.
    pub(in crate::cli) fn counts(&self) -> Counts {
        self.counts
    }

    /// The bytes of the line that was read last.
    pub(in crate::cli) fn line_length(&self) -> usize {
        self.buffer.len()
    }

    /// Counts a record, which must be behind the one before it.
    fn count(&mut self, record: &Record) -> Result<(), ReadError> {
        let count = match record {
            Record::Entry(_) => &mut self.counts.vocabulary,
            Record::Image(_) => &mut self.counts.images,
            Record::Answer(..) => &mut self.counts.answers,
        };
        *count += 1;
        let position = Position::from(record);
        if self.last.as_ref().is_some_and(|last| *last >= position) {
            let reason = "it repeats the line before it, or is out of the order of exports";
            return Err(self.wrong(reason));
        }
        self.last = Some(position);
        Ok(())
    }

    /// Compares what was read with the last line.
    fn end(&mut self) -> Result<(), ReadError> {
        let last: LastLine = self.parsed()?;
        let counts = Counts {
            vocabulary: last.vocabulary,
            images: last.images,
            answers: last.answers,
        };
        if counts != self.counts {
            let Counts {
                vocabulary,
                images,
                answers,
            } = self.counts;
            return Err(ReadError::Counts(format!(
                "{} entries of the vocabulary, {} images and {} answers, but there are {vocabulary}, \
                 {images} and {answers}",
                counts.vocabulary, counts.images, counts.answers
            )));
        }
        let digest = self.hasher.clone().finish().to_string();
        if last.sha256.is_some_and(|sha256| sha256 != digest) {
            return Err(ReadError::Checksum);
        }
        if self.read_line()? {
            return Err(self.wrong("it is behind the last line of the export"));
        }
        self.is_ended = true;
        Ok(())
    }

    /// Reads a line, with its line feed. `false` at the end.
    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        let mut input = Read::by_ref(&mut self.input).take(LONGEST_LINE + 1);
        input.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(false);
        }
        self.line += 1;
        if self.buffer.len() as u64 > LONGEST_LINE {
            return Err(self.wrong("it is longer than any line of an export"));
        }
        Ok(true)
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        serde_json::from_slice(&self.buffer).map_err(|error| {
            if !self.buffer.ends_with(b"\n") {
                return ReadError::Truncated(self.line);
            }
            // It counts lines from 1, of which it sees this one alone.
            let text = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = text.strip_suffix(&place).unwrap_or(&text);
            self.wrong(format!("{text} (column {})", error.column()))
        })
    }

    fn wrong(&self, reason: impl Into<String>) -> ReadError {
        ReadError::Line {
            line: self.line,
            reason: reason.into(),
        }
    }
}
