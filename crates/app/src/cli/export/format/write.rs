//! Writes exports.

use std::io::{self, Write};

use domain::{ContentHasher, Tagging, TaggingKey, VocabularyEntry, ports::StoredImage};
use serde::Serialize;

use super::{
    Counts, FirstLine, Kind, LastLine, VERSION,
    image::ImageLine,
    record::{AnswerLine, VocabularyLine},
};

/// Writes an export, record by record, in the order of the format.
pub(in crate::cli) struct ExportWriter<W> {
    out: W,
    hasher: ContentHasher,
    counts: Counts,
    line: Vec<u8>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export.
    pub(in crate::cli) fn begin(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            hasher: ContentHasher::default(),
            counts: Counts::default(),
            line: Vec::new(),
        };
        writer.write(&FirstLine {
            kind: Kind::EtiquetaExport,
            version: VERSION,
        })?;
        Ok(writer)
    }

    pub(in crate::cli) fn entry(&mut self, entry: &VocabularyEntry) -> io::Result<()> {
        self.counts.vocabulary += 1;
        self.write(&VocabularyLine::from(entry))
    }

    pub(in crate::cli) fn image(&mut self, image: &StoredImage) -> io::Result<()> {
        self.counts.images += 1;
        self.write(&ImageLine::from(image))
    }

    pub(in crate::cli) fn answer(&mut self, key: &TaggingKey, answer: &Tagging) -> io::Result<()> {
        self.counts.answers += 1;
        self.write(&AnswerLine::new(key, answer))
    }

    /// Writes the last line.
    pub(in crate::cli) fn end(mut self) -> io::Result<Counts> {
        let Counts {
            vocabulary,
            images,
            answers,
        } = self.counts;
        let sha256 = Some(self.hasher.clone().finish().to_string());
        self.write(&LastLine {
            kind: Kind::End,
            vocabulary,
            images,
            answers,
            sha256,
        })?;
        self.out.flush()?;
        Ok(self.counts)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        // Not to `out` itself: its errors must come back as they are.
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.hasher.update(&self.line);
        self.out.write_all(&self.line)
    }
}
