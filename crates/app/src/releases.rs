//! Releasing hosted blobs off the critical path.
//!
//! Waiting blobs are released in batches. Calls start `PACE` apart, so that a single blob is released at
//! once while a backlog is batched: ImageKit takes about five writes a second. Several calls may be in
//! flight, so that a hanging one delays no other. Failures are retried with exponential back-off; blobs
//! that are given up, or lost when the process is killed, are found by upkeep.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::ports::{BlobHost, HostedBlob, ReleaseQueue, in_words};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{MissedTickBehavior, interval, sleep},
};

/// Interval between the starts of two calls.
const PACE: Duration = Duration::from_millis(200);
/// Most blobs in one call: ImageKit's own limit.
const BATCH: usize = 100;
/// Most calls in flight.
const CALLS: usize = 8;
/// The wait before the first retry, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(400);
/// Attempts before a blob is left to upkeep: the last one comes some minutes after the first.
const TRIES: u32 = 10;

struct Waiting {
    blob: HostedBlob,
    tries: u32,
}

/// A handle that queues blobs for release.
pub struct Releases {
    sender: mpsc::UnboundedSender<Waiting>,
    pending: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    count: AtomicUsize,
    changed: Notify,
}

impl Releases {
    /// Starts a release task, which lives as long as the returned handle.
    pub fn start(host: Arc<dyn BlobHost>) -> Arc<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pending = Arc::<Pending>::default();
        let releaser = Releaser {
            host,
            pending: Arc::clone(&pending),
            again: sender.downgrade(),
            calls: Arc::new(Semaphore::new(CALLS)),
        };
        tokio::spawn(Arc::new(releaser).run(receiver));
        Arc::new(Self { sender, pending })
    }

    /// How many blobs are not released yet, those in flight included.
    pub fn unreleased(&self) -> usize {
        self.pending.count.load(Ordering::Acquire)
    }

    /// Waits until the queue is empty and no call is in flight.
    pub async fn drained(&self) {
        loop {
            let changed = self.pending.changed.notified();
            if self.pending.count.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl ReleaseQueue for Releases {
    fn release_later(&self, blob: HostedBlob) {
        self.pending.count.fetch_add(1, Ordering::AcqRel);
        if self.sender.send(Waiting { blob, tries: 0 }).is_err() {
            self.pending.done(1);
        }
    }
}

impl Pending {
    fn done(&self, count: usize) {
        self.count.fetch_sub(count, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

struct Releaser {
    host: Arc<dyn BlobHost>,
    pending: Arc<Pending>,
    /// Weak, so that the task ends when the handle is dropped.
    again: mpsc::WeakUnboundedSender<Waiting>,
    calls: Arc<Semaphore>,
}

impl Releaser {
    async fn run(self: Arc<Self>, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let Ok(call) = Arc::clone(&self.calls).acquire_owned().await else {
                return;
            };
            let mut batch = Vec::new();
            pace.tick().await;
            if receiver.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let releaser = Arc::clone(&self);
            tokio::spawn(async move {
                let failed = releaser.release(batch).await;
                drop(call);
                releaser.again_later(failed).await;
            });
        }
    }

    /// Releases a batch. Returns the blobs to retry.
    async fn release(&self, batch: Vec<Waiting>) -> Vec<Waiting> {
        let blobs: Vec<HostedBlob> = batch.iter().map(|waiting| waiting.blob.clone()).collect();
        match self.host.release(&blobs).await {
            Ok(()) => {
                self.pending.done(batch.len());
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(
                    cause = in_words(&error),
                    blobs = blobs.len(),
                    "hosted blobs were not released"
                );
                batch
            }
        }
    }

    async fn again_later(&self, mut failed: Vec<Waiting>) {
        let before = failed.len();
        for waiting in &mut failed {
            waiting.tries += 1;
        }
        failed.retain(|waiting| waiting.tries < TRIES);
        if before > failed.len() {
            tracing::error!(
                blobs = before - failed.len(),
                "hosted blobs are left to upkeep"
            );
            self.pending.done(before - failed.len());
        }
        let Some(tries) = failed.iter().map(|waiting| waiting.tries).min() else {
            return;
        };
        sleep(FIRST_WAIT * 2_u32.saturating_pow(tries - 1)).await;
        for waiting in failed {
            if self
                .again
                .upgrade()
                .is_none_or(|sender| sender.send(waiting).is_err())
            {
                self.pending.done(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::ports::{MockBlobHost, UpstreamError, cause};
    use tokio::time::{Instant, timeout};

    use super::*;

    fn blob(number: usize) -> HostedBlob {
        HostedBlob {
            id: number.to_string(),
            url: format!("http://host/{number}"),
        }
    }

    fn failure() -> UpstreamError {
        UpstreamError::Unavailable {
            retry_after: None,
            source: cause("503"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn single_blob_is_released_at_once() {
        let mut host = MockBlobHost::new();
        host.expect_release()
            .times(1)
            .withf(|blobs| blobs.len() == 1)
            .returning(|_| Ok(()));
        let releases = Releases::start(Arc::new(host));
        let began = Instant::now();
        releases.release_later(blob(1));
        releases.drained().await;
        assert!(began.elapsed() <= PACE);
    }

    #[tokio::test(start_paused = true)]
    async fn backlog_is_batched_and_each_blob_released_once() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let mut host = MockBlobHost::new();
        let seen = Arc::clone(&sizes);
        host.expect_release().returning(move |blobs| {
            seen.lock().unwrap().push(blobs.len());
            Ok(())
        });
        let releases = Releases::start(Arc::new(host));
        (0..250).for_each(|number| releases.release_later(blob(number)));
        releases.drained().await;
        assert_eq!(*sizes.lock().unwrap(), [100, 100, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_is_retried_within_half_a_second() {
        let mut host = MockBlobHost::new();
        host.expect_release().times(1).returning(|_| Err(failure()));
        host.expect_release().times(1).returning(|_| Ok(()));
        let releases = Releases::start(Arc::new(host));
        releases.release_later(blob(1));
        let began = Instant::now();
        releases.drained().await;
        assert!(
            began.elapsed() <= FIRST_WAIT + 2 * PACE,
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_failure_is_left_to_upkeep() {
        let mut host = MockBlobHost::new();
        host.expect_release()
            .times(TRIES as usize)
            .returning(|_| Err(failure()));
        let releases = Releases::start(Arc::new(host));
        releases.release_later(blob(1));
        releases.drained().await;
    }

    struct HangsForOne(Mutex<Vec<HostedBlob>>);

    #[async_trait::async_trait]
    impl BlobHost for HangsForOne {
        async fn host(
            &self,
            _: &domain::EncodedPicture,
            _: &str,
            _: &domain::ports::CallContext,
        ) -> Result<HostedBlob, UpstreamError> {
            Err(failure())
        }

        async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
            if blobs.contains(&blob(0)) {
                std::future::pending::<()>().await;
            }
            self.0.lock().unwrap().extend_from_slice(blobs);
            Ok(())
        }

        async fn forgotten(
            &self,
            _: chrono::DateTime<chrono::Utc>,
        ) -> Result<Vec<HostedBlob>, UpstreamError> {
            Ok(Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_call_delays_no_other() {
        let host = Arc::new(HangsForOne(Mutex::default()));
        let releases = Releases::start(Arc::<HangsForOne>::clone(&host));
        releases.release_later(blob(0));
        sleep(PACE).await;
        releases.release_later(blob(1));
        assert!(
            timeout(Duration::from_secs(1), releases.drained())
                .await
                .is_err()
        );
        assert_eq!(*host.0.lock().unwrap(), [blob(1)]);
    }
}
