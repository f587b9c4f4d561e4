//! Where the uploaded bytes are kept.

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

/// Keeps originals, addressed by the digest of their content.
///
/// A store that is gone as a whole (a disk that is not mounted, a folder that was taken away) is not
/// available; it is never taken for an empty one.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalStore: Send + Sync {
    /// Keeps bytes. Atomic and durable: once it returned `Ok` they survive a power cut, and no reader
    /// ever sees a part of them. The same digest twice, even at once, is one original.
    async fn put(
        &self,
        digest: &ContentDigest,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), OriginalStoreError>;

    /// Opens an original, or a range of its bytes: nothing outside the range is read. What of the range lies
    /// beyond the end is left out. An original that a removal has set aside is there.
    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Result<Option<OriginalContent>, OriginalStoreError>;

    /// The length of an original in bytes.
    async fn length(&self, digest: &ContentDigest) -> Result<Option<u64>, OriginalStoreError>;

    /// Reads an original to its end and says what is really there.
    ///
    /// # Errors
    /// [`OriginalStoreError::Unavailable`] also if this one alone cannot be read.
    async fn fingerprint(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Fingerprint>, OriginalStoreError>;

    /// All originals, in no particular order, and whatever else lies among them. What belongs to the
    /// store itself is passed over: puts under way, what is set aside and what was quarantined.
    fn list(&self) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>>;

    /// Whether originals can be put and read.
    async fn ready(&self) -> Result<(), OriginalStoreError>;
}

/// What a put does to an original that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Leaves it if it has the right length, which takes one look at its metadata.
    KeepExisting,
    /// Replaces it, whatever is there.
    Overwrite,
}

/// An original that has been opened.
pub struct OriginalContent {
    /// The length of the whole original in bytes, also where a range was opened.
    pub len: u64,
    /// Another one after each write of the original, where the store can tell.
    pub stamp: Option<Stamp>,
    /// Its bytes, or those of the range, in pieces of the adapter's choice. A piece that cannot be read is an error; the
    /// stream never ends early without one.
    pub stream: BoxStream<'static, Result<Bytes, OriginalStoreError>>,
}

/// What a range covers of so many bytes; without a range all of them.
pub fn clip(range: Option<Range<u64>>, len: u64) -> Range<u64> {
    let range = range.unwrap_or(0..len);
    let end = range.end.min(len);
    range.start.min(end)..end
}

/// Tells the writes of an original apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// Makes one of whatever a write changes. It holds within this process.
    pub fn of(signs: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        signs.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl OriginalContent {
    /// Reads to the end and says what was there.
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

/// What some bytes really are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// Their length.
    pub len: u64,
    /// Their digest.
    pub digest: ContentDigest,
}

/// Something in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredObject {
    /// An original.
    Original(StoredOriginal),
    /// Something that is none, by its name; a folder stands for all that is in it.
    Foreign(String),
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
