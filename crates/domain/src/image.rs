//! Images, the entity of the domain.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::{
    ContentDigest, Fence, ImageId, ImageInfo, ImageTags, MediaType, ModelCode, RequestLease,
    Tagging, TaggingKey, Tags,
};

/// Facts about an original, known once it has been decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFacts {
    /// The format, detected from the bytes.
    pub media_type: MediaType,
    /// Width in pixels, after EXIF orientation is applied.
    pub width: u32,
    /// Height in pixels, after EXIF orientation is applied.
    pub height: u32,
    /// The size of the original in bytes.
    pub byte_size: u64,
}

/// A registered image, with its tags and without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The unique id of this registration.
    pub id: ImageId,
    /// The address of the original.
    pub digest: ContentDigest,
    /// Facts about the original, such as its size.
    pub facts: ImageFacts,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// When it was taken, as lists are sorted by it; see [`ImageInfo::taken_order`].
    pub taken_order: NaiveDateTime,
    /// The tags at or above the threshold it was registered with.
    pub tags: Tags,
}

/// A registered image whose tags have not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntaggedImage {
    /// The unique id of this registration.
    pub id: ImageId,
    /// The address of the original.
    pub digest: ContentDigest,
    /// Facts about the original, such as its size.
    pub facts: ImageFacts,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// When it was taken, as lists are sorted by it; see [`ImageInfo::taken_order`].
    pub taken_order: NaiveDateTime,
}

impl UntaggedImage {
    /// The image with these tags.
    pub fn with(self, tags: Tags) -> Image {
        Image {
            id: self.id,
            digest: self.digest,
            facts: self.facts,
            registered_at: self.registered_at,
            taken_order: self.taken_order,
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
            taken_order: image.taken_order,
        }
    }
}

impl From<&Self> for UntaggedImage {
    fn from(image: &Self) -> Self {
        *image
    }
}

/// An image to record, with what the store keeps beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewImage {
    /// The image to record, with its tags.
    pub image: Image,
    /// What is known of it beside its tags.
    pub info: ImageInfo,
    /// The fence of the upload claim under which its bytes were put: the image is recorded only while that
    /// claim stands. `None` if no removal can have intervened.
    pub fence: Option<Fence>,
    /// Who said what of it; `None` if its tags are those of its own provider alone.
    pub said: Option<ImageTags>,
    /// The providers' complete answers that the store does not have yet.
    pub taggings: Vec<(TaggingKey, Tagging)>,
    /// What was computed of its original to find look-alikes, as far as it was.
    pub codes: Vec<ModelCode>,
    /// The lease of the request that registers it, if that has an idempotency key. The image becomes its
    /// outcome, and is recorded only while the lease is held.
    pub request: Option<RequestLease>,
}
