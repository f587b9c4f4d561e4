//! What turns pictures into tags.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{CallContext, UpstreamError};
use crate::{EncodedPicture, Picture, ProviderIdentity, Tags};

/// Finds out what is in a picture.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TagProvider: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &ProviderIdentity;

    /// The form in which it wants pictures.
    fn wants(&self) -> ImageAccess;

    /// Tags a picture: everything the provider found, whatever the confidence.
    ///
    /// Labels that cannot be labels are dropped (and logged). A source in another form than
    /// [`wants`](Self::wants) is [`UpstreamError::Refused`]. While the provider still loads, the
    /// call waits. No call starts once the caller has gone; a call in flight is not cancelled.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`] if no call was made because the caller had gone.
    async fn tag(&self, source: &TagSource, context: &CallContext) -> Result<Tags, UpstreamError>;

    /// Whether it can tag now, without calling anybody: a local model that still loads, or a quota
    /// that is known to be used up, cannot.
    async fn ready(&self) -> Result<(), UpstreamError>;

    /// The account's quota as it was last seen, where the provider has one.
    fn quota(&self) -> Option<Quota>;
}

/// The form in which a provider wants pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageAccess {
    /// Decoded pixels.
    Pixels,
    /// The bytes of a picture file.
    Bytes,
    /// A URL that it can fetch.
    PublicUrl,
}

/// A picture, in one of the forms of [`ImageAccess`].
#[derive(Debug, Clone)]
pub enum TagSource {
    /// Decoded pixels.
    Pixels(Arc<Picture>),
    /// The bytes of a picture file.
    Bytes(EncodedPicture),
    /// A URL that anybody can fetch.
    PublicUrl(String),
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
