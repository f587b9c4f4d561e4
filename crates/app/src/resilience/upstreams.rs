//! The two upstream ports, guarded.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    EncodedPicture, ProviderIdentity, Tags,
    ports::{
        BlobHost, CallContext, HostedBlob, ImageAccess, Quota, TagProvider, TagSource,
        UpstreamError,
    },
};

use super::Guard;

/// A tag provider behind a guard.
pub struct GuardedProvider {
    inner: Arc<dyn TagProvider>,
    guard: Guard,
}

impl GuardedProvider {
    /// Guards a provider.
    pub fn new(inner: Arc<dyn TagProvider>, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

#[async_trait]
impl TagProvider for GuardedProvider {
    fn identity(&self) -> &ProviderIdentity {
        self.inner.identity()
    }

    fn wants(&self) -> ImageAccess {
        self.inner.wants()
    }

    async fn tag(&self, source: &TagSource, context: &CallContext) -> Result<Tags, UpstreamError> {
        let call = || self.inner.tag(source, context);
        self.guard.call(context, call).await
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        self.inner.ready().await
    }

    fn quota(&self) -> Option<Quota> {
        self.inner.quota()
    }
}

/// A blob host behind guards.
///
/// Hosting and housekeeping queue apart: ImageKit limits the rate of deletes and lists but not of
/// uploads, so its 429s for the one must not slow down the other.
pub struct GuardedHost {
    inner: Arc<dyn BlobHost>,
    hosting: Guard,
    housekeeping: Guard,
}

impl GuardedHost {
    /// Guards a blob host.
    pub fn new(inner: Arc<dyn BlobHost>, hosting: Guard, housekeeping: Guard) -> Self {
        Self {
            inner,
            hosting,
            housekeeping,
        }
    }
}

#[async_trait]
impl BlobHost for GuardedHost {
    async fn host(
        &self,
        picture: &EncodedPicture,
        name: &str,
        context: &CallContext,
    ) -> Result<HostedBlob, UpstreamError> {
        let call = || self.inner.host(picture, name, context);
        self.hosting.call(context, call).await
    }

    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        let call = || self.inner.release(blobs);
        self.housekeeping.call(&CallContext::local(), call).await
    }

    async fn forgotten(&self, before: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError> {
        let call = || self.inner.forgotten(before);
        self.housekeeping.call(&CallContext::local(), call).await
    }
}
