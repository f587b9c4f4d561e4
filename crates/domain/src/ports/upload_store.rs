//! Where temporary uploads are kept.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{OriginalContent, OriginalStoreError};
use crate::UploadId;

/// The uploads that a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeptUploads {
    /// Their number.
    pub count: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// How many were removed by the sweep that counted these.
    pub removed: u64,
}

/// Keeps the bytes of temporary uploads. Every server that uses the same store serves them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait UploadStore: Send + Sync {
    /// Keeps bytes under a new id, atomically: they are there as a whole, or not at all.
    async fn put(&self, id: &UploadId, bytes: Bytes) -> Result<(), OriginalStoreError>;

    /// Opens an upload; `None` if there is none of that id.
    async fn get(&self, id: &UploadId) -> Result<Option<OriginalContent>, OriginalStoreError>;

    /// Removes an upload. Returns whether it was there.
    async fn remove(&self, id: &UploadId) -> Result<bool, OriginalStoreError>;

    /// Removes all uploads whose ids were not made within a span of time, the remains of interrupted puts of such
    /// ids included, and counts those that are left.
    async fn sweep(&self, alive: Range<DateTime<Utc>>) -> Result<KeptUploads, OriginalStoreError>;
}
