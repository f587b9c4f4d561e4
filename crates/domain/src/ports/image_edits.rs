//! Changes of registered images.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ImageId, ImageTags, ProviderIdentity, TagEdit, Tags, Threshold, TooManyTags};

/// Changes the tags of registered images, and deletes images.
///
/// Each method is one transaction. [`TagStatistics`](super::TagStatistics) counts what it changed at once.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageEdits: Send + Sync {
    /// All that was said of an image.
    async fn tags_of(&self, id: &ImageId) -> Result<Option<VersionedTags>, ImageStoreError>;

    /// Changes the tags of an image, if they have that version, or whatever version they have.
    ///
    /// A change that makes no difference leaves the version as it is.
    async fn change_tags(
        &self,
        id: &ImageId,
        change: &TagChange,
        version: Option<TagsVersion>,
    ) -> Result<TagsChanged, ImageStoreError>;

    /// Deletes an image with its tags. `false` if there is none.
    ///
    /// With the last image that refers to an original, the original is abandoned from `now` on: see
    /// [`RemovalLedger::abandoned`](super::RemovalLedger::abandoned).
    async fn delete(&self, id: &ImageId, now: DateTime<Utc>) -> Result<bool, ImageStoreError>;
}

/// The version of an image's tags: it grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TagsVersion(pub u64);

/// The tags of an image, with their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedTags {
    /// All that was said of it.
    pub tags: ImageTags,
    /// The version of that.
    pub version: TagsVersion,
}

/// A change of an image's tags.
#[derive(Debug, Clone, PartialEq)]
pub enum TagChange {
    /// A person adds and removes tags.
    Edit(TagEdit),
    /// A provider's tags take the place of those that providers gave before.
    Retag {
        /// The provider.
        provider: ProviderIdentity,
        /// What it found at or above the threshold.
        tags: Tags,
        /// The threshold, which is kept with the image.
        threshold: Threshold,
    },
}

impl TagChange {
    /// What some tags become by it.
    ///
    /// # Errors
    /// If the image would show too many tags.
    pub fn apply(&self, tags: &ImageTags) -> Result<ImageTags, TooManyTags> {
        match self {
            Self::Edit(edit) => tags.edited(edit),
            Self::Retag {
                provider,
                tags: given,
                ..
            } => tags.retagged(&provider.into(), given),
        }
    }
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagsChanged {
    /// The tags are these now.
    Done(VersionedTags),
    /// There is no such image.
    NotFound,
    /// The tags have another version: this one.
    Outdated(TagsVersion),
    /// The image would show too many tags. Nothing was changed.
    TooMany,
}
