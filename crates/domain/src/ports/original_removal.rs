//! Removing originals, so that nothing is lost when a removal is late.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::OriginalStoreError;
use crate::{ContentDigest, Fence};

/// Takes originals away in two steps: set aside, then finished or put back.
///
/// The step in between is a look at the claim in the database. A step that hangs may happen at any later
/// time, after the claim ran out and the same bytes were uploaded again; so an original is set aside
/// under a name that carries the fence of its removal, and its bytes are there until somebody who holds
/// the original finishes them. While an original is set aside, [`OriginalStore`](super::OriginalStore)
/// still reads it; a put does not take it for there.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalRemoval: Send + Sync {
    /// Moves an original out of the way, durably. None if it is not there. Killed in between, it leaves
    /// the original in one of the places or in both.
    ///
    /// # Errors
    /// After an error it may be set aside all the same, now or later.
    /// [`OriginalStoreError::Altered`] if it cannot be taken away safely, as its bytes are damaged.
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Result<Option<SetAside>, OriginalStoreError>;

    /// The originals that are set aside, in no particular order, at most some thousand at a time. How
    /// old they are at `now` may decide whether they are settled.
    async fn list_set_aside(&self, now: DateTime<Utc>)
    -> Result<Vec<SetAside>, OriginalStoreError>;

    /// Moves an original back, durably, unless one is there. If it is not settled, what was set aside is
    /// kept as well. Does nothing to one that is not set aside any more.
    async fn put_back(&self, original: &SetAside) -> Result<(), OriginalStoreError>;

    /// Brings an original to its fate, durably. Does nothing to one that is not set aside any more.
    ///
    /// May be called only under, or after, a claim for removal that was valid once it was set aside: no
    /// upload granted before that is recorded any more, and none granted later relies on these bytes.
    async fn finish(&self, original: &SetAside) -> Result<(), OriginalStoreError>;

    /// Removes what puts that were cut off before that time left behind. Says how much it was.
    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError>;
}

/// An original that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAside {
    /// Its digest.
    pub digest: ContentDigest,
    /// The fence of the removal that set it aside.
    pub fence: Fence,
    /// What is to become of it.
    pub fate: Fate,
    /// Whether that removal can no longer take the original away. If not, it may only be copied back:
    /// what is set aside may soon be all that is left.
    pub is_settled: bool,
}

/// What becomes of an original that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is removed.
    Removal,
    /// It is kept in the quarantine, under its digest; one that is there is replaced.
    Quarantine,
}
