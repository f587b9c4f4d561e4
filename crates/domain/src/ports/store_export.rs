//! Everything that a database keeps of images, for exports.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{ImageStoreError, TagsVersion};
use crate::{ContentDigest, ImageFacts, ImageId, ImageInfo, ImageTags, Tagging, TaggingKey};

/// Reads everything that is kept of images, and all answers of providers.
///
/// Each method is one snapshot.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StoreExport: Send + Sync {
    /// The images behind a position in the order of registration (ties: least id first), at most `limit`. None
    /// means that there are no more.
    async fn export_images(
        &self,
        after: Option<ExportPosition>,
        limit: NonZeroU32,
    ) -> Result<Vec<StoredImage>, ImageStoreError>;

    /// Those of these images that are there, in no particular order; at most 1000 are asked for.
    async fn stored_images(&self, ids: &[ImageId]) -> Result<Vec<StoredImage>, ImageStoreError>;

    /// All answers for the next digests behind one, in the order of [`TaggingKey::position`]. `limit` is the most
    /// digests. None means that there are no more.
    async fn export_answers(
        &self,
        after: Option<ContentDigest>,
        limit: NonZeroU32,
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError>;
}

/// The position of an image in the order of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportPosition {
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// Its id.
    pub id: ImageId,
}

/// Everything that is kept of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredImage {
    /// Its id.
    pub id: ImageId,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// The address of its original.
    pub digest: ContentDigest,
    /// The facts about its original.
    pub facts: ImageFacts,
    /// What is known of it beside its tags.
    pub info: ImageInfo,
    /// All that was said of it.
    pub tags: ImageTags,
    /// The version of that.
    pub version: TagsVersion,
}

impl StoredImage {
    /// Its position in the order of registration.
    pub fn position(&self) -> ExportPosition {
        ExportPosition {
            registered_at: self.registered_at,
            id: self.id,
        }
    }
}
