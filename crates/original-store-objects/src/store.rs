//! The store itself.

use std::{io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    ContentDigest,
    ports::{
        Fingerprint, OriginalContent, OriginalStore, OriginalStoreError, PutMode, StoredObject,
        StoredOriginal,
    },
};
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use tokio::task::spawn_blocking;

use crate::{
    content::{self, Opened, unavailable},
    fan::{self, Fan},
    folder, listing, quarantine,
    root::Root,
};

#[derive(Debug)]
pub(crate) struct Originals {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// The folder that the objects are in, where they are in one.
    pub(crate) folder: Option<Arc<Folder>>,
}

#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) root: Root,
    pub(crate) fan: Fan,
}

impl Originals {
    /// Whether the original is there in its full length.
    async fn is_whole(&self, key: &Path, len: usize) -> Result<bool, OriginalStoreError> {
        match self.objects.head(key).await {
            Ok(found) => Ok(found.size == len as u64),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Does what `object_store` does not do to a folder. There is nothing to do to a bucket.
    async fn in_folder(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<()> + Send + 'static,
    ) -> Result<(), OriginalStoreError> {
        match &self.folder {
            Some(folder) => blocking(folder, work).await,
            None => Ok(()),
        }
    }

    /// Fails if the folder is gone, so that nothing in it is taken for gone.
    async fn check(&self) -> Result<(), OriginalStoreError> {
        self.in_folder(|folder| folder.root.check()).await
    }
}

#[async_trait]
impl OriginalStore for Originals {
    async fn put(
        &self,
        digest: &ContentDigest,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), OriginalStoreError> {
        let (key, digest) = (key(digest), *digest);
        self.in_folder(move |folder| {
            folder.root.check()?;
            folder.fan.make(folder.root.path(), &digest)
        })
        .await?;
        let is_kept = mode == PutMode::KeepExisting && self.is_whole(&key, bytes.len()).await?;
        if !is_kept {
            self.objects
                .put(&key, bytes.into())
                .await
                .map_err(unavailable)?;
        }
        self.in_folder(move |folder| {
            if is_kept {
                // Another put may have made the name just now.
                folder::sync(&fan::path(folder.root.path(), &digest))?;
            }
            // The disk may have gone meanwhile, and the original with it.
            folder.root.check()
        })
        .await
    }

    async fn get(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<OriginalContent>, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            return match self.objects.get(&key(digest)).await {
                Ok(found) => Ok(Some(content::content(found))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(unavailable(error)),
            };
        };
        let opened = in_file(folder, digest, content::open).await?;
        Ok(opened.map(Opened::content))
    }

    async fn remove(&self, digest: &ContentDigest) -> Result<(), OriginalStoreError> {
        match self.objects.delete(&key(digest)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(unavailable(error)),
        }
        let digest = *digest;
        self.in_folder(move |folder| {
            folder.root.check()?;
            // Also what was gone already: who removed it may not be done.
            folder::sync_removal(&fan::path(folder.root.path(), &digest))
        })
        .await
    }

    async fn length(&self, digest: &ContentDigest) -> Result<Option<u64>, OriginalStoreError> {
        match self.objects.head(&key(digest)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => self.check().await.map(|()| None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn fingerprint(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Fingerprint>, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            return match self.get(digest).await? {
                Some(content) => content.fingerprint().await.map(Some),
                None => Ok(None),
            };
        };
        in_file(folder, digest, content::fingerprint).await
    }

    async fn quarantine(&self, digest: &ContentDigest) -> Result<bool, OriginalStoreError> {
        let digest = *digest;
        if let Some(folder) = &self.folder {
            return blocking(folder, move |folder| {
                folder.root.check()?;
                quarantine::rename(folder.root.path(), &digest)
            })
            .await;
        }
        let key = key(&digest);
        match self.objects.copy(&key, &quarantine::key(&digest)).await {
            Err(Error::NotFound { .. }) => return Ok(false),
            outcome => outcome.map_err(unavailable)?,
        }
        self.remove(&digest).await.map(|()| true)
    }

    fn list(&self) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>> {
        let Some(folder) = self.folder.clone() else {
            let objects = self.objects.list(None).map_err(unavailable);
            return objects
                .try_filter_map(async |found| Ok(object(&found)))
                .boxed();
        };
        // A folder that is gone looks empty; one that goes meanwhile looks shorter than it is.
        checked(Arc::clone(&folder))
            .chain(listing::list(Arc::clone(&folder)))
            .chain(checked(folder))
            .boxed()
    }

    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            return Ok(0);
        };
        blocking(folder, move |folder| {
            folder.root.check()?;
            folder::sweep(folder.root.path(), before.into())
        })
        .await
    }

    async fn ready(&self) -> Result<(), OriginalStoreError> {
        if self.folder.is_some() {
            return self.in_folder(|folder| folder.root.try_out()).await;
        }
        // A bucket that answers for something that is not there answers.
        self.is_whole(&key(&ContentDigest::from_bytes([0; 32])), 0)
            .await
            .map(|_| ())
    }
}

/// No item if the folder is there, else an error.
fn checked(
    folder: Arc<Folder>,
) -> impl Stream<Item = Result<StoredObject, OriginalStoreError>> + Send {
    let check = async move { blocking(&folder, |folder| folder.root.check()).await };
    stream::once(check).try_filter_map(async |()| Ok(None))
}

/// Where an original lies: `ab/cd/abcd…`.
fn key(digest: &ContentDigest) -> Path {
    let name = digest.to_string();
    let fan = |from: usize| name.get(from..from + 2).unwrap_or_default();
    Path::from_iter([fan(0), fan(2), name.as_str()])
}

/// What an object of a bucket is; none if it was quarantined.
fn object(found: &ObjectMeta) -> Option<StoredObject> {
    let digest = found.location.filename().and_then(|name| name.parse().ok());
    if let Some(digest) = digest.filter(|digest| key(digest) == found.location) {
        return Some(StoredObject::Original(StoredOriginal {
            digest,
            len: found.size,
            modified: found.last_modified,
        }));
    }
    let is_own = found
        .location
        .prefix_matches(&Path::from(quarantine::QUARANTINE));
    (!is_own).then(|| StoredObject::Foreign(found.location.to_string()))
}

/// Does what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    folder: &Arc<Folder>,
    work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
) -> Result<T, OriginalStoreError> {
    let folder = Arc::clone(folder);
    let outcome = spawn_blocking(move || work(&folder))
        .await
        .unwrap_or_else(|lost| Err(io::Error::other(lost)));
    outcome.map_err(unavailable)
}

/// Does something to the file of an original, if it is there.
async fn in_file<T: Send + 'static>(
    folder: &Arc<Folder>,
    digest: &ContentDigest,
    work: impl FnOnce(&std::path::Path) -> io::Result<T> + Send + 'static,
) -> Result<Option<T>, OriginalStoreError> {
    let digest = *digest;
    let in_folder = move |folder: &Folder| {
        let place = fan::path(folder.root.path(), &digest).join(digest.to_string());
        match work(&place) {
            Err(error) if folder::is_gone(&error) => folder.root.check().map(|()| None),
            outcome => outcome.map(Some),
        }
    };
    blocking(folder, in_folder).await
}

#[cfg(test)]
mod tests;
