//! Claims of uploads on originals, and notes about damaged ones.

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

    /// The id of the database, generated on the first call.
    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError>;
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
