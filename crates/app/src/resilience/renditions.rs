//! Renditions, guarded like the originals beside which they are kept.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{ContentDigest, RenditionKey, ports::RenditionStore};

use super::originals::{Calls, Outcome};

/// Renditions that give up what hangs.
pub struct GuardedRenditions {
    inner: Arc<dyn RenditionStore>,
    calls: Calls,
}

impl GuardedRenditions {
    pub(super) fn new(inner: Arc<dyn RenditionStore>, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

#[async_trait]
impl RenditionStore for GuardedRenditions {
    async fn get(&self, key: &RenditionKey) -> Outcome<Option<Bytes>> {
        let (inner, key) = (Arc::clone(&self.inner), *key);
        self.calls.run(async move { inner.get(&key).await }).await?
    }

    async fn put(&self, key: &RenditionKey, bytes: Bytes) -> Outcome<()> {
        let (inner, key) = (Arc::clone(&self.inner), *key);
        self.calls
            .run(async move { inner.put(&key, bytes).await })
            .await?
    }

    async fn remove(&self, digest: &ContentDigest) -> Outcome<()> {
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.calls
            .run(async move { inner.remove(&digest).await })
            .await?
    }

    async fn prune(&self, limit: u64) -> Outcome<u64> {
        let inner = Arc::clone(&self.inner);
        self.calls
            .run(async move { inner.prune(limit).await })
            .await?
    }
}
