//! The store of uploaded bytes.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt, stream::BoxStream};
use thiserror::Error;

use super::Cause;
use crate::{ContentDigest, ContentHasher};

/// Stores originals, addressed by the digest of their content.
///
/// A store that is missing as a whole (an unmounted disk, a deleted folder) is unavailable; it must never
/// be taken for an empty one.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalStore: Send + Sync {
    /// Stores bytes. Atomic and durable: once it returned `Ok` they survive a power cut, and no reader ever
    /// sees a part of them. Putting the same digest twice, even concurrently, makes one original.
    async fn put(
        &self,
        digest: &ContentDigest,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), OriginalStoreError>;

    /// Opens an original, or a range of its bytes: nothing outside the range is read, and what of it lies beyond
    /// the end is left out. Includes an original that a removal has set aside.
    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Result<Option<OriginalContent>, OriginalStoreError>;

    /// The length of an original in bytes.
    async fn length(&self, digest: &ContentDigest) -> Result<Option<u64>, OriginalStoreError>;

    /// Reads an original to its end and returns its actual length and digest.
    ///
    /// # Errors
    /// [`OriginalStoreError::Unavailable`] even if only this one cannot be read.
    async fn fingerprint(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Fingerprint>, OriginalStoreError>;

    /// All originals, in no particular order, and foreign files among them. The store's own files are
    /// skipped: puts in progress, originals set aside and the quarantine.
    fn list(&self) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>>;

    /// Whether originals can be put and read.
    async fn ready(&self) -> Result<(), OriginalStoreError>;
}

/// What a put does to an existing original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Keeps it if it has the right length, which costs one metadata request.
    KeepExisting,
    /// Replaces it unconditionally, to repair damage.
    Overwrite,
}

/// An opened original, to be streamed.
pub struct OriginalContent {
    /// The length of the whole original in bytes, also where a range was opened.
    pub len: u64,
    /// Changes with each write of the original, if the store can tell.
    pub stamp: Option<Stamp>,
    /// Its bytes, or those of the range, in chunks of the adapter's choice. A chunk that cannot be read is an
    /// error; the stream never ends early without one.
    pub stream: BoxStream<'static, Result<Bytes, OriginalStoreError>>,
}

/// The part of a range within `len` bytes; without a range all of them.
pub fn clip(range: Option<Range<u64>>, len: u64) -> Range<u64> {
    let range = range.unwrap_or(0..len);
    let end = range.end.min(len);
    range.start.min(end)..end
}

/// Distinguishes the writes of an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// A stamp of metadata that a write changes. Valid within this process only.
    pub fn of(signs: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        signs.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl OriginalContent {
    /// Reads to the end and returns the actual length and digest.
    pub async fn fingerprint(self) -> Result<Fingerprint, OriginalStoreError> {
        let hasher = ContentHasher::default();
        let read = self
            .stream
            .try_fold((hasher, 0), |(mut hasher, len), piece| {
                hasher.update(&piece);
                std::future::ready(Ok((hasher, len + piece.len() as u64)))
            });
        let (hasher, len) = read.await?;
        Ok(Fingerprint {
            len,
            digest: hasher.finish(),
        })
    }
}

/// The actual length and digest of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// Their length.
    pub len: u64,
    /// Their digest.
    pub digest: ContentDigest,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredObject {
    /// An original, by its digest.
    Original(StoredOriginal),
    /// Not an original, by its name; a folder stands for its whole content.
    Foreign(String),
}

/// An original in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOriginal {
    /// The digest in its name, not verified.
    pub digest: ContentDigest,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last put.
    pub modified: DateTime<Utc>,
}

/// Errors of the store of originals.
#[derive(Debug, Clone, Error)]
pub enum OriginalStoreError {
    /// The folder or bucket cannot be reached, is full, or refuses access.
    #[error("the store of originals is not available")]
    Unavailable(#[source] Cause),
    /// An original has another length than it had.
    #[error("an original was altered")]
    Altered(#[source] Cause),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_clipped_to_what_is_there() {
        assert_eq!(clip(None, 5), 0..5);
        assert_eq!(clip(Some(1..3), 5), 1..3);
        assert_eq!(clip(Some(1..9), 5), 1..5);
        assert!(clip(Some(5..9), 5).is_empty());
        assert!(clip(Some(7..9), 5).is_empty());
        assert!(clip(Some(0..9), 0).is_empty());
    }
}
