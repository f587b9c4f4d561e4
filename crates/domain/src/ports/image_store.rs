//! Where images are recorded with their tags.

use std::num::NonZeroU32;

use async_trait::async_trait;
use thiserror::Error;

use super::Cause;
use crate::{Image, ImageId, ImageQuery, NewImage, PageKey, UntaggedImage};

/// Records images with their tags, and reads them.
///
/// Times are whole microseconds. Every method is one transaction: it happens wholly or not at all,
/// and once it returned `Ok` it survives a crash.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Records an image with its tags and, if given, the provider's answer.
    ///
    /// Ends the upload claim: from here on the image itself protects the original. An answer that
    /// is known already is left as it is.
    ///
    /// # Errors
    /// [`ImageStoreError::ClaimLost`] if the original is not claimed any more, or under another fence: a
    /// removal came in between, and the bytes must be claimed and put again.
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError>;

    /// The image with that id.
    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError>;

    /// The images that match the query, newest first (ties: greatest id first), starting after a
    /// place in that order, at most `limit`. Fewer than `limit` means that there are no more.
    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError>;

    /// What [`ImageStore::page`] tells, but for the tags. Whoever reads on knows the next place without
    /// waiting for them.
    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError>;

    /// Images that the store told of, in the same order, with their tags.
    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError>;

    /// Whether the store can be reached and has the schema it needs.
    async fn ready(&self) -> Result<(), ImageStoreError>;
}

/// Why the image store did not do its work.
#[derive(Debug, Clone, Error)]
pub enum ImageStoreError {
    /// Somebody else holds what was asked for: a removal claim, a lock, a deadlock's other side.
    #[error("another transaction is in the way")]
    Contended(#[source] Cause),
    /// The upload claim does not stand any more.
    #[error("the claim on the original was lost")]
    ClaimLost,
    /// The database cannot be reached, has no room, or gives no connection in time.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The database holds something that cannot be read.
    #[error("the database holds something unreadable")]
    Corrupt(#[source] Cause),
    /// Anything else: a fault of the program.
    #[error("the database refused a statement")]
    Failed(#[source] Cause),
}

impl ImageStoreError {
    /// Whether the same call may succeed if it is repeated at once.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}
