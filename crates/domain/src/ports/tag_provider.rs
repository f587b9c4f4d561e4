//! What turns pictures into tags.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Interest, UpstreamError};
use crate::{EncodedPicture, Picture, ProviderIdentity, Tags};

/// Finds out what is in a picture.
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
    /// call waits.
    async fn tag(&self, source: &TagSource) -> Result<Tags, UpstreamError>;

    /// The same for somebody who may go away: then no call begins any more, and one that has begun is
    /// not broken off. Who repeats calls, or lets them queue, asks before each one anew.
    ///
    /// # Errors
    /// [`UpstreamError::Unwanted`] if no call was made for want of interest.
    async fn tag_for(
        &self,
        source: &TagSource,
        interest: &Interest,
    ) -> Result<Tags, UpstreamError> {
        interest.check()?;
        self.tag(source).await
    }

    /// Whether it can tag now, without calling anybody: a local model that still loads, or a quota
    /// that is known to be used up, cannot.
    async fn ready(&self) -> Result<(), UpstreamError>;

    /// The account's quota as it was last seen, where the provider has one.
    fn quota(&self) -> Option<Quota>;
}

#[cfg(any(test, feature = "mocks"))]
mockall::mock! {
    /// A provider that does what it is told, and no more.
    pub TagProvider {}

    #[async_trait]
    impl TagProvider for TagProvider {
        fn identity(&self) -> &ProviderIdentity;
        fn wants(&self) -> ImageAccess;
        async fn tag(&self, source: &TagSource) -> Result<Tags, UpstreamError>;
        async fn ready(&self) -> Result<(), UpstreamError>;
        fn quota(&self) -> Option<Quota>;
    }
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
