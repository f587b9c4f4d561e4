//! Takes the keywords of files along: those of sidecars, and those in the pictures themselves.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::{
    Confidence, ImageId, Label, MAX_SHOWN, Tag,
    service::{FileKeywords, IngestError, Sidecars, Taken},
};
use xmp::Keywords;

use super::{Failure, read::off_thread};
use crate::cli::sidecar_files;

/// How many keywords that cannot be taken are named for each file.
const NAMED: usize = 10;

/// How many characters of such a keyword are shown.
const SHOWN: usize = 60;

/// Gives the keywords of a picture's files to its image. What is wrong with them is noted. If a sidecar cannot be read,
/// the image keeps what it has.
pub(super) async fn take(
    sidecars: &Sidecars,
    image: &ImageId,
    (path, bytes): (PathBuf, Bytes),
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let found = off_thread(move || {
        let mut notes = Vec::new();
        let keywords = collect(&path, &bytes, &mut notes);
        let keywords = keywords.map(|keywords| parse(keywords, &mut notes));
        Ok((keywords, notes))
    });
    let (keywords, found) = found.await?;
    notes.extend(found);
    let Some(keywords) = keywords else {
        return Ok(());
    };
    let taken = sidecars.take(image, &keywords).await;
    if taken.map_err(IngestError::from)? == Taken::TooMany {
        notes.push(format!(
            "its keywords are left out: an image has at most {MAX_SHOWN} tags"
        ));
    }
    Ok(())
}

/// The keywords of a picture and of its sidecar. None if the sidecar cannot be read.
fn collect(path: &Path, bytes: &[u8], notes: &mut Vec<String>) -> Option<Keywords> {
    let embedded = xmp::embedded(bytes);
    if let Some(error) = embedded.error {
        notes.push(format!("keywords in it are left out: {error}"));
    }
    let mut keywords = embedded.keywords;
    let Some(sidecar) = sidecar_files::find(path) else {
        return Some(keywords);
    };
    let read = sidecar_files::read(&sidecar.path).map_err(|error| error.to_string());
    let read = read.and_then(|(bytes, _)| xmp::read(&bytes).map_err(|error| error.to_string()));
    match read {
        Ok(found) => {
            keywords.join(found);
            Some(keywords)
        }
        Err(error) => {
            let name = sidecar.path.file_name().unwrap_or_default().display();
            notes.push(format!("its sidecar {name} is not read: {error}"));
            None
        }
    }
}

/// The keywords that can be tags, each with full confidence. Others are noted.
fn parse(keywords: Keywords, notes: &mut Vec<String>) -> FileKeywords {
    let mut wrong = 0;
    let tags = keywords.names.iter().filter_map(|name| {
        let confidence = Confidence::new(100.0).ok()?;
        match Label::parse(name) {
            Ok(label) => Some(Tag { label, confidence }),
            Err(error) => {
                wrong += 1;
                if wrong <= NAMED {
                    let shown: String = name.chars().take(SHOWN).collect();
                    notes.push(format!("its keyword {shown:?} is left out: {error}"));
                }
                None
            }
        }
    });
    let tags = tags.collect();
    if wrong > NAMED {
        notes.push(format!("{} more keywords are left out", wrong - NAMED));
    }
    FileKeywords {
        tags,
        written: keywords.written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_that_cannot_be_tags_are_noted_and_the_others_taken() {
        let long = (0..12).map(|n| format!("{n}{}", "x".repeat(300)));
        let names = ["Sea\u{1}", " sea", "\u{2}"].map(str::to_owned);
        let keywords = Keywords {
            names: names.into_iter().chain(long).collect(),
            written: Vec::new(),
        };
        let mut notes = Vec::new();
        let taken = parse(keywords, &mut notes);
        assert_eq!(taken.tags, domain_testing::tags(&[("sea", 100.0)]));
        assert_eq!(notes.len(), 11);
        assert!(notes.iter().all(|note| note.len() < 200));
        assert_eq!(notes[10], "3 more keywords are left out");
    }
}
