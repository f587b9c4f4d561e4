//! The store of originals, with time-outs and a bound on concurrent calls.
//!
//! A blocking call to a folder cannot be cancelled: it occupies a thread until the disk answers. So every
//! call holds a permit, and an abandoned call keeps it until it really ends, which bounds the threads that
//! a hung disk can occupy.

use std::{
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ContentDigest,
    ports::{
        DatabaseRegistry, Fingerprint, OriginalContent, OriginalRemoval, OriginalStore,
        OriginalStoreError, PutMode, RenditionStore, StoredObject, UploadStore, cause,
    },
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{Gate, GuardedRegistry, GuardedRemoval, GuardedRenditions, GuardedUploads};

/// Permits for concurrent calls: more than disks serve at once, and a fraction of the blocking threads.
const MAX_CALLS: usize = 64;

pub(super) type Outcome<T> = Result<T, OriginalStoreError>;

/// A store of originals with time-outs.
pub struct GuardedOriginals {
    inner: Arc<dyn OriginalStore>,
    calls: Calls,
    registered: Gate,
}

impl GuardedOriginals {
    /// Guards a store. No call, and no chunk of an original, takes longer than the deadline. Puts wait
    /// until the gate is open, which is when the database is registered beside the originals.
    pub fn new(inner: Arc<dyn OriginalStore>, deadline: Duration, registered: Gate) -> Self {
        let calls = Calls {
            places: Arc::new(Semaphore::new(MAX_CALLS)),
            left: Arc::default(),
            deadline,
        };
        Self {
            inner,
            calls,
            registered,
        }
    }

    /// Guards removals from the same store, sharing its permits.
    pub fn removal(&self, inner: Arc<dyn OriginalRemoval>) -> GuardedRemoval {
        GuardedRemoval::new(inner, self.calls.clone())
    }

    /// Guards the registry of the same store, sharing its permits.
    pub fn registry(&self, inner: Arc<dyn DatabaseRegistry>) -> GuardedRegistry {
        GuardedRegistry::new(inner, self.calls.clone())
    }

    /// Guards the renditions in the same place.
    pub fn renditions(&self, inner: Arc<dyn RenditionStore>) -> GuardedRenditions {
        GuardedRenditions::new(inner, self.calls.clone())
    }

    /// Guards the temporary uploads in the same place.
    pub fn uploads(&self, inner: Arc<dyn UploadStore>) -> GuardedUploads {
        GuardedUploads::new(inner, self.calls.clone())
    }

    fn check(&self) -> Outcome<()> {
        if self.registered.is_open() {
            return Ok(());
        }
        Err(late(
            "this database is not registered with the originals yet",
        ))
    }
}

#[async_trait]
impl OriginalStore for GuardedOriginals {
    async fn put(&self, digest: &ContentDigest, bytes: Bytes, mode: PutMode) -> Outcome<()> {
        self.check()?;
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.calls
            .run(async move { inner.put(&digest, bytes, mode).await })
            .await?
    }

    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Outcome<Option<OriginalContent>> {
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        let found = self
            .calls
            .run(async move { inner.get(&digest, range).await })
            .await??;
        Ok(found.map(|content| OriginalContent {
            stream: guarded(content.stream, self.calls.clone()),
            ..content
        }))
    }

    async fn length(&self, digest: &ContentDigest) -> Outcome<Option<u64>> {
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.calls
            .run(async move { inner.length(&digest).await })
            .await?
    }

    /// No time-out: it takes time in proportion to the original's length, and no request waits for it.
    async fn fingerprint(&self, digest: &ContentDigest) -> Outcome<Option<Fingerprint>> {
        self.inner.fingerprint(digest).await
    }

    /// No time-out: no request waits for it.
    fn list(&self) -> BoxStream<'static, Outcome<StoredObject>> {
        self.inner.list()
    }

    async fn ready(&self) -> Outcome<()> {
        self.check()?;
        let inner = Arc::clone(&self.inner);
        self.calls.run(async move { inner.ready().await }).await?
    }
}

/// The chunks of an original, each within the deadline.
pub(super) fn guarded(
    pieces: BoxStream<'static, Outcome<Bytes>>,
    calls: Calls,
) -> BoxStream<'static, Outcome<Bytes>> {
    stream::unfold(Some(pieces), move |pieces| {
        let calls = calls.clone();
        async move {
            let mut pieces = pieces?;
            let next = calls.run(async move { (pieces.next().await, pieces) });
            match next.await {
                Ok((piece, pieces)) => piece.map(|piece| (piece, Some(pieces))),
                Err(late) => Some((Err(late), None)),
            }
        }
    })
    .boxed()
}

#[derive(Clone)]
pub(super) struct Calls {
    places: Arc<Semaphore>,
    /// How many abandoned calls are still running.
    left: Arc<AtomicUsize>,
    deadline: Duration,
}

impl Calls {
    /// Runs a call that may hang.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Outcome<T> {
        if self.left.load(Ordering::Relaxed) >= MAX_CALLS {
            return Err(late("all calls to the originals hang"));
        }
        let deadline = Instant::now() + self.deadline;
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned());
        let Ok(Ok(place)) = place.await else {
            return Err(late("too many calls to the originals are under way"));
        };
        let call = Call {
            work: Some((work.boxed(), place)),
            left: Arc::clone(&self.left),
        };
        let outcome = timeout_at(deadline, call).await;
        outcome.map_err(|_| late("the originals did not answer in time"))
    }
}

fn late(why: &str) -> OriginalStoreError {
    OriginalStoreError::Unavailable(cause(why))
}

