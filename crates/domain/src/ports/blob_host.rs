//! A place that gives bytes a temporary public URL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{CallContext, UpstreamError};
use crate::EncodedPicture;

/// Bytes at a blob host, public as long as they are there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostedBlob {
    /// The host's own name for them.
    pub id: String,
    /// Where anybody can fetch them.
    pub url: String,
}

/// Gives bytes a public URL for as long as a tag provider needs one.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait BlobHost: Send + Sync {
    /// Publishes a picture under a new URL. `name` is a hint for people who look at the host.
    ///
    /// Twice the same picture makes two blobs. A call that failed may have left a blob all the
    /// same: [`forgotten`](Self::forgotten) finds it. No call starts once the caller has gone; a call in
    /// flight is not cancelled.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`] if no call was made because the caller had gone.
    async fn host(
        &self,
        picture: &EncodedPicture,
        name: &str,
        context: &CallContext,
    ) -> Result<HostedBlob, UpstreamError>;

    /// Removes blobs. One that is already gone counts as removed.
    ///
    /// `Ok` means that all are gone; after an error some may be, and the whole call may be repeated.
    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError>;

    /// The blobs that were hosted before that time and are still there, oldest first; perhaps not
    /// all of them at once. Never a blob that this server (or its siblings) did not host.
    async fn forgotten(&self, before: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError>;
}

/// Takes blobs that are no longer needed and releases them off the critical path.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait ReleaseQueue: Send + Sync {
    /// Hands over a blob. Never blocks, never fails: what is not released is found by upkeep.
    fn release_later(&self, blob: HostedBlob);
}
