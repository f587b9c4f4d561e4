//! Temporary uploads, guarded like the originals beside which they are kept.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    UploadId,
    ports::{KeptUploads, OriginalContent, UploadStore},
};

use super::originals::{Calls, Outcome, guarded};

/// Temporary uploads that give up what hangs.
pub struct GuardedUploads {
    inner: Arc<dyn UploadStore>,
    calls: Calls,
}

impl GuardedUploads {
    pub(super) fn new(inner: Arc<dyn UploadStore>, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

#[async_trait]
impl UploadStore for GuardedUploads {
    async fn put(&self, id: &UploadId, bytes: Bytes) -> Outcome<()> {
        let (inner, id) = (Arc::clone(&self.inner), *id);
        self.calls
            .run(async move { inner.put(&id, bytes).await })
            .await?
    }

    async fn get(&self, id: &UploadId) -> Outcome<Option<OriginalContent>> {
        let (inner, id) = (Arc::clone(&self.inner), *id);
        let found = self
            .calls
            .run(async move { inner.get(&id).await })
            .await??;
        Ok(found.map(|content| OriginalContent {
            stream: guarded(content.stream, self.calls.clone()),
            ..content
        }))
    }

    async fn remove(&self, id: &UploadId) -> Outcome<bool> {
        let (inner, id) = (Arc::clone(&self.inner), *id);
        self.calls
            .run(async move { inner.remove(&id).await })
            .await?
    }

    async fn sweep(&self, alive: Range<DateTime<Utc>>) -> Outcome<KeptUploads> {
        let inner = Arc::clone(&self.inner);
        self.calls
            .run(async move { inner.sweep(alive).await })
            .await?
    }
}
