//! Files that a client uploads now to have them tagged a little later.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use crate::{
    UploadId,
    ports::{Clock, KeptUploads, OriginalContent, OriginalStoreError, UploadStore},
};

/// How long an upload is kept.
pub const UPLOAD_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// The most uploads kept at a time.
pub const MAX_UPLOADS: u64 = 10_000;

/// How long a count is relied on: other servers put uploads, too.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// How long a store is full before it is counted again.
const FULL: TimeDelta = TimeDelta::seconds(5);

/// Why there is no upload.
#[derive(Debug, Clone, Error)]
pub enum UploadError {
    /// No upload has that id.
    #[error("there is no such upload")]
    NotFound,
    /// It was kept for its time.
    #[error("the upload has expired: uploads are kept for an hour")]
    Expired,
    /// There is no room for another one.
    #[error(
        "there is no room for another upload: {limit} bytes in {MAX_UPLOADS} uploads are kept at most"
    )]
    Full {
        /// The most bytes of all uploads together.
        limit: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] OriginalStoreError),
}

/// Keeps temporary uploads for [`UPLOAD_LIFETIME`]. Clones share the count of them.
#[derive(Clone)]
pub struct TemporaryUploads {
    store: Arc<dyn UploadStore>,
    clock: Arc<dyn Clock>,
    /// The most bytes kept.
    limit: u64,
    usage: Arc<Mutex<Usage>>,
}

/// What is kept, as far as this process knows.
#[derive(Debug, Default)]
struct Usage {
    counted: Option<(DateTime<Utc>, KeptUploads)>,
    /// What was put since the start of this process.
    put: KeptUploads,
    /// What of that was put before the count began.
    put_before: KeptUploads,
    /// What is being put.
    pending: KeptUploads,
}

/// Room for an upload that is being put. Dropped, it is given back.
struct Room<'u> {
    usage: &'u Mutex<Usage>,
    bytes: u64,
    is_put: bool,
}

impl TemporaryUploads {
    /// Keeps at most `limit` bytes; 0 keeps none. Of several servers each counts for itself, at least once a minute while
    /// it keeps uploads: they may keep more together by what they put in a minute.
    pub fn new(store: Arc<dyn UploadStore>, clock: Arc<dyn Clock>, limit: u64) -> Self {
        Self {
            store,
            clock,
            limit,
            usage: Arc::default(),
        }
    }

    /// Keeps bytes, and returns the id under which they are found.
    ///
    /// # Errors
    /// [`UploadError::Full`] before anything is kept.
    pub async fn keep(&self, bytes: Bytes) -> Result<UploadId, UploadError> {
        let room = self.reserve(bytes.len() as u64).await?;
        let id = UploadId::new(self.clock.now());
        self.store.put(&id, bytes).await?;
        room.used();
        Ok(id)
    }

    /// Opens an upload.
    ///
    /// # Errors
    /// [`UploadError::NotFound`] and [`UploadError::Expired`].
    pub async fn open(&self, id: &UploadId) -> Result<OriginalContent, UploadError> {
        self.check(id)?;
        self.store.get(id).await?.ok_or(UploadError::NotFound)
    }

    /// Removes an upload.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn remove(&self, id: &UploadId) -> Result<(), UploadError> {
        self.check(id)?;
        let was_there = self.store.remove(id).await?;
        was_there.then_some(()).ok_or(UploadError::NotFound)
    }

    /// Removes expired uploads, and returns their number.
    pub async fn sweep(&self) -> Result<u64, OriginalStoreError> {
        Ok(self.count().await?.removed)
    }

    /// Fails unless an upload with that id may be there.
    fn check(&self, id: &UploadId) -> Result<(), UploadError> {
        let made_at = id.made_at().ok_or(UploadError::NotFound)?;
        let is_alive = alive(self.clock.now()).contains(&made_at);
        is_alive.then_some(()).ok_or(UploadError::Expired)
    }

    /// Sets room aside, and counts again what is kept where that may be out of date.
    async fn reserve(&self, bytes: u64) -> Result<Room<'_>, UploadError> {
        let limit = self.limit;
        let full = UploadError::Full { limit };
        if bytes > limit {
            return Err(full);
        }
        let now = self.clock.now();
        let age = |counted: DateTime<Utc>| (now - counted).abs();
        {
            let mut usage = self.usage();
            let fits = usage.fits(bytes, limit);
            match usage.counted.map(|(at, _)| age(at)) {
                Some(age) if fits && age < FRESH => {
                    usage.pending.add(bytes);
                    return Ok(self.room(bytes));
                }
                Some(age) if !fits && age < FULL => return Err(full),
                _ => {}
            }
            if let Some((at, _)) = &mut usage.counted {
                // Others go on with this count meanwhile.
                *at = now;
            }
        }
        self.count().await?;
        let mut usage = self.usage();
        if !usage.fits(bytes, limit) {
            return Err(full);
        }
        usage.pending.add(bytes);
        Ok(self.room(bytes))
    }

    fn room(&self, bytes: u64) -> Room<'_> {
        Room {
            usage: &self.usage,
            bytes,
            is_put: false,
        }
    }

    /// Removes what has expired, and counts the rest.
    async fn count(&self) -> Result<KeptUploads, OriginalStoreError> {
        let now = self.clock.now();
        // What is put meanwhile may be counted twice, and never not at all.
        let put_before = self.usage().put;
        let kept = self.store.sweep(alive(now)).await?;
        let mut usage = self.usage();
        // Of two counts at once the one that began later stays.
        if usage.put_before.count <= put_before.count {
            usage.counted = Some((now, kept));
            usage.put_before = put_before;
        }
        Ok(kept)
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        lock(&self.usage)
    }
}

/// When the ids of uploads were made that are kept at that time. A server's clock may be ahead of this one's.
fn alive(now: DateTime<Utc>) -> Range<DateTime<Utc>> {
    now - UPLOAD_LIFETIME..now + UPLOAD_LIFETIME
}

impl Usage {
    /// Whether there is room for an upload of so many bytes.
    fn fits(&self, bytes: u64, limit: u64) -> bool {
        let counted = self.counted.map(|(_, kept)| kept).unwrap_or_default();
        let put = self.put.since(self.put_before);
        let parts = [counted, put, self.pending];
        let count: u64 = parts.iter().map(|part| part.count).sum();
        let kept: u64 = parts.iter().map(|part| part.bytes).sum();
        count < MAX_UPLOADS && kept.saturating_add(bytes) <= limit
    }
}

impl KeptUploads {
    /// What came since it was that much.
    fn since(self, before: Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            bytes: self.bytes.saturating_sub(before.bytes),
            ..self
        }
    }

    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn subtract(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Room<'_> {
    fn used(mut self) {
        self.is_put = true;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut usage = lock(self.usage);
        usage.pending.subtract(self.bytes);
        if self.is_put {
            usage.put.add(self.bytes);
        }
    }
}

fn lock(usage: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}
