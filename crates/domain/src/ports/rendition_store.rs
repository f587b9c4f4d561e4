//! Where renditions are kept.

use async_trait::async_trait;
use bytes::Bytes;

use super::OriginalStoreError;
use crate::{ContentDigest, RenditionKey};

/// Keeps renditions beside the originals. Each can be made again: losing one costs time alone.
///
/// The renditions of an original go when [`OriginalRemoval::finish`](super::OriginalRemoval::finish) removes it.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RenditionStore: Send + Sync {
    /// A rendition as it was put; `None` for one that was cut off or altered since.
    async fn get(&self, key: &RenditionKey) -> Result<Option<Bytes>, OriginalStoreError>;

    /// Keeps a rendition, atomically. One that is there is replaced.
    async fn put(&self, key: &RenditionKey, bytes: Bytes) -> Result<(), OriginalStoreError>;

    /// Removes all renditions of an original.
    async fn remove(&self, digest: &ContentDigest) -> Result<(), OriginalStoreError>;

    /// Removes the oldest renditions until those that are left have at most that many bytes together. Says how
    /// many bytes they have.
    async fn prune(&self, limit: u64) -> Result<u64, OriginalStoreError>;
}
