//! Originals as files beside an export: `FOLDER/ab/abcd….jpg`, by digest and media type.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use domain::{
    ContentDigest, ContentHasher, ImageFacts,
    ports::{OriginalContent, OriginalStore, OriginalStoreError},
};
use futures_util::StreamExt;
use thiserror::Error;

use super::output::create_part;

/// A folder that originals are copied to.
pub(in crate::cli) struct OriginalsFolder {
    folder: PathBuf,
    store: Arc<dyn OriginalStore>,
}

/// Why an original was not copied, while others are.
#[derive(Debug, Error)]
pub(in crate::cli) enum CopyError {
    #[error("the original {0} is missing; etiqueta check says more")]
    Missing(ContentDigest),
    #[error("the original {0} was altered; etiqueta check says more")]
    Altered(ContentDigest),
}

/// The file of an original.
pub(in crate::cli) fn path(folder: &Path, digest: &ContentDigest, facts: &ImageFacts) -> PathBuf {
    let digest = digest.to_string();
    // Folders with a million files are slow.
    let shard = digest.get(..2).unwrap_or_default();
    let extension = facts.media_type.extension();
    folder.join(shard).join(format!("{digest}.{extension}"))
}

impl OriginalsFolder {
    pub(super) fn create(folder: PathBuf, store: Arc<dyn OriginalStore>) -> anyhow::Result<Self> {
        let created = fs::create_dir_all(&folder);
        created.with_context(|| format!("creating {}", folder.display()))?;
        Ok(Self { folder, store })
    }

    /// Copies an original, unless its file is there with the right length.
    pub(super) async fn copy(
        &mut self,
        digest: &ContentDigest,
        facts: &ImageFacts,
    ) -> anyhow::Result<Result<(), CopyError>> {
        let path = path(&self.folder, digest, facts);
        if fs::metadata(&path).is_ok_and(|it| it.is_file() && it.len() == facts.byte_size) {
            return Ok(Ok(()));
        }
        let opened = match self.store.get(digest, None).await {
            Ok(None) => return Ok(Err(CopyError::Missing(*digest))),
            Ok(Some(content)) => content,
            Err(OriginalStoreError::Altered(_)) => return Ok(Err(CopyError::Altered(*digest))),
            Err(error) => return Err(error.into()),
        };
        if let Some(shard) = path.parent() {
            fs::create_dir_all(shard).with_context(|| format!("creating {}", shard.display()))?;
        }
        let (file, part) = create_part(&path)?;
        let written = write(opened, file, digest).await;
        let outcome = match written {
            // A name that a power cut takes away is written again.
            Ok(true) => fs::rename(&part, &path).map(Ok).map_err(Into::into),
            Ok(false) => Ok(Err(CopyError::Altered(*digest))),
            Err(error) => Err(error),
        };
        if !matches!(outcome, Ok(Ok(()))) {
            let _ = fs::remove_file(&part);
        }
        outcome.with_context(|| format!("writing {}", path.display()))
    }
}

/// Writes an original to a file. `false` if it does not have its digest.
async fn write(
    content: OriginalContent,
    mut file: File,
    digest: &ContentDigest,
) -> anyhow::Result<bool> {
    let (mut stream, mut hasher) = (content.stream, ContentHasher::default());
    while let Some(piece) = stream.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(OriginalStoreError::Altered(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    Ok(hasher.finish() == *digest)
}
