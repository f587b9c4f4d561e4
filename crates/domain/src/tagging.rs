//! What a provider once said of some bytes.

use chrono::{DateTime, Utc};

use crate::{ContentDigest, Tags};

/// Who tags, and how: two answers with the same identity for the same picture are the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderIdentity {
    /// The provider's name, such as `imagga`; at most 64 characters.
    pub name: String,
    /// The version of its model or interface, such as `v2`; at most 64 characters.
    pub version: String,
    /// The language of its labels, such as `en`; at most 16 characters.
    pub language: String,
}

/// Names one answer: these bytes, seen by this provider, at this size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaggingKey {
    /// The original.
    pub digest: ContentDigest,
    /// The provider.
    pub provider: ProviderIdentity,
    /// The longest side in pixels of the copy it was sent; 0 where it was given the original, or
    /// pixels at a size of its own choice.
    pub max_side: u32,
}

/// A provider's whole answer for one original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagging {
    /// Everything it found, whatever the confidence.
    pub tags: Tags,
    /// When it answered, to the microsecond.
    pub tagged_at: DateTime<Utc>,
}
