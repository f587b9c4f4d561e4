//! What is checked before anything is restored.

use std::path::Path;

use anyhow::{Context, bail};
use domain::{ImageId, Vocabulary, VocabularyEntry, service::Restoring};
use tokio_util::sync::CancellationToken;

use super::{Interrupted, STANDARD, open};
use crate::cli::export::format::{Counts, Record};

/// How many ids are looked up at a time.
const IDS: usize = 500;

/// An export that is whole.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) counts: Counts,
    vocabulary: Vec<VocabularyEntry>,
}

impl Checked {
    /// Reads a file to its end.
    pub(super) fn read(path: &Path, stop: &CancellationToken) -> anyhow::Result<Self> {
        let mut reader = open(path)?;
        let mut vocabulary = Vec::new();
        while let Some(numbered) = reader.next()? {
            if stop.is_cancelled() {
                bail!(Interrupted);
            }
            if let Record::Entry(entry) = numbered.record {
                vocabulary.push(entry);
            }
        }
        let fitting = Vocabulary::new(vocabulary.iter().cloned());
        fitting.context("the entries of its vocabulary do not fit together")?;
        let counts = reader.counts();
        Ok(Self { counts, vocabulary })
    }
}

/// Fails if the store has something that is not in the export: it would be mixed up with another one.
pub(super) async fn require_own(
    restoring: &Restoring,
    checked: Option<&Checked>,
    path: &Path,
) -> anyhow::Result<()> {
    const MERGE: &str = "To add the export to it nevertheless, give --merge";
    let images = restoring.count().await?;
    let entries = checked.map_or(&[][..], |checked| &checked.vocabulary);
    if let Some(tag) = restoring.foreign_tag(entries).await? {
        bail!(
            "the store has a vocabulary already, with the tag {:?}, say. {MERGE}",
            tag.as_str()
        );
    }
    if images == 0 {
        return Ok(());
    }
    if checked.is_none() {
        bail!(
            "the store has {images} images already, and whether they are of the export cannot be \
             seen on standard input. Name a file, or give --merge"
        );
    }
    let present = present(restoring, path).await?;
    if present < images {
        let foreign = images - present;
        bail!("the store has {foreign} images that are not in the export. {MERGE}");
    }
    Ok(())
}

/// How many images of an export are in the store.
async fn present(restoring: &Restoring, path: &Path) -> anyhow::Result<u64> {
    debug_assert_ne!(path, Path::new(STANDARD));
    let mut reader = open(path)?;
    let (mut present, mut ids) = (0, Vec::<ImageId>::new());
    while let Some(numbered) = reader.next()? {
        if let Record::Image(image) = numbered.record {
            ids.push(image.id);
        }
        if ids.len() == IDS {
            present += restoring.count_present(&ids).await?;
            ids.clear();
        }
    }
    Ok(present + restoring.count_present(&ids).await?)
}
