//! The store itself.

use std::{io, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    ContentDigest, DatabaseId, Fence,
    ports::{
        DatabaseRegistry, Fate, Fingerprint, OriginalContent, OriginalRemoval, OriginalStore,
        OriginalStoreError, PutMode, SetAside, StoredObject, StoredOriginal, clip,
    },
};
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path,
};

use crate::{
    content::{self, Opened, unavailable},
    directory::{Directory, blocking},
    folder,
    key::{RENDITIONS, UPLOADS, key},
    listing, quarantine, registry,
    removal::{self, Removals},
    shards,
};

/// Originals in a folder or a bucket.
#[derive(Debug)]
pub struct Originals {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// The same without retries in a bucket.
    pub(crate) once: Arc<dyn ObjectStore>,
    /// The directory of the objects, unless they are in a bucket.
    pub(crate) folder: Option<Arc<Directory>>,
}

impl Originals {
    /// Whether the original exists in its full length.
    async fn is_whole(&self, key: &Path, len: usize) -> Result<bool, OriginalStoreError> {
        match self.objects.head(key).await {
            Ok(found) => Ok(found.size == len as u64),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Runs a folder operation that `object_store` lacks. A no-op on buckets.
    pub(crate) async fn in_folder(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<()> + Send + 'static,
    ) -> Result<(), OriginalStoreError> {
        match &self.folder {
            Some(folder) => blocking(folder, work).await,
            None => Ok(()),
        }
    }

    /// Calls a bucket for an original, including one set aside.
    async fn in_bucket<T, A>(
        &self,
        digest: &ContentDigest,
        ask: impl Fn(Path) -> A,
    ) -> Result<Option<T>, OriginalStoreError>
    where
        A: Future<Output = Result<T, Error>>,
    {
        if let Some(found) = found(ask(key(digest)).await)? {
            return Ok(Some(found));
        }
        if let Some(aside) = removal::find(&*self.objects, digest).await?
            && let Some(found) = found(ask(aside).await)?
        {
            return Ok(Some(found));
        }
        // It may have been put back just now.
        found(ask(key(digest)).await)
    }
}

/// Opens an object of a bucket, or a range of it.
async fn opened(
    objects: &dyn ObjectStore,
    key: Path,
    range: Option<Range<u64>>,
) -> Result<OriginalContent, Error> {
    let options = GetOptions {
        range: range.clone().map(asked),
        ..GetOptions::default()
    };
    match (objects.get_opts(&key, options).await, range) {
        (Ok(found), _) => Ok(content::content(found)),
        (Err(error), None) | (Err(error @ Error::NotFound { .. }), _) => Err(error),
        // A range that begins beyond the end is refused; the length says what is wrong.
        (Err(error), Some(range)) => {
            let found = objects.head(&key).await?;
            let is_beyond = clip(Some(range), found.size).is_empty();
            is_beyond.then(|| content::empty(&found)).ok_or(error)
        }
    }
}

/// The range as a server is asked for it. An end that is no signed number is refused by some.
fn asked(range: Range<u64>) -> GetRange {
    match i64::try_from(range.end) {
        Ok(_) => GetRange::Bounded(range),
        Err(_) => GetRange::Offset(range.start),
    }
}

/// `None` for an object that does not exist.
pub(crate) fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, OriginalStoreError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(unavailable(error)),
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
            folder.shards.make(folder.root.path(), &digest)
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
                // Another put may have created the name just now.
                folder::sync(&shards::path(folder.root.path(), &digest))?;
            }
            // The disk may have been unmounted meanwhile, and the original with it.
            folder.root.check()
        })
        .await
    }

    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Result<Option<OriginalContent>, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            let ask = |key| opened(&*self.objects, key, range.clone());
            return self.in_bucket(digest, ask).await;
        };
        let open = move |place: &std::path::Path| content::open(place, range.clone());
        let opened = in_file(folder, digest, open).await?;
        Ok(opened.map(Opened::content))
    }

    async fn length(&self, digest: &ContentDigest) -> Result<Option<u64>, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            let objects = &self.objects;
            let ask = |key| async move { objects.head(&key).await };
            let found = self.in_bucket(digest, ask).await?;
            return Ok(found.map(|found| found.size));
        };
        in_file(folder, digest, folder::length).await
    }

    async fn fingerprint(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Fingerprint>, OriginalStoreError> {
        let Some(folder) = &self.folder else {
            return match self.get(digest, None).await? {
                Some(content) => content.fingerprint().await.map(Some),
                None => Ok(None),
            };
        };
        in_file(folder, digest, content::fingerprint).await
    }

    fn list(&self) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>> {
        let Some(folder) = self.folder.clone() else {
            let objects = self.objects.list(None).map_err(unavailable);
            return objects
                .try_filter_map(async |found| Ok(object(&found)))
                .boxed();
        };
        // A missing folder looks empty; one that goes meanwhile looks shorter than it is.
        checked(Arc::clone(&folder))
            .chain(listing::list(Arc::clone(&folder)))
            .chain(checked(folder))
            .boxed()
    }

    async fn ready(&self) -> Result<(), OriginalStoreError> {
        if self.folder.is_some() {
            return self.in_folder(|folder| folder.root.try_out()).await;
        }
        // A bucket that answers for a missing object is reachable. A refusal of GET says why, that of HEAD cannot.
        let nothing = key(&ContentDigest::from_bytes([0; 32]));
        found(self.objects.get(&nothing).await).map(|_| ())
    }
}

