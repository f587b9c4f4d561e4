//! The entity: an image that somebody registered.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{NoContext, Timestamp, Uuid};

use crate::{ContentDigest, Fence, Tagging, TaggingKey, Tags};

/// The id of an image: a UUID, written in lower case with hyphens (36 characters).
///
/// Ids made here are of version 7 (RFC 9562), so they sort by the time of registration; ids of any
/// version are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Uuid);

/// The text is not an image id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an image id is a UUID of 36 characters, such as 7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
pub struct ImageIdError;

impl ImageId {
    /// Makes a new id for an image registered at that time.
    pub fn new(registered_at: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(registered_at.timestamp()).unwrap_or(0);
        let nanos = registered_at.timestamp_subsec_nanos();
        Self(Uuid::new_v7(Timestamp::from_unix(
            NoContext, seconds, nanos,
        )))
    }

    /// Takes the 16 bytes of an id, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for ImageId {
    type Err = ImageIdError;

    /// Takes 36 characters, in either case.
    fn from_str(text: &str) -> Result<Self, ImageIdError> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(ImageIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ImageIdError)
    }
}

/// What kind of picture some bytes are, told from the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    WebP,
    /// `image/gif`
    Gif,
    /// `image/bmp`
    Bmp,
    /// `image/tiff`
    Tiff,
}

impl MediaType {
    /// Every media type there is.
    pub const ALL: [Self; 6] = [
        Self::Jpeg,
        Self::Png,
        Self::WebP,
        Self::Gif,
        Self::Bmp,
        Self::Tiff,
    ];

    /// The registered name (RFC 6838), such as `image/jpeg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
        }
    }

    /// The media type of that registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|media_type| media_type.as_str() == name)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// The image.
    pub image: Image,
    /// The fence of the upload claim under which its bytes were put: it is recorded only while that one
    /// stands. None where nothing can have removed them since.
    pub fence: Option<Fence>,
    /// The provider's whole answer, where the store does not have it yet.
    pub tagging: Option<(TaggingKey, Tagging)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let later = at + chrono::TimeDelta::milliseconds(1);
        assert!(ImageId::new(at) < ImageId::new(later));
        assert_ne!(ImageId::new(at), ImageId::new(at));
    }

    #[test]
    fn ids_are_read_in_either_case_and_written_in_lower_case() {
        let text = "7E0A214C-8F7E-44C3-BDC6-3FFA4D0CB777";
        let id: ImageId = text.parse().unwrap();
        assert_eq!(id.to_string(), text.to_lowercase());
        assert_eq!(ImageId::from_bytes(*id.as_bytes()), id);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("7e0a214c8f7e44c3bdc63ffa4d0cb777")]
    #[case("{7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb77}")]
    #[case("7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb77g")]
    #[case("7e0a214c-8f7e-44c3-bdc63-ffa4d0cb777")]
    fn refuses_other_ids(#[case] text: &str) {
        assert_eq!(text.parse::<ImageId>(), Err(ImageIdError));
    }

    #[test]
    fn media_types_go_by_their_registered_names() {
        for media_type in MediaType::ALL {
            assert_eq!(MediaType::from_name(media_type.as_str()), Some(media_type));
        }
        assert_eq!(MediaType::from_name("image/heic"), None);
    }
}
