//! Temporary uploads, under a prefix of their own beside the originals: `.etiqueta-uploads/ID`. An id holds the time at
//! which it was made, so that neither the clock of a file system nor that of a bucket counts.

use std::{fs, io, ops::Range, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    UploadId,
    ports::{KeptUploads, OriginalContent, OriginalStoreError, UploadStore},
};
use futures_util::TryStreamExt;
use object_store::{Error, ObjectStoreExt, path::Path};

use crate::{
    content::{self, Opened, unavailable},
    directory::Directory,
    folder::{entries, is_gone},
    key::UPLOADS,
    store::{Originals, found, in_root, present},
};

fn key(id: &UploadId) -> Path {
    Path::from_iter([UPLOADS, id.to_string().as_str()])
}

fn place(folder: &Directory, id: &UploadId) -> PathBuf {
    folder.root.path().join(UPLOADS).join(id.to_string())
}

/// When the id in a name was made. The remains of an interrupted put have a `#` behind it.
fn made_at(name: &str) -> Option<DateTime<Utc>> {
    let id = name.split('#').next().unwrap_or_default();
    id.parse::<UploadId>().ok()?.made_at()
}

/// Whether an object must go. One that is none of ours stays.
fn is_due(name: &str, alive: &Range<DateTime<Utc>>) -> bool {
    made_at(name).is_some_and(|at| !alive.contains(&at))
}

fn count(kept: &mut KeptUploads, len: u64) {
    kept.count += 1;
    kept.bytes += len;
}

/// Sweeps the uploads in a folder. Blocks.
fn sweep(folder: &Directory, alive: &Range<DateTime<Utc>>) -> io::Result<KeptUploads> {
    let mut kept = KeptUploads::default();
    for entry in entries(&folder.root.path().join(UPLOADS))? {
        let name = entry.file_name();
        if is_due(&name.to_string_lossy(), alive) {
            kept.removed += u64::from(removed(fs::remove_file(entry.path()))?);
        } else if let Some(facts) = present(entry.metadata())? {
            count(&mut kept, facts.len());
        }
    }
    Ok(kept)
}

/// Whether a removal did something.
fn removed(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Err(error) if is_gone(&error) => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

impl Originals {
    async fn sweep_bucket(
        &self,
        alive: &Range<DateTime<Utc>>,
    ) -> Result<KeptUploads, OriginalStoreError> {
        let mut kept = KeptUploads::default();
        let prefix = Path::from(UPLOADS);
        let mut listed = self.objects.list(Some(&prefix));
        while let Some(object) = listed.try_next().await.map_err(unavailable)? {
            let name = object.location.filename().unwrap_or_default();
            if is_due(name, alive) {
                found(self.objects.delete(&object.location).await)?;
                kept.removed += 1;
            } else {
                count(&mut kept, object.size);
            }
        }
        Ok(kept)
    }
}

#[async_trait]
impl UploadStore for Originals {
    async fn put(&self, id: &UploadId, bytes: Bytes) -> Result<(), OriginalStoreError> {
        // What is put while the folder is gone would be made below its disk.
        self.in_folder(|folder| folder.root.check()).await?;
        let put = self.objects.put(&key(id), bytes.into()).await;
        put.map(drop).map_err(unavailable)
    }

    async fn get(&self, id: &UploadId) -> Result<Option<OriginalContent>, OriginalStoreError> {
        let id = *id;
        let Some(folder) = &self.folder else {
            let found = found(self.objects.get(&key(&id)).await)?;
            return Ok(found.map(content::content));
        };
        let open = move |folder: &Directory| present(content::open(&place(folder, &id), None));
        let opened = in_root(folder, open).await?;
        Ok(opened.map(Opened::content))
    }

    async fn remove(&self, id: &UploadId) -> Result<bool, OriginalStoreError> {
        let id = *id;
        if let Some(folder) = &self.folder {
            let remove = move |folder: &Directory| removed(fs::remove_file(place(folder, &id)));
            return in_root(folder, remove).await;
        }
        // The deletion of an object that is not there succeeds as well.
        match self.objects.head(&key(&id)).await {
            Ok(_) => {}
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(unavailable(error)),
        }
        found(self.objects.delete(&key(&id)).await).map(|deleted| deleted.is_some())
    }

    async fn sweep(&self, alive: Range<DateTime<Utc>>) -> Result<KeptUploads, OriginalStoreError> {
        match &self.folder {
            Some(folder) => in_root(folder, move |folder| sweep(folder, &alive)).await,
            None => self.sweep_bucket(&alive).await,
        }
    }
}
