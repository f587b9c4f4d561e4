//! Hosting of pictures under temporary public URLs.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{CallContext, UpstreamError};
use crate::EncodedPicture;

/// A hosted picture, public until it is released.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostedBlob {
    /// The host's id of it.
    pub id: String,
    /// The public URL.
    pub url: String,
}

/// Gives pictures a public URL for as long as a tag provider needs one.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BlobHost: Send + Sync {
    /// Publishes a picture under a new URL. `name` is a hint for people browsing the host.
    ///
    /// Hosting the same picture twice makes two blobs. A call that failed may have left a blob nonetheless:
    /// [`forgotten`](Self::forgotten) finds it. No call starts once the caller has gone; a call in flight
    /// is not cancelled.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`] if no call was made because the caller had gone.
    async fn host(
        &self,
        picture: &EncodedPicture,
        name: &str,
        context: &CallContext,
    ) -> Result<HostedBlob, UpstreamError>;

    /// Removes blobs. One that does not exist counts as removed.
    ///
    /// `Ok` means that all are removed; after an error some may be, and the whole call may be retried.
    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError>;

    /// Blobs hosted before that time that still exist, oldest first; possibly not all of them in one call.
    /// Never a blob that this server (or its siblings) did not host.
    async fn forgotten(&self, before: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError>;
}

/// Queues blobs for release off the critical path.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait ReleaseQueue: Send + Sync {
    /// Queues a blob. Never blocks, never fails: blobs that are not released are found by upkeep.
    fn release_later(&self, blob: HostedBlob);
}