/// A call that keeps running when its future is dropped, as it cannot be cancelled.
struct Call<T: Send + 'static> {
    work: Option<(BoxFuture<'static, T>, OwnedSemaphorePermit)>,
    left: Arc<AtomicUsize>,
}

impl<T: Send + 'static> Future for Call<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some((work, _)) = &mut self.work else {
            return Poll::Pending;
        };
        let poll = work.poll_unpin(cx);
        if poll.is_ready() {
            self.work = None;
        }
        poll
    }
}

impl<T: Send + 'static> Drop for Call<T> {
    fn drop(&mut self) {
        if let (Some((work, place)), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let left = Arc::clone(&self.left);
            left.fetch_add(1, Ordering::Relaxed);
            runtime.spawn(async move {
                drop(work.await);
                drop(place);
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::MockOriginalStore;
    use futures_util::TryStreamExt;
    use tokio::{sync::watch, task::yield_now};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn digest() -> ContentDigest {
        ContentDigest::of(b"x")
    }

    fn content(stream: BoxStream<'static, Outcome<Bytes>>) -> OriginalContent {
        OriginalContent {
            len: 6,
            stamp: None,
            stream,
        }
    }

    fn giving(stream: BoxStream<'static, Outcome<Bytes>>) -> GuardedOriginals {
        let mut store = MockOriginalStore::new();
        store
            .expect_get()
            .return_once(|_, _| Ok(Some(content(stream))));
        GuardedOriginals::new(Arc::new(store), DEADLINE, Gate::opened_already())
    }

    #[tokio::test(start_paused = true)]
    async fn original_passes_unchanged() {
        let pieces = ["abc", "def"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let store = giving(stream::iter(pieces).boxed());
        let content = store.get(&digest(), None).await.unwrap().unwrap();
        let read: Vec<Bytes> = content.stream.try_collect().await.unwrap();
        assert_eq!((content.len, read.concat()), (6, b"abcdef".to_vec()));
        assert_eq!(store.calls.places.available_permits(), MAX_CALLS);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_chunk_is_an_error_and_the_last_item() {
        let pieces = stream::iter([Ok(Bytes::from_static(b"abc"))]).chain(stream::pending());
        let store = giving(pieces.boxed());
        let mut content = store.get(&digest(), None).await.unwrap().unwrap();
        assert!(content.stream.next().await.unwrap().is_ok());
        let late = content.stream.next().await.unwrap();
        assert!(matches!(late, Err(OriginalStoreError::Unavailable(_))));
        assert!(content.stream.next().await.is_none());
    }

    /// Hangs until released.
    struct Hanging(watch::Receiver<bool>);

    #[async_trait]
    impl OriginalStore for Hanging {
        async fn put(&self, _: &ContentDigest, _: Bytes, _: PutMode) -> Outcome<()> {
            self.ready().await
        }
        async fn get(
            &self,
            _: &ContentDigest,
            _: Option<Range<u64>>,
        ) -> Outcome<Option<OriginalContent>> {
            self.ready().await.map(|()| None)
        }
        async fn length(&self, _: &ContentDigest) -> Outcome<Option<u64>> {
            self.ready().await.map(|()| None)
        }
        async fn fingerprint(&self, _: &ContentDigest) -> Outcome<Option<Fingerprint>> {
            self.ready().await.map(|()| None)
        }
        fn list(&self) -> BoxStream<'static, Outcome<StoredObject>> {
            stream::empty().boxed()
        }
        async fn ready(&self) -> Outcome<()> {
            let _ = self.0.clone().wait_for(|is_let_go| *is_let_go).await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_calls_are_bounded_and_free_their_permits() {
        let (letting_go, hanging) = watch::channel(false);
        let store =
            GuardedOriginals::new(Arc::new(Hanging(hanging)), DEADLINE, Gate::opened_already());
        let began = Instant::now();
        let calls = (0..2 * MAX_CALLS).map(|_| store.ready());
        let outcomes = futures_util::future::join_all(calls).await;
        assert!(outcomes.iter().all(Result::is_err));
        assert_eq!(began.elapsed(), DEADLINE);
        assert_eq!(store.calls.left.load(Ordering::Relaxed), MAX_CALLS);
        assert!(
            store
                .put(&digest(), Bytes::new(), PutMode::KeepExisting)
                .await
                .is_err()
        );
        assert_eq!(began.elapsed(), DEADLINE, "refused at once");
        letting_go.send_replace(true);
        while store.calls.left.load(Ordering::Relaxed) > 0 {
            yield_now().await;
        }
        store
            .put(&digest(), Bytes::new(), PutMode::KeepExisting)
            .await
            .unwrap();
        assert!(store.get(&digest(), None).await.unwrap().is_none());
    }

    /// A second database must not rely on an original before the first one can know of it.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_put_before_the_database_is_registered() {
        let mut store = MockOriginalStore::new();
        store.expect_put().times(1).returning(|_, _, _| Ok(()));
        store.expect_ready().times(1).returning(|| Ok(()));
        store.expect_get().times(1).returning(|_, _| Ok(None));
        let gate = Gate::default();
        let store = GuardedOriginals::new(Arc::new(store), DEADLINE, gate.clone());
        let put = async || {
            let mode = PutMode::KeepExisting;
            store.put(&digest(), Bytes::new(), mode).await
        };
        assert!(matches!(
            put().await,
            Err(OriginalStoreError::Unavailable(_))
        ));
        assert!(store.ready().await.is_err());
        assert!(
            store.get(&digest(), None).await.unwrap().is_none(),
            "reading goes on"
        );
        gate.open();
        put().await.unwrap();
        store.ready().await.unwrap();
    }
}
