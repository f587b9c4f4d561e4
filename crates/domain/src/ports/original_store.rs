//! Where the uploaded bytes are kept.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use thiserror::Error;

use super::Cause;
use crate::ContentDigest;

/// Keeps originals, addressed by the digest of their content.
///
/// A store that is gone as a whole (a disk that is not mounted, a folder that was taken away) is not
/// available; it is never taken for an empty one.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait OriginalStore: Send + Sync {
    /// Keeps bytes. Atomic and durable: once it returned `Ok` they survive a power cut, and nobody
    /// ever sees a part of them. The same digest twice, even at once, is one original.
    async fn put(&self, digest: &ContentDigest, bytes: Bytes) -> Result<(), OriginalStoreError>;

    /// Opens an original.
    async fn get(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<OriginalContent>, OriginalStoreError>;

    /// Removes an original, durably: once it returned `Ok`, no power cut brings it back. One that is
    /// not there counts as removed.
    async fn remove(&self, digest: &ContentDigest) -> Result<(), OriginalStoreError>;

    /// All originals, in no particular order. Foreign files are passed over.
    fn list(&self) -> BoxStream<'static, Result<StoredOriginal, OriginalStoreError>>;

    /// Removes what puts that were cut off before that time left behind. Says how much it was.
    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError>;

    /// Whether originals can be put and read.
    async fn ready(&self) -> Result<(), OriginalStoreError>;
}

/// An original that has been opened.
pub struct OriginalContent {
    /// Its length in bytes.
    pub len: u64,
    /// Its bytes, in pieces of the adapter's choice. A piece that cannot be read is an error; the
    /// stream never ends early without one.
    pub stream: BoxStream<'static, Result<Bytes, OriginalStoreError>>,
}

/// An original in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOriginal {
    /// Its digest.
    pub digest: ContentDigest,
    /// Its length in bytes.
    pub len: u64,
    /// When it was put.
    pub modified: DateTime<Utc>,
}

/// Why the original store did not do its work.
#[derive(Debug, Clone, Error)]
pub enum OriginalStoreError {
    /// The folder or bucket cannot be reached, is full, or refuses access.
    #[error("the store of originals is not available")]
    Unavailable(#[source] Cause),
    /// An original is shorter or longer than it was.
    #[error("an original was altered")]
    Altered(#[source] Cause),
}
