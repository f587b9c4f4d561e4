//! The tags that images show as a table (RFC 4180), for people and spreadsheets. It is not read back.

use std::io::Write;

use chrono_tz::Tz;
use csv::{ErrorKind, Terminator, Writer, WriterBuilder};
use domain::{SourcedTag, TagSource, ports::StoredImage};

/// The names of the columns.
const COLUMNS: [&str; 7] = [
    "id",
    "date",
    "file_name",
    "tag",
    "confidence",
    "source",
    "provider",
];

/// A row for each tag, and one for an image without tags.
pub(super) struct CsvWriter<W: Write> {
    rows: Writer<W>,
    zone: Tz,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the names of the columns.
    pub(super) fn begin(out: W, zone: Tz) -> anyhow::Result<Self> {
        let mut rows = WriterBuilder::new();
        let rows = rows.terminator(Terminator::CRLF).from_writer(out);
        let mut writer = Self { rows, zone };
        writer.row(&COLUMNS)?;
        Ok(writer)
    }

    pub(super) fn image(&mut self, image: &StoredImage) -> anyhow::Result<()> {
        let id = image.id.to_string();
        // As the API writes it.
        let date = image.registered_at.with_timezone(&self.zone);
        let date = date.format("%Y-%m-%d %H:%M:%S").to_string();
        let name = guarded(image.info.file_name.as_deref().unwrap_or_default());
        let shown = image.tags.shown();
        if shown.is_empty() {
            self.row(&[&id, &date, &name, "", "", "", ""])?;
        }
        for SourcedTag { tag, source } in shown {
            let provider = match &source {
                TagSource::Provider(tagger) => tagger.name.as_deref().unwrap_or_default(),
                TagSource::Person | TagSource::File => "",
            };
            let confidence = tag.confidence.get().to_string();
            self.row(&[
                &id,
                &date,
                &name,
                &guarded(tag.label.as_str()),
                &confidence,
                source.kind().as_str(),
                &guarded(provider),
            ])?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        Ok(self.rows.flush()?)
    }

    fn row(&mut self, fields: &[&str; COLUMNS.len()]) -> anyhow::Result<()> {
        self.rows
            .write_record(fields)
            .map_err(|error| match error.into_kind() {
                // As it is: it says whether the reader has gone.
                ErrorKind::Io(error) => error.into(),
                kind => anyhow::anyhow!("writing the table: {kind:?}"),
            })
    }
}

/// A text that no spreadsheet takes for a formula: names of files come from anybody.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use domain::{ImageInfo, ImageTags, TaggerVersion, ports::TagsVersion};
    use domain_testing::{at, image, tag};

    use super::*;

    fn stored(name: &str, tags: &[(&str, f64, TagSource)]) -> StoredImage {
        let said = tags.iter().map(|(text, confidence, source)| SourcedTag {
            tag: tag(text, *confidence),
            source: source.clone(),
        });
        let image = image(b"a", at(0), &[]);
        StoredImage {
            id: domain::ImageId::from_bytes([7; 16]),
            registered_at: image.registered_at,
            digest: image.digest,
            facts: image.facts,
            info: ImageInfo {
                file_name: Some(name.to_owned()),
                ..ImageInfo::default()
            },
            tags: ImageTags::new(said, []),
            version: TagsVersion(0),
        }
    }

    #[test]
    fn rows_are_quoted_and_hold_no_formulas() {
        let imagga = TagSource::Provider(TaggerVersion {
            name: Some("imagga".to_owned()),
            version: None,
        });
        let mut out = Vec::new();
        let mut writer = CsvWriter::begin(&mut out, Tz::America__New_York).unwrap();
        let tags = [
            ("=1+1", 100.0, TagSource::Person),
            ("a, \"b\"", 100.0 / 3.0, imagga),
            ("file", 2.5, TagSource::File),
        ];
        writer.image(&stored("+niño.jpg", &tags)).unwrap();
        writer.image(&stored("a-b", &[])).unwrap();
        writer.end().unwrap();
        let id = "07070707-0707-0707-0707-070707070707,2023-12-31 19:00:00";
        let expected = format!(
            "id,date,file_name,tag,confidence,source,provider\r\n\
             {id},'+niño.jpg,'=1+1,100,person,\r\n\
             {id},'+niño.jpg,\"a, \"\"b\"\"\",33.333333333333336,provider,imagga\r\n\
             {id},'+niño.jpg,file,2.5,file,\r\n\
             {id},a-b,,,,\r\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
