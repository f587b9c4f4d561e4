//! What turns pictures into tags.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{CallContext, PictureSource, UpstreamError};
use crate::{ProviderIdentity, Tags};

/// Finds out what is in a picture.
// There is no mock: mockall gives a `dyn` parameter other lifetimes than async_trait does.
#[async_trait]
pub trait TagProvider: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &ProviderIdentity;

    /// Longest side in pixels of the copy that leaves this process; 0 where the original does, or nothing.
    /// With the identity it names an answer: neither may change while the provider lives.
    fn max_side(&self) -> u32;

    /// Pulls from the source all that [`tag`](Self::tag) will pull, and calls nobody itself.
    ///
    /// It is called before `tag`, so that whoever limits, times and retries calls of `tag` does so with the
    /// provider's call alone: decoding and hosting have queues, time-outs and retries of their own.
    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError>;

    /// Tags a picture: everything the provider found, whatever the confidence.
    ///
    /// Labels that cannot be labels are dropped (and logged). While the provider still loads, the
    /// call waits. No call starts once the caller has gone; a call in flight is not cancelled.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`] if no call was made because the caller had gone; those of the source, as
    /// they are.
    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Tags, UpstreamError>;

    /// Whether it can tag now, without calling anybody: a local model that still loads, or a quota
    /// that is known to be used up, cannot.
    async fn ready(&self) -> Result<(), UpstreamError>;

    /// The account's quota as it was last seen, where the provider has one.
    fn quota(&self) -> Option<Quota>;
}

/// How many calls an account has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls in a period.
    pub limit: u64,
    /// Calls left in this one.
    pub remaining: u64,
    /// When the next period begins.
    pub resets_at: Option<DateTime<Utc>>,
}
