//! What is kept of originals to find look-alikes.

use std::collections::HashSet;

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{ContentDigest, FeatureModel, ModelCode};

/// Keeps codes and features of originals, by digest and model.
///
/// They depend on the bytes and the model alone, so that what is kept is never changed, and goes with the original.
/// [`ImageStore::record`](super::ImageStore::record) keeps those of a new image.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait FeatureStore: Send + Sync {
    /// Keeps codes of an original, in one transaction. What is there stays, unless it says that there is no code.
    /// Does nothing to an original that is unknown.
    async fn keep_codes(
        &self,
        digest: &ContentDigest,
        codes: &[ModelCode],
    ) -> Result<(), ImageStoreError>;

    /// What is kept of an original under a model.
    async fn code_of(
        &self,
        digest: &ContentDigest,
        model: &FeatureModel,
    ) -> Result<Option<ModelCode>, ImageStoreError>;

    /// Which of these originals, at most 1000, lack what is kept under one of the models.
    async fn lacking_codes(
        &self,
        digests: &[ContentDigest],
        models: &[FeatureModel],
    ) -> Result<HashSet<ContentDigest>, ImageStoreError>;
}
