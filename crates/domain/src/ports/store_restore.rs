//! Brings back what was exported.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Claimed, ImageStoreError, StoredImage};
use crate::{ContentDigest, Fence, ImageFacts, Tagging, TaggingKey};

/// Records images and answers as they were exported, many at a time.
///
/// Each method is one transaction, and takes at most 1000 items.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StoreRestore: Send + Sync {
    /// Claims originals as [`OriginalLedger::claim`](super::OriginalLedger::claim) does, each digest once. `None`
    /// in place of those that a removal holds at `now`.
    async fn claim_originals(
        &self,
        originals: &[(ContentDigest, ImageFacts)],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Option<Claimed>>, ImageStoreError>;

    /// Records images with their ids, times, versions and all that was said of them, and ends the upload claims on
    /// their originals. An image that cannot be recorded is left out; the others are recorded nevertheless.
    /// [`TagStatistics`](super::TagStatistics) counts them at once.
    async fn restore_images(
        &self,
        images: &[RestoredImage],
    ) -> Result<Vec<Restoration>, ImageStoreError>;

    /// Stores answers. Those that are already stored are left unchanged.
    async fn restore_answers(
        &self,
        answers: &[(TaggingKey, Tagging)],
    ) -> Result<(), ImageStoreError>;
}

/// An image to record as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredImage {
    /// The image.
    pub image: StoredImage,
    /// The fence of the upload claim under which its bytes are there.
    pub fence: Fence,
}

/// What came of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restoration {
    /// It was recorded.
    Recorded,
    /// There is an image of that id.
    IdTaken,
    /// Another image was imported from the same file.
    FileTaken,
    /// The upload claim no longer stands: its bytes must be claimed and put again.
    ClaimLost,
}
