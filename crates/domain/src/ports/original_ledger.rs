//! Claims of uploads on originals, and notes about damaged ones.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ContentDigest, DatabaseId, Fence, ImageFacts};

/// What a database knows of the originals: who is uploading them, and which are damaged.
///
/// *Claims* keep uploads and removals apart: bytes are put only under an upload claim, and removed only
/// under a removal claim; see [`RemovalLedger`](super::RemovalLedger). Several uploads of the same bytes may
/// hold a claim at once. [`ImageStore::record`](super::ImageStore::record) ends it.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait OriginalLedger: Send + Sync {
    /// Claims the original for an upload until that time, and notes its facts.
    ///
    /// Taking over a removal claim that ran out notes the original as damaged: that removal may still
    /// unlink it, so existing bytes prove nothing.
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

    /// Notes that the bytes of an original are missing, altered or unreadable. The first note stays.
    /// Does nothing to an original that is not known.
    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError>;

    /// Drops that note, after the bytes were overwritten and an image of them recorded.
    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError>;

    /// Whether an image refers to an original, or an upload claim on it has not run out at `now`. What a
    /// claim for removal finds is what counts; this is a hint.
    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// The id of the database behind the store, which is made when it is asked for the first time.
    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError>;
}

/// What claiming an original found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claimed {
    /// The fence under which the image is to be recorded.
    pub fence: Fence,
    /// Whether the bytes must be written even if they seem to be there: the original is noted as damaged,
    /// or was not known, so that a removal that is late may still take it away.
    pub rewrite: bool,
    /// Whether the original is noted as damaged. The note stays until [`OriginalLedger::clear_damage`], so that
    /// every upload writes the bytes until one of them is recorded.
    pub is_damaged: bool,
}
