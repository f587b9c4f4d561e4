//! The store itself.

use std::{
    fs::File,
    io::{self, Read},
    path::{self, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    ContentDigest, ContentHasher,
    ports::{
        Fingerprint, OriginalContent, OriginalStore, OriginalStoreError, StoredObject,
        StoredOriginal, cause,
    },
};
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path,
};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::{
    bucket,
    content::content,
    fan::{self, Fan},
    folder, listing, quarantine,
    root::Root,
    url::OriginalsUrl,
};

/// Originals cannot be kept there.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder can neither be found nor made.
    #[error("the folder {} cannot be used: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The settings of S3 are not complete.
    #[error("the bucket cannot be used: {0}")]
    Bucket(#[source] Box<Error>),
}

/// Opens a store of originals. A folder is made if it is not there; a bucket is not asked yet.
///
/// S3 takes region, endpoint and credentials from the usual `AWS_*` variables.
pub fn open(url: &OriginalsUrl) -> Result<Arc<dyn OriginalStore>, OpenError> {
    open_with(url, Root::make)
}

/// Opens a store of originals that is there: a folder must bear its mark. Nothing is made.
pub fn open_existing(url: &OriginalsUrl) -> Result<Arc<dyn OriginalStore>, OpenError> {
    open_with(url, Root::find)
}

fn open_with(
    url: &OriginalsUrl,
    root: fn(&path::Path) -> io::Result<Root>,
) -> Result<Arc<dyn OriginalStore>, OpenError> {
    Ok(match url {
        OriginalsUrl::Folder(path) => Arc::new(open_folder(path, root)?),
        OriginalsUrl::Bucket { name, prefix } => {
            let objects = bucket::open(name, prefix).map_err(|e| OpenError::Bucket(Box::new(e)))?;
            Arc::new(Originals {
                objects,
                folder: None,
            })
        }
    })
}

fn open_folder(
    path: &path::Path,
    root: fn(&path::Path) -> io::Result<Root>,
) -> Result<Originals, OpenError> {
    let refused = |source| OpenError::Folder {
        path: path.to_owned(),
        source,
    };
    let root = root(path).map_err(refused)?;
    let objects = LocalFileSystem::new_with_prefix(root.path())
        .map_err(|error| refused(io::Error::other(error)))?
        .with_fsync(true);
    let fan = Fan::default();
    Ok(Originals {
        objects: Arc::new(objects),
        folder: Some(Arc::new(Folder { root, fan })),
    })
}

#[derive(Debug)]
struct Originals {
    objects: Arc<dyn ObjectStore>,
    /// The folder that the objects are in, where they are in one.
    folder: Option<Arc<Folder>>,
}

#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) root: Root,
    fan: Fan,
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
    async fn put(&self, digest: &ContentDigest, bytes: Bytes) -> Result<(), OriginalStoreError> {
        let (key, digest) = (key(digest), *digest);
        self.in_folder(move |folder| {
            folder.root.check()?;
            folder.fan.make(folder.root.path(), &digest)
        })
        .await?;
        let is_there = self.is_whole(&key, bytes.len()).await?;
        if !is_there {
            self.objects
                .put(&key, bytes.into())
                .await
                .map_err(unavailable)?;
        }
        self.in_folder(move |folder| {
            if is_there {
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
        match self.objects.get(&key(digest)).await {
            Ok(found) => Ok(Some(content(found))),
            Err(Error::NotFound { .. }) => self.check().await.map(|()| None),
            Err(error) => Err(unavailable(error)),
        }
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
        let digest = *digest;
        blocking(folder, move |folder| {
            let place = fan::path(folder.root.path(), &digest).join(digest.to_string());
            match fingerprint(&place) {
                Err(error) if folder::is_gone(&error) => folder.root.check().map(|()| None),
                outcome => outcome.map(Some),
            }
        })
        .await
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

/// How much of a file is read at a time where nobody else waits for it.
const CHUNK: usize = 256 * 1024;

/// Reads a file to its end. Blocks.
fn fingerprint(place: &path::Path) -> io::Result<Fingerprint> {
    let mut file = File::open(place)?;
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; CHUNK];
    let mut len = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Fingerprint {
        len,
        digest: hasher.finish(),
    })
}

fn unavailable(error: Error) -> OriginalStoreError {
    OriginalStoreError::Unavailable(cause(error))
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
    outcome.map_err(|error| OriginalStoreError::Unavailable(cause(error)))
}
