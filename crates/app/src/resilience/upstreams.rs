//! Guards for the two upstream ports.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    EncodedPicture, ProviderIdentity,
    ports::{
        BlobHost, CallContext, HostedBlob, PictureSource, Prediction, Quota, TagProvider,
        UpstreamError,
    },
};

use support::Guard;

/// A tag provider behind a guard.
pub struct GuardedProvider {
    inner: Arc<dyn TagProvider>,
    guard: Guard,
}

impl GuardedProvider {
    /// Wraps a provider; preparations pass unguarded.
    pub fn new(inner: Arc<dyn TagProvider>, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

#[async_trait]
impl TagProvider for GuardedProvider {
    fn identity(&self) -> &ProviderIdentity {
        self.inner.identity()
    }

    fn max_side(&self) -> u32 {
        self.inner.max_side()
    }

    /// Not guarded: decoding and hosting the picture have guards of their own.
    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        self.inner.prepare(picture).await
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        let call = || self.inner.tag(picture, context);
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
/// Hosting and housekeeping queue separately: ImageKit limits the rate of deletes and lists but not of
/// uploads, so its 429s for the one must not slow down the other.
pub struct GuardedHost {
    inner: Arc<dyn BlobHost>,
    hosting: Guard,
    housekeeping: Guard,
}

impl GuardedHost {
    /// Wraps a host, with a guard for uploads and one for deletes and lists.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use domain::{
        ports::cause,
        service::{Tagger, TaggerPorts},
    };
    use domain_testing::{FakeBlobHost, FakeImageCodec, FakeReleaseQueue, FakeTagProvider, Pull};

    use super::*;
    use support::{GuardSettings, RetryPolicy};

    struct Fixture {
        codec: Arc<FakeImageCodec>,
        host: Arc<FakeBlobHost>,
        provider: Arc<FakeTagProvider>,
        releases: Arc<FakeReleaseQueue>,
    }

    impl Fixture {
        fn new() -> Self {
            let host = Arc::<FakeBlobHost>::default();
            let provider = FakeTagProvider::new(Pull::PublicUrl(16)).fetching_from(host.clone());
            Self {
                codec: Arc::default(),
                host,
                provider: Arc::new(provider),
                releases: Arc::default(),
            }
        }

        async fn tag(&self) -> bool {
            let settings = GuardSettings {
                concurrency: 1,
                queue_wait: Duration::from_secs(1),
                attempt_timeout: Duration::from_secs(1),
                retry: RetryPolicy::PROMPT,
            };
            let guard = Guard::new(Arc::default(), &settings);
            let tagger = Tagger::new(TaggerPorts {
                codec: self.codec.clone(),
                provider: Arc::new(GuardedProvider::new(self.provider.clone(), guard)),
                host: Some(self.host.clone()),
                releases: self.releases.clone(),
            });
            tagger.tag_file(picture()).await.is_ok()
        }
    }

    fn picture() -> Bytes {
        FakeImageCodec::picture(640, 480, "a car")
    }

    fn unavailable() -> UpstreamError {
        UpstreamError::Unavailable {
            retry_after: None,
            source: cause("reset"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_uses_what_the_first_attempt_pulled() {
        let fixture = Fixture::new();
        fixture.provider.fail_next(unavailable());
        assert!(fixture.tag().await);
        assert_eq!(fixture.provider.calls(), 2);
        let made = (fixture.codec.decodes(), fixture.codec.encodes());
        assert_eq!((made, fixture.host.hosted()), ((1, 1), 1));
        assert_eq!(fixture.releases.handed_over(), fixture.host.alive());
    }

    /// The host has its own retries.
    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_host_is_not_retried_by_the_provider() {
        let fixture = Fixture::new();
        fixture.host.fail_next(unavailable());
        assert!(!fixture.tag().await);
        assert_eq!((fixture.provider.calls(), fixture.host.hosted()), (0, 0));
    }
}
