//! The cache of tag providers' answers.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{ContentDigest, ImageFacts, Tagging, TaggingKey};

/// Keeps every answer of a tag provider, so that no picture is paid for twice.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TaggingCache: Send + Sync {
    /// What is stored about these bytes: facts from an earlier upload, and the answer for this key.
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError>;

    /// Stores a provider's answer without an image. An existing one is left unchanged.
    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError>;

    /// All stored answers for the bytes with these digests, at most 1000 of them, in no particular order.
    async fn taggings_of(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError>;
}

/// What a store knows of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The facts, if the original was claimed or recorded before and not removed since.
    pub facts: Option<ImageFacts>,
    /// The answer for the key.
    pub tagging: Option<Tagging>,
}
