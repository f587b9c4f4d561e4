//! Removal of originals that is safe even if a step takes effect late.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::OriginalStoreError;
use crate::{ContentDigest, Fence};

/// Removes originals in two steps: set aside, then finished or put back.
///
/// In between, the claim in the database is checked again. A step that hangs may take effect at any later
/// time, after the claim expired and the same bytes were uploaded again; so an original is set aside under
/// a name that carries the fence of its removal, and its bytes exist until a holder of the original
/// finishes it. While an original is set aside, [`OriginalStore`](super::OriginalStore) still reads it, but
/// a put does not count it as existing.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalRemoval: Send + Sync {
    /// Moves an original out of the way, durably. `None` if it does not exist. A crash in between leaves
    /// the original in one of the locations or in both.
    ///
    /// # Errors
    /// After an error it may be set aside nonetheless, now or later. [`OriginalStoreError::Altered`] if it
    /// cannot be removed safely, as its bytes are damaged.
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Result<Option<SetAside>, OriginalStoreError>;

    /// The originals that are set aside, in no particular order, at most some thousand in one call. Their
    /// age at `now` may decide whether they are settled.
    async fn list_set_aside(&self, now: DateTime<Utc>)
    -> Result<Vec<SetAside>, OriginalStoreError>;

    /// Moves an original back, durably, unless one exists there. If it is not settled, the quarantined
    /// bytes are kept as well. Does nothing to one that is no longer set aside.
    async fn put_back(&self, original: &SetAside) -> Result<(), OriginalStoreError>;

    /// Removes or quarantines an original according to its fate, durably, and removes its renditions. Does
    /// nothing to one that is no longer set aside.
    ///
    /// Must be called only under, or after, a removal claim that was valid once it was set aside: no
    /// earlier upload can be recorded any more, and no later one relies on these bytes.
    async fn finish(&self, original: &SetAside) -> Result<(), OriginalStoreError>;

    /// Removes the remains of puts interrupted before that time, and returns their number.
    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError>;
}

/// An original that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAside {
    /// The digest that addresses the original.
    pub digest: ContentDigest,
    /// The fence of the removal that set it aside.
    pub fence: Fence,
    /// What finishing does with it.
    pub fate: Fate,
    /// Whether that removal can no longer take effect. If not, the original may only be copied back: what
    /// is set aside may soon be all that is left.
    pub is_settled: bool,
}

/// What finishing does to an original that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is removed for good.
    Removal,
    /// It is kept in the quarantine, under its digest, replacing one that exists there.
    Quarantine,
}
