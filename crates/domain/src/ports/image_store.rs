//! The store of images and their tags.

use std::num::NonZeroU32;

use async_trait::async_trait;
use thiserror::Error;

use super::Cause;
use crate::{Image, ImageId, ImageQuery, NewImage, PageKey, UntaggedImage};

/// Records images with their tags, and reads them.
///
/// Times are whole microseconds. Every method is one transaction: it is atomic, and durable once it
/// returned `Ok`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Records an image with its tags and, if given, the provider's answer.
    ///
    /// Ends the upload claim: from here on the image itself protects the original. An answer that is
    /// already stored is left unchanged.
    ///
    /// # Errors
    /// [`ImageStoreError::ClaimLost`] if the original is no longer claimed, or is claimed under another
    /// fence: a removal intervened, and the bytes must be claimed and put again.
    /// [`ImageStoreError::LeaseLost`] if the image is recorded for a request whose lease is no longer held.
    /// [`ImageStoreError::AlreadyImported`] if another image was imported from the same file.
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError>;

    /// The image with that id.
    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError>;

    /// The images that match the query, newest first in its order (ties: greatest id first), after a cursor of
    /// that order, at most `limit`. Fewer than `limit` means that there are no more.
    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError>;

    /// Like [`ImageStore::page`], without the tags. The cursor of the next page is known without waiting
    /// for them.
    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError>;

    /// Reads the tags of images returned by the store, keeping their order. Images that were deleted since
    /// are left out.
    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError>;

    /// Whether the store is reachable and has the schema it needs.
    async fn ready(&self) -> Result<(), ImageStoreError>;
}

/// Errors of the image store.
#[derive(Debug, Clone, Error)]
pub enum ImageStoreError {
    /// A conflict: a removal claim, a lock held by another transaction, or a deadlock.
    #[error("another transaction is in the way")]
    Contended(#[source] Cause),
    /// The upload claim no longer stands.
    #[error("the claim on the original was lost")]
    ClaimLost,
    /// The lease of the request was taken over, or has ended.
    #[error("another request with the same idempotency key took this one over")]
    LeaseLost,
    /// Another image was imported from the same file.
    #[error("the file was imported already")]
    AlreadyImported,
    /// The database is unreachable or full, or no connection was free in time.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// A stored value cannot be read.
    #[error("the database holds something unreadable")]
    Corrupt(#[source] Cause),
    /// Anything else: a bug.
    #[error("the database refused a statement")]
    Failed(#[source] Cause),
}

impl ImageStoreError {
    /// Whether an immediate retry may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}
