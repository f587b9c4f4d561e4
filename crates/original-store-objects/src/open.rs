//! Opening a store.

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
pub fn open(url: &OriginalsUrl) -> Result<Arc<Originals>, OpenError> {
    open_with(url, Root::make)
}

/// Opens a store of originals that is there: a folder must bear its mark. Nothing is made.
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
                objects: bucket.patient,
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
