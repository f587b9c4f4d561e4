//! The bound on the bytes of all originals.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::lock::Mutex;

use crate::ports::{ImageStoreError, OriginalLedger};

/// How many originals are summed up in one read.
const STRIDE: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Admits uploads while there is room for their originals.
///
/// Originals are summed up once; from then on only those that have become known since are added, whichever server
/// put them. What was removed is noticed by [`recount`](Self::recount) alone.
pub(super) struct StoreRoom {
    ledger: Arc<dyn OriginalLedger>,
    limit: Option<u64>,
    counted: Mutex<Counted>,
    /// The bytes of uploads under way in this process.
    reserved: AtomicU64,
}

#[derive(Debug, Default)]
struct Counted {
    bytes: u64,
    /// How far the originals have been counted.
    until: u64,
}

/// Room for an upload, until it is dropped.
pub(super) struct Reservation<'r> {
    reserved: &'r AtomicU64,
    bytes: u64,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl StoreRoom {
    pub(super) fn new(ledger: Arc<dyn OriginalLedger>, limit: Option<u64>) -> Self {
        Self {
            ledger,
            limit,
            counted: Mutex::default(),
            reserved: AtomicU64::new(0),
        }
    }

    /// The most bytes of all originals, if there is a bound.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Reserves room for an original; `None` if there is none.
    pub(super) async fn reserve(
        &self,
        bytes: u64,
    ) -> Result<Option<Reservation<'_>>, ImageStoreError> {
        let mut counted = self.counted.lock().await;
        self.advance(&mut counted).await?;
        // Under the lock, so that no two uploads take the same room.
        let reserved = self.reserved.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation {
            reserved: &self.reserved,
            bytes,
        };
        let sum = counted.bytes.saturating_add(reserved).saturating_add(bytes);
        let fits = self.limit.is_none_or(|limit| sum <= limit);
        Ok(fits.then_some(reservation))
    }

    /// Counts all originals again, and returns their bytes.
    pub(super) async fn recount(&self) -> Result<u64, ImageStoreError> {
        let mut fresh = Counted::default();
        self.advance(&mut fresh).await?;
        let bytes = fresh.bytes;
        *self.counted.lock().await = fresh;
        Ok(bytes)
    }

    /// Adds the originals that have become known since.
    async fn advance(&self, counted: &mut Counted) -> Result<(), ImageStoreError> {
        loop {
            let stride = self.ledger.stored_bytes(counted.until, STRIDE).await?;
            counted.bytes = counted.bytes.saturating_add(stride.bytes);
            counted.until = stride.until;
            if stride.originals < STRIDE.get() {
                return Ok(());
            }
        }
    }
}
