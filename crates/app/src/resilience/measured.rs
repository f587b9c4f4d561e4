//! Counts what passes through the ports.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{
    ContentDigest, Image, ImageId, ImageQuery, NewImage, PageKey, ProviderIdentity, Tagging,
    TaggingKey, UntaggedImage,
    ports::{
        Advanced, CallContext, ClaimedJob, Database, ImageStore, ImageStoreError, JobLease,
        JobQueue, JobStep, Known, PictureSource, Prediction, Quota, TagProvider, TaggingCache,
        UpstreamError,
    },
};
use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::Instant;

use crate::metrics::{
    IMAGES_REGISTERED, JOB_IMAGES, TAGGING_CACHE_HITS, TAGGING_DURATION, TAGGINGS,
};

/// Counts the taggings of a provider by their outcome, and times them.
pub struct MeasuredProvider {
    inner: Arc<dyn TagProvider>,
    duration: Histogram,
    tagged: Counter,
}

impl MeasuredProvider {
    /// Wraps a provider, guards included.
    pub fn new(inner: Arc<dyn TagProvider>) -> Self {
        let provider = inner.identity().name().to_owned();
        Self {
            duration: histogram!(TAGGING_DURATION, "provider" => provider.clone()),
            tagged: counter!(TAGGINGS, "provider" => provider, "outcome" => "tagged"),
            inner,
        }
    }

    fn failed(&self, error: &UpstreamError) {
        let provider = self.inner.identity().name().to_owned();
        counter!(TAGGINGS, "provider" => provider, "outcome" => outcome(error)).increment(1);
    }
}

fn outcome(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Picture(_) => "picture",
        UpstreamError::Unreadable(_) => "unreadable",
        UpstreamError::Refused(_) => "refused",
        UpstreamError::Malformed(_) => "malformed",
        UpstreamError::QuotaExhausted { .. } => "quota_exhausted",
        UpstreamError::Busy { .. } => "busy",
        UpstreamError::TimedOut => "timed_out",
        UpstreamError::Cancelled => "cancelled",
        UpstreamError::Unavailable { .. } => "unavailable",
    }
}

#[async_trait]
impl TagProvider for MeasuredProvider {
    fn identity(&self) -> &ProviderIdentity {
        self.inner.identity()
    }

    fn max_side(&self) -> u32 {
        self.inner.max_side()
    }

    /// One that fails is the end of its tagging.
    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        let outcome = self.inner.prepare(picture).await;
        if let Err(error) = &outcome {
            self.failed(error);
        }
        outcome
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        let began = Instant::now();
        let outcome = self.inner.tag(picture, context).await;
        self.duration.record(began.elapsed());
        match &outcome {
            Ok(_) => self.tagged.increment(1),
            Err(error) => self.failed(error),
        }
        outcome
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        self.inner.ready().await
    }

    fn quota(&self) -> Option<Quota> {
        self.inner.quota()
    }
}

/// Counts images that are registered, answers that are found, and images that jobs are done with.
pub struct MeasuredStore {
    inner: Arc<dyn Database>,
    registered: Counter,
    found: Counter,
    changed: Counter,
    failed: Counter,
}

impl MeasuredStore {
    /// Wraps a database.
    pub fn new(inner: Arc<dyn Database>) -> Self {
        Self {
            inner,
            registered: counter!(IMAGES_REGISTERED),
            found: counter!(TAGGING_CACHE_HITS),
            changed: counter!(JOB_IMAGES, "outcome" => "submitted"),
            failed: counter!(JOB_IMAGES, "outcome" => "failed"),
        }
    }
}

#[async_trait]
impl ImageStore for MeasuredStore {
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError> {
        self.inner.record(image).await?;
        self.registered.increment(1);
        Ok(())
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        self.inner.find(id).await
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        self.inner.page(query, after, limit).await
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        self.inner.untagged_page(query, after, limit).await
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        self.inner.with_tags(images).await
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        self.inner.ready().await
    }
}

#[async_trait]
impl TaggingCache for MeasuredStore {
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError> {
        let known = self.inner.known(key).await?;
        if known.tagging.is_some() {
            self.found.increment(1);
        }
        Ok(known)
    }

    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError> {
        self.inner.keep_tagging(key, tagging).await
    }

    async fn taggings_of(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError> {
        self.inner.taggings_of(digests).await
    }
}

#[async_trait]
impl JobQueue for MeasuredStore {
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError> {
        self.inner.claim_job(lease).await
    }

    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        let advanced = self.inner.advance_job(lease, duration, step).await?;
        if advanced == Advanced::Made {
            self.changed.increment(step.changes.len() as u64);
            self.failed.increment(step.errors.len() as u64);
        }
        Ok(advanced)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{
        ports::cause,
        service::{Tagger, TaggerPorts},
    };
    use domain_testing::{FakeImageCodec, FakeReleaseQueue, FakeTagProvider, Pull};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[tokio::test]
    async fn taggings_are_counted_by_outcome() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // This runtime has one thread.
        let _guard = metrics::set_default_local_recorder(&recorder);
        let provider = Arc::new(FakeTagProvider::new(Pull::Jpeg(16)));
        let tagger = Tagger::new(TaggerPorts {
            codec: Arc::new(FakeImageCodec::default()),
            provider: Arc::new(MeasuredProvider::new(provider.clone())),
            host: None,
            releases: Arc::new(FakeReleaseQueue::default()),
        });
        let picture = || FakeImageCodec::picture(64, 48, "a car");
        for error in [
            UpstreamError::Refused(cause("the key is wrong")),
            UpstreamError::QuotaExhausted { retry_after: None },
        ] {
            provider.fail_next(error);
            assert!(tagger.tag_file(picture()).await.is_err());
        }
        for _ in 0..2 {
            tagger.tag_file(picture()).await.unwrap();
        }
        assert!(tagger.tag_file(Bytes::from_static(b"x")).await.is_err());
        let text = handle.render();
        for (outcome, count) in [
            ("refused", 1),
            ("quota_exhausted", 1),
            ("tagged", 2),
            ("picture", 1),
        ] {
            let line = format!("{TAGGINGS}{{provider=\"fake\",outcome=\"{outcome}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
