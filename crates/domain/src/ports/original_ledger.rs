//! Claims of uploads on originals, and notes about damaged ones.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ContentDigest, DatabaseId, Fence, ImageFacts};

/// Upload claims on originals, and notes about damage.
///
/// *Claims* keep uploads and removals apart: bytes are put only under an upload claim, and removed only
/// under a removal claim; see [`RemovalLedger`](super::RemovalLedger). Several uploads of the same bytes
/// may hold a claim at once. [`ImageStore::record`](super::ImageStore::record) ends it.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalLedger: Send + Sync {
    /// Claims the original for an upload until that time, and records its facts.
    ///
    /// Taking over an expired removal claim marks the original as damaged: that removal may still unlink
    /// it, so existing bytes prove nothing.
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] while a removal holds the original at time `now`.
    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError>;

    /// Records that the bytes of an original are missing, altered or unreadable. The first note stays. Does
    /// nothing to an unknown original.
    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError>;

    /// Removes that note, after the bytes were overwritten and an image of them recorded.
    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError>;

    /// Whether an image refers to the original, or an upload claim on it has not expired at `now`. A hint
    /// only: the claim for removal decides.
    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// Sums up the bytes of originals behind a position, at most `limit` of them, in the order in which they became
    /// known. The first position is 0; [`StoredBytes::until`] is the next one. Originals that are claimed for an
    /// upload count, those without facts do not.
    ///
    /// One that becomes known while another is being recorded may get an earlier position than that, and be missed
    /// by whoever is behind it already.
    async fn stored_bytes(
        &self,
        after: u64,
        limit: NonZeroU32,
    ) -> Result<StoredBytes, ImageStoreError>;

    /// The id of the database, generated on the first call.
    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError>;
}

/// The bytes of some originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredBytes {
    /// Their sum.
    pub bytes: u64,
    /// How many originals were looked at. Fewer than the limit means that there are no more.
    pub originals: u32,
    /// The position of the last one; that of the call if there was none.
    pub until: u64,
}

/// The result of an upload claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claimed {
    /// The fence under which to record the image.
    pub fence: Fence,
    /// Whether the bytes must be written even if they seem to exist: the original is marked as damaged, or
    /// was unknown, so that a late removal may still take it away.
    pub rewrite: bool,
    /// Whether the original is marked as damaged. The note stays until [`OriginalLedger::clear_damage`], so
    /// that every upload writes the bytes until one of them is recorded.
    pub is_damaged: bool,
}
