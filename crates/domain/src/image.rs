//! The entity: an image that somebody registered.

use chrono::{DateTime, Utc};

use crate::{ContentDigest, Fence, ImageId, ImageInfo, MediaType, Tagging, TaggingKey, Tags};

/// What is known of an original once it has been decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFacts {
    /// The kind of picture.
    pub media_type: MediaType,
    /// Pixels across, as it is shown (EXIF orientation applied).
    pub width: u32,
    /// Pixels down, as it is shown (EXIF orientation applied).
    pub height: u32,
    /// The size of the original in bytes.
    pub byte_size: u64,
}

/// A registered image, with its tags and without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The id.
    pub id: ImageId,
    /// Names the original.
    pub digest: ContentDigest,
    /// What is known of the original.
    pub facts: ImageFacts,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// The tags at or above the threshold it was registered with.
    pub tags: Tags,
}

/// A registered image before its tags are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntaggedImage {
    /// The id.
    pub id: ImageId,
    /// Names the original.
    pub digest: ContentDigest,
    /// What is known of the original.
    pub facts: ImageFacts,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
}

impl UntaggedImage {
    /// The image with its tags.
    pub fn with(self, tags: Tags) -> Image {
        Image {
            id: self.id,
            digest: self.digest,
            facts: self.facts,
            registered_at: self.registered_at,
            tags,
        }
    }
}

impl From<&Image> for UntaggedImage {
    fn from(image: &Image) -> Self {
        Self {
            id: image.id,
            digest: image.digest,
            facts: image.facts,
            registered_at: image.registered_at,
        }
    }
}

/// An image about to be recorded, with what the store keeps beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewImage {
    /// The image.
    pub image: Image,
    /// What is known of it beside its tags.
    pub info: ImageInfo,
    /// The fence of the upload claim under which its bytes were put: it is recorded only while that one
    /// stands. None where nothing can have removed them since.
    pub fence: Option<Fence>,
    /// The provider's whole answer, where the store does not have it yet.
    pub tagging: Option<(TaggingKey, Tagging)>,
}
