//! The image store, guarded: closed until its schema is there, patient with rivals, never endless.

use std::{future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use domain::{
    ContentDigest, DatabaseId, Fence, Image, ImageFacts, ImageId, ImageQuery, NewImage, PageKey,
    TagSummary, Tagging, TaggingKey, TimeWindow, UntaggedImage,
    ports::{Claimed, ImageStore, ImageStoreError, Known, cause},
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// Shut until something is there that calls need: the schema of the database, or its registration with
/// the originals.
#[derive(Debug, Clone, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// One that was never shut.
    pub fn opened_already() -> Self {
        let gate = Self::default();
        gate.open();
        gate
    }

    /// Whether calls are let through.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Lets calls through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        // An error would mean that the sender is gone, which is this very gate.
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }

    fn check(&self) -> Result<(), ImageStoreError> {
        if self.is_open() {
            return Ok(());
        }
        Err(ImageStoreError::Unavailable(cause(
            "the schema of the database is not there yet",
        )))
    }
}

/// Tells that images were recorded.
#[derive(Debug, Clone, Default)]
pub struct Recorded(Arc<Notify>);

impl Recorded {
    /// Waits until an image was recorded since the last time that this was told.
    pub async fn told(&self) {
        self.0.notified().await;
    }

    fn tell(&self) {
        self.0.notify_one();
    }
}

/// An image store that repeats what others were in the way of, and gives up what hangs.
pub struct GuardedStore {
    inner: Arc<dyn ImageStore>,
    gate: Gate,
    deadline: Duration,
    recorded: Recorded,
}

impl GuardedStore {
    /// Guards a store. No call takes much longer than the deadline.
    pub fn new(inner: Arc<dyn ImageStore>, gate: Gate, deadline: Duration) -> Self {
        Self {
            inner,
            gate,
            deadline,
            recorded: Recorded::default(),
        }
    }

    /// Tells of the images that this store records.
    pub fn recorded(&self) -> Recorded {
        self.recorded.clone()
    }

    async fn call<T, F>(&self, operation: impl FnMut() -> F) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, ImageStoreError>>,
    {
        self.gate.check()?;
        patiently(self.deadline, operation).await
    }
}

/// Repeats what others were in the way of, and gives up what hangs.
pub(super) async fn patiently<T, F>(
    deadline: Duration,
    operation: impl FnMut() -> F,
) -> Result<T, ImageStoreError>
where
    F: Future<Output = Result<T, ImageStoreError>>,
{
    let patient = operation
        .retry(backoff())
        .when(ImageStoreError::is_temporary);
    in_time(deadline, patient).await
}

async fn in_time<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ImageStoreError>>,
) -> Result<T, ImageStoreError> {
    timeout(deadline, call).await.unwrap_or_else(|_| {
        Err(ImageStoreError::Unavailable(cause(
            "the database did not answer in time",
        )))
    })
}

/// A deadlock's other side is done within milliseconds, a removal within less than a second.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(10)
        .with_jitter()
}

#[async_trait]
impl ImageStore for GuardedStore {
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError> {
        self.call(|| self.inner.known(key)).await
    }

    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError> {
        self.call(|| self.inner.claim(digest, facts, now, until))
            .await
    }

    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.note_damage(digest, at)).await
    }

    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.clear_damage(digest)).await
    }

    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.record(image)).await?;
        self.recorded.tell();
        Ok(())
    }

    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.keep_tagging(key, tagging)).await
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        self.call(|| self.inner.find(id)).await
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        self.call(|| self.inner.page(query, after, limit)).await
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        self.call(|| self.inner.untagged_page(query, after, limit))
            .await
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        self.call(|| self.inner.with_tags(images)).await
    }

    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        self.call(|| self.inner.tag_summaries(window)).await
    }

    async fn condense(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        // Not patiently: uploads may be waiting behind it.
        self.gate.check()?;
        in_time(self.deadline, self.inner.condense(now)).await
    }

    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError> {
        self.call(|| self.inner.abandoned(before, limit)).await
    }

    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.call(|| self.inner.claim_for_removal(digest, fence, now, until))
            .await
    }

    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.call(|| self.inner.claim_orphan(digest, fence, now, until))
            .await
    }

    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.call(|| self.inner.is_needed(digest, now)).await
    }

    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError> {
        self.call(|| self.inner.forget(digest, fence)).await
    }

    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.postpone(digest, fence, until))
            .await
    }

    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError> {
        self.call(|| self.inner.database_id()).await
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        self.call(|| self.inner.ready()).await
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::MockImageStore;
    use domain_testing::{at, image};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn guarded(store: MockImageStore, is_open: bool) -> GuardedStore {
        let gate = Gate::default();
        if is_open {
            gate.open();
        }
        GuardedStore::new(Arc::new(store), gate, DEADLINE)
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_what_another_transaction_was_in_the_way_of() {
        let mut store = MockImageStore::new();
        store
            .expect_ready()
            .times(3)
            .returning(|| Err(ImageStoreError::Contended(cause("lock"))));
        store.expect_ready().times(1).returning(|| Ok(()));
        guarded(store, true).ready().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_nothing_else() {
        let mut store = MockImageStore::new();
        store
            .expect_ready()
            .times(1)
            .returning(|| Err(ImageStoreError::Unavailable(cause("gone"))));
        assert!(guarded(store, true).ready().await.is_err());
    }

    /// Uploads that wait behind it get their turn.
    #[tokio::test(start_paused = true)]
    async fn condensing_is_not_repeated() {
        let mut store = MockImageStore::new();
        store
            .expect_condense()
            .times(1)
            .returning(|_| Err(ImageStoreError::Contended(cause("lock"))));
        let store = guarded(store, true);
        assert!(store.condense(at(0)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn tells_of_what_was_recorded() {
        let mut store = MockImageStore::new();
        let new = NewImage {
            fence: None,
            image: image(b"a", at(0), &[]),
            tagging: None,
        };
        store
            .expect_record()
            .times(1)
            .returning(|_| Err(ImageStoreError::ClaimLost));
        store.expect_record().times(2).returning(|_| Ok(()));
        let store = guarded(store, true);
        let recorded = store.recorded();
        assert!(store.record(&new).await.is_err());
        assert!(timeout(DEADLINE, recorded.told()).await.is_err());
        store.record(&new).await.unwrap();
        store.record(&new).await.unwrap();
        recorded.told().await;
        assert!(timeout(DEADLINE, recorded.told()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn is_not_called_before_the_schema_is_there() {
        let refusal = guarded(MockImageStore::new(), false)
            .ready()
            .await
            .unwrap_err();
        assert!(matches!(refusal, ImageStoreError::Unavailable(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_what_hangs() {
        let gate = Gate::default();
        gate.open();
        let store = GuardedStore::new(Arc::new(MockImageStore::new()), gate, DEADLINE);
        let hung = store.call(std::future::pending::<Result<(), _>>).await;
        assert!(matches!(hung, Err(ImageStoreError::Unavailable(_))));
    }
}
