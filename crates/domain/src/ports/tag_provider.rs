//! Tagging of pictures.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{CallContext, PictureSource, UpstreamError};
use crate::{ModelFeatures, ProviderIdentity, Tags};

/// Finds out what is in a picture.
// There is no mock: mockall gives a `dyn` parameter other lifetimes than async_trait does.
#[async_trait]
pub trait TagProvider: Send + Sync {
    /// The provider's identity, part of the key of its answers.
    fn identity(&self) -> &ProviderIdentity;

    /// Longest side in pixels of the copy that leaves this process; 0 if the original does, or nothing.
    /// Part of the key of an answer, like the identity: neither may change while the provider lives.
    fn max_side(&self) -> u32;

    /// Pulls everything from the source that [`tag`](Self::tag) will pull, without a call to the provider.
    ///
    /// Must be called before `tag`, so that guards of `tag` limit, time and retry the provider's call
    /// alone: decoding and hosting have queues, time-outs and retries of their own.
    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError>;

    /// Tags a picture: everything the provider found, whatever the confidence, and the features that it
    /// computed on the way, if it has any.
    ///
    /// Invalid labels are dropped (and logged). While the provider is loading, the call waits. No call
    /// starts once the caller has gone; a call in flight is not cancelled.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`] if no call was made because the caller had gone; the errors of the
    /// source are passed on unchanged.
    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError>;

    /// Whether it can tag now, determined without a call: not while a local model is loading, or the quota
    /// is known to be used up.
    async fn ready(&self) -> Result<(), UpstreamError>;

    /// The account's last known quota, if the provider has one.
    fn quota(&self) -> Option<Quota>;
}

/// What a provider says about a picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prediction {
    /// Everything it found.
    pub tags: Tags,
    /// What its network computed to find it; `None` if it does not say. Answers that are kept have none.
    pub features: Option<ModelFeatures>,
}

/// Tags alone.
impl From<Tags> for Prediction {
    fn from(tags: Tags) -> Self {
        Self {
            tags,
            features: None,
        }
    }
}

/// The remaining calls of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The calls allowed per period.
    pub limit: u64,
    /// Calls left in the current period.
    pub remaining: u64,
    /// When the next period begins.
    pub resets_at: Option<DateTime<Utc>>,
}
