//! Opens a store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use object_store::{Error, local::LocalFileSystem};
use thiserror::Error;

use crate::{
    bucket, directory::Directory, root::Root, shards::ShardDirectories, store::Originals,
    url::OriginalsUrl,
};

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder can neither be opened nor created.
    #[error("the folder {} cannot be used: {source}", .path.display())]
    Folder {
        /// The folder's path, as given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The S3 settings are incomplete.
    #[error("the bucket cannot be used: {0}")]
    Bucket(#[source] Box<Error>),
}

/// Opens a store of originals. A missing folder is created; a bucket is not called yet.
///
/// Region, endpoint and credentials of S3 are those of the usual `AWS_*` variables.
pub fn open(url: &OriginalsUrl) -> Result<Arc<Originals>, OpenError> {
    open_with(url, Root::make)
}

/// Opens an existing store of originals: a folder must have its marker. Creates nothing.
pub fn open_existing(url: &OriginalsUrl) -> Result<Arc<Originals>, OpenError> {
    open_with(url, Root::find)
}

fn open_with(
    url: &OriginalsUrl,
    root: fn(&Path) -> io::Result<Root>,
) -> Result<Arc<Originals>, OpenError> {
    Ok(match url {
        OriginalsUrl::Folder(path) => Arc::new(open_folder(path, root)?),
        OriginalsUrl::Bucket { name, prefix } => {
            let bucket = bucket::open(name, prefix).map_err(|e| OpenError::Bucket(Box::new(e)))?;
            Arc::new(Originals {
                objects: bucket.retrying,
                once: bucket.once,
                folder: None,
            })
        }
    })
}

fn open_folder(path: &Path, root: fn(&Path) -> io::Result<Root>) -> Result<Originals, OpenError> {
    let refused = |source| OpenError::Folder {
        path: path.to_owned(),
        source,
    };
    let root = root(path).map_err(refused)?;
    let objects = LocalFileSystem::new_with_prefix(root.path())
        .map_err(|error| refused(io::Error::other(error)))?
        .with_fsync(true);
    let shards = ShardDirectories::default();
    let objects = Arc::new(objects);
    Ok(Originals {
        once: objects.clone(),
        objects,
        folder: Some(Arc::new(Directory { root, shards })),
    })
}
