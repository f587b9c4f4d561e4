//! Removals of originals, and the registry of databases beside them, guarded like the originals.
//!
//! An abandoned call keeps running and may take effect at any later time; the port is designed for that.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    ContentDigest, DatabaseId, Fence,
    ports::{DatabaseRegistry, Fate, OriginalRemoval, SetAside},
};

use super::originals::{Calls, Outcome};

/// Removals with time-outs.
pub struct GuardedRemoval {
    inner: Arc<dyn OriginalRemoval>,
    calls: Calls,
}

impl GuardedRemoval {
    pub(super) fn new(inner: Arc<dyn OriginalRemoval>, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

#[async_trait]
impl OriginalRemoval for GuardedRemoval {
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Outcome<Option<SetAside>> {
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.calls
            .run(async move { inner.set_aside(&digest, fence, fate).await })
            .await?
    }

    async fn list_set_aside(&self, now: DateTime<Utc>) -> Outcome<Vec<SetAside>> {
        let inner = Arc::clone(&self.inner);
        self.calls
            .run(async move { inner.list_set_aside(now).await })
            .await?
    }

    async fn put_back(&self, original: &SetAside) -> Outcome<()> {
        let (inner, original) = (Arc::clone(&self.inner), *original);
        self.calls
            .run(async move { inner.put_back(&original).await })
            .await?
    }

    async fn finish(&self, original: &SetAside) -> Outcome<()> {
        let (inner, original) = (Arc::clone(&self.inner), *original);
        self.calls
            .run(async move { inner.finish(&original).await })
            .await?
    }

    /// No time-out: no request waits for it, and a large store takes long.
    async fn sweep(&self, before: DateTime<Utc>) -> Outcome<u64> {
        self.inner.sweep(before).await
    }
}

/// A registry with time-outs.
pub struct GuardedRegistry {
    inner: Arc<dyn DatabaseRegistry>,
    calls: Calls,
}

impl GuardedRegistry {
    pub(super) fn new(inner: Arc<dyn DatabaseRegistry>, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

#[async_trait]
impl DatabaseRegistry for GuardedRegistry {
    async fn register(&self, database: &DatabaseId) -> Outcome<()> {
        let (inner, database) = (Arc::clone(&self.inner), *database);
        self.calls
            .run(async move { inner.register(&database).await })
            .await?
    }

    async fn databases(&self) -> Outcome<Vec<DatabaseId>> {
        let inner = Arc::clone(&self.inner);
        self.calls
            .run(async move { inner.databases().await })
            .await?
    }

    async fn unregister(&self, database: &DatabaseId) -> Outcome<bool> {
        let (inner, database) = (Arc::clone(&self.inner), *database);
        self.calls
            .run(async move { inner.unregister(&database).await })
            .await?
    }
}
