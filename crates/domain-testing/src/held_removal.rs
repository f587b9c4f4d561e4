//! Removals that a test can delay.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::lock::{Mutex, OwnedMutexGuard};

use domain::{
    ContentDigest, Fence,
    ports::{Fate, OriginalRemoval, OriginalStoreError, SetAside},
};

/// Removals whose steps a test can hold before and after they happen, like a hung disk or a stopped
/// process.
pub struct HeldRemoval {
    inner: Arc<dyn OriginalRemoval>,
    /// Passed before and after a step.
    pub set_aside: [Barrier; 2],
    /// Passed before and after a step.
    pub put_back: [Barrier; 2],
    /// Passed before and after a step.
    pub finish: [Barrier; 2],
}

/// A barrier that a step passes unless it is closed.
#[derive(Default)]
pub struct Barrier {
    lock: Arc<Mutex<()>>,
    reached: AtomicUsize,
}

impl Barrier {
    /// Closes it until the guard is dropped.
    pub async fn close(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.lock).lock_owned().await
    }

    /// How often it was reached.
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// Waits while it is closed.
    pub async fn pass(&self) {
        self.reached.fetch_add(1, Ordering::SeqCst);
        drop(self.lock.lock().await);
    }
}

impl HeldRemoval {
    /// Wraps removals with open barriers.
    pub fn new(inner: Arc<dyn OriginalRemoval>) -> Self {
        Self {
            inner,
            set_aside: Default::default(),
            put_back: Default::default(),
            finish: Default::default(),
        }
    }
}

async fn between<T>([before, after]: &[Barrier; 2], step: impl Future<Output = T>) -> T {
    before.pass().await;
    let outcome = step.await;
    after.pass().await;
    outcome
}

#[async_trait]
impl OriginalRemoval for HeldRemoval {
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Result<Option<SetAside>, OriginalStoreError> {
        between(&self.set_aside, self.inner.set_aside(digest, fence, fate)).await
    }

    async fn list_set_aside(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<SetAside>, OriginalStoreError> {
        self.inner.list_set_aside(now).await
    }

    async fn put_back(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        between(&self.put_back, self.inner.put_back(original)).await
    }

    async fn finish(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        between(&self.finish, self.inner.finish(original)).await
    }

    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError> {
        self.inner.sweep(before).await
    }
}
