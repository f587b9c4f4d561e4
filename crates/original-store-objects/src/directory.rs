//! An open directory of originals.

use std::{io, sync::Arc};

use domain::ports::OriginalStoreError;
use tokio::task::spawn_blocking;

use crate::{content::unavailable, root::Root, shards::ShardDirectories};

/// The root, and the state of its shard directories.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) root: Root,
    pub(crate) shards: ShardDirectories,
}

/// Runs blocking work on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    directory: &Arc<Directory>,
    work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
) -> Result<T, OriginalStoreError> {
    let directory = Arc::clone(directory);
    let outcome = spawn_blocking(move || work(&directory))
        .await
        .unwrap_or_else(|lost| Err(io::Error::other(lost)));
    outcome.map_err(unavailable)
}
