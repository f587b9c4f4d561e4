//! Features of pictures, without tags.

use async_trait::async_trait;

use super::{CallContext, PictureSource, UpstreamError};
use crate::{FeatureModel, Features};

/// Computes the features of pictures.
#[async_trait]
pub trait FeatureExtractor: Send + Sync {
    /// The network that computes them. It never changes.
    fn model(&self) -> &FeatureModel;

    /// The features of a picture, those that [`TagProvider::tag`](super::TagProvider::tag) of the same network brings.
    ///
    /// Takes a turn like a tagging; while the network is loading, the call waits.
    ///
    /// # Errors
    /// [`UpstreamError::Unreadable`] if the picture has no features. [`UpstreamError::Cancelled`] if nothing was
    /// computed because the caller had gone; the errors of the source are passed on unchanged.
    async fn features(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Features, UpstreamError>;
}