#[async_trait]
impl OriginalRemoval for Originals {
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Result<Option<SetAside>, OriginalStoreError> {
        let original = SetAside {
            digest: *digest,
            fence,
            fate,
            is_settled: true,
        };
        let is_set_aside = match &self.folder {
            Some(folder) => {
                in_root(folder, move |folder| Removals(folder).set_aside(&original)).await
            }
            None => removal::set_aside(&*self.objects, &*self.once, &original).await,
        };
        Ok(is_set_aside?.then_some(original))
    }

    async fn list_set_aside(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<SetAside>, OriginalStoreError> {
        match &self.folder {
            Some(folder) => in_root(folder, |folder| Removals(folder).list()).await,
            None => removal::list(&*self.objects, now).await,
        }
    }

    async fn put_back(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        let original = *original;
        match &self.folder {
            Some(folder) => {
                in_root(folder, move |folder| Removals(folder).put_back(&original)).await
            }
            None => removal::take_back(&*self.objects, &original).await,
        }
    }

    async fn finish(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        let original = *original;
        // Before the original: if this is cut off, the removal is finished later.
        domain::ports::RenditionStore::remove(self, &original.digest).await?;
        if let Some(folder) = &self.folder {
            return in_root(folder, move |folder| Removals(folder).finish(&original)).await;
        }
        let aside = removal::aside(&original);
        if original.fate == Fate::Quarantine {
            let kept = quarantine::key(&original.digest);
            found(self.objects.copy(&aside, &kept).await)?;
        }
        removal::delete(&*self.objects, &aside).await
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
}

#[async_trait]
impl DatabaseRegistry for Originals {
    async fn register(&self, database: &DatabaseId) -> Result<(), OriginalStoreError> {
        let database = *database;
        match &self.folder {
            Some(folder) => {
                in_root(folder, move |folder| {
                    registry::register(folder.root.path(), &database)
                })
                .await
            }
            None => registry::register_in_bucket(&*self.objects, &database).await,
        }
    }

    async fn databases(&self) -> Result<Vec<DatabaseId>, OriginalStoreError> {
        match &self.folder {
            Some(folder) => in_root(folder, |folder| registry::databases(folder.root.path())).await,
            None => registry::databases_of_bucket(&*self.objects).await,
        }
    }

    async fn unregister(&self, database: &DatabaseId) -> Result<bool, OriginalStoreError> {
        let database = *database;
        match &self.folder {
            Some(folder) => {
                in_root(folder, move |folder| {
                    registry::unregister(folder.root.path(), &database)
                })
                .await
            }
            None => registry::unregister_in_bucket(&*self.objects, &database).await,
        }
    }
}

/// An error if the folder is gone, else no item.
fn checked(
    folder: Arc<Directory>,
) -> impl Stream<Item = Result<StoredObject, OriginalStoreError>> + Send {
    let check = async move { blocking(&folder, |folder| folder.root.check()).await };
    stream::once(check).try_filter_map(async |()| Ok(None))
}

/// The kind of an object in a bucket; `None` if it is quarantined, or the store's own.
fn object(found: &ObjectMeta) -> Option<StoredObject> {
    let digest = found.location.filename().and_then(|name| name.parse().ok());
    if let Some(digest) = digest.filter(|digest| key(digest) == found.location) {
        return Some(StoredObject::Original(StoredOriginal {
            digest,
            len: found.size,
            modified: found.last_modified,
        }));
    }
    let is_own = [
        quarantine::QUARANTINE,
        removal::REMOVALS,
        registry::DATABASES,
        RENDITIONS,
        UPLOADS,
    ]
    .iter()
    .any(|own| found.location.prefix_matches(&Path::from(*own)));
    (!is_own).then(|| StoredObject::Foreign(found.location.to_string()))
}

/// Runs a blocking operation in an existing folder.
pub(crate) async fn in_root<T: Send + 'static>(
    folder: &Arc<Directory>,
    work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
) -> Result<T, OriginalStoreError> {
    blocking(folder, move |folder| {
        folder.root.check()?;
        work(folder)
    })
    .await
}

/// Runs an operation on the file of an original, if it exists, including one set aside.
async fn in_file<T: Send + 'static>(
    folder: &Arc<Directory>,
    digest: &ContentDigest,
    work: impl Fn(&std::path::Path) -> io::Result<T> + Send + 'static,
) -> Result<Option<T>, OriginalStoreError> {
    let digest = *digest;
    blocking(folder, move |folder| {
        let place = shards::path(folder.root.path(), &digest).join(digest.to_string());
        if let Some(done) = present(work(&place))? {
            return Ok(Some(done));
        }
        for aside in Removals(folder).find(&digest)? {
            if let Some(done) = present(work(&aside))? {
                return Ok(Some(done));
            }
        }
        // It may have been put back just now.
        match present(work(&place))? {
            None => folder.root.check().map(|()| None),
            done => Ok(done),
        }
    })
    .await
}

/// `None` for a file that does not exist.
pub(crate) fn present<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if folder::is_gone(&error) => Ok(None),
        outcome => outcome.map(Some),
    }
}

#[cfg(test)]
mod tests;
