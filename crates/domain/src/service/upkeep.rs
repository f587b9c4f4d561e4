//! Background work: removes what interrupted work left behind, and rolls up statistics.

mod abandoned;

use std::{num::NonZeroU32, sync::Arc};

use chrono::TimeDelta;
use thiserror::Error;

use self::abandoned::AbandonedOriginals;
use super::{
    forgotten::Forgotten,
    removal::{RemovalError, RemovalPorts},
};
use crate::ports::{
    BlobHost, Clock, IdempotencyStore, ImageStoreError, OriginalStore, OriginalStoreError,
    TagStatistics, UpstreamError,
};

/// How many batches of forgotten blobs are processed in one run.
const MAX_ROUNDS: usize = 100;

/// How many expired requests are removed in one transaction.
const REQUESTS: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// The ports of upkeep.
#[derive(Clone)]
pub struct UpkeepPorts {
    /// Rolls up statistics of past images.
    pub statistics: Arc<dyn TagStatistics>,
    /// Removes expired requests.
    pub requests: Arc<dyn IdempotencyStore>,
    /// Tells whether the store as a whole is failing.
    pub originals: Arc<dyn OriginalStore>,
    /// Removes originals, and sweeps interrupted puts.
    pub removal: RemovalPorts,
    /// The blob host, if there is one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Tells the age of left-overs.
    pub clock: Arc<dyn Clock>,
}

/// How old left-overs must be before they are removed.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepSettings {
    /// Age of a hosted blob that was not released. Longer than any tagging takes.
    pub hosted_blob_age: TimeDelta,
    /// Age of the remains of an interrupted put. Longer than any put takes.
    pub original_age: TimeDelta,
}

/// Why a task of upkeep failed. The next run retries it.
#[derive(Debug, Clone, Error)]
pub enum UpkeepError {
    /// The blob host failed, or is unavailable.
    #[error("the blob host: {0}")]
    Host(#[from] UpstreamError),
    /// The image store failed, or is unavailable.
    #[error("the image store: {0}")]
    Store(#[from] ImageStoreError),
    /// The store of originals failed.
    #[error("the store of originals: {0}")]
    Originals(#[from] OriginalStoreError),
}

impl From<RemovalError> for UpkeepError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::Store(error) => Self::Store(error),
            RemovalError::Originals(error) => Self::Originals(error),
        }
    }
}

/// Removes left-overs, and rolls up statistics.
#[derive(Clone)]
pub struct Upkeep {
    ports: UpkeepPorts,
    settings: UpkeepSettings,
    forgotten: Arc<Forgotten>,
    abandoned: Arc<AbandonedOriginals>,
}

impl Upkeep {
    /// Creates the service on its ports.
    pub fn new(ports: UpkeepPorts, settings: UpkeepSettings) -> Self {
        let abandoned =
            AbandonedOriginals::new(ports.removal.clone(), Arc::clone(&ports.originals));
        Self {
            ports,
            settings,
            forgotten: Arc::default(),
            abandoned: Arc::new(abandoned),
        }
    }

    /// Registers the database beside the originals. No original may be put before.
    pub async fn register(&self) -> Result<(), UpkeepError> {
        self.ports.removal.register().await?;
        Ok(())
    }

    /// Releases forgotten blobs, and returns their number.
    ///
    /// One that cannot be released is retried after a back-off, and delays no other.
    pub async fn release_forgotten(&self) -> Result<usize, UpkeepError> {
        let Some(host) = &self.ports.host else {
            return Ok(0);
        };
        let before = self.ports.clock.now() - self.settings.hosted_blob_age;
        let mut released = 0;
        for _ in 0..MAX_ROUNDS {
            let now = self.ports.clock.now();
            let due = self.forgotten.due(host.forgotten(before).await?, now);
            if due.is_empty() {
                break;
            }
            released += self.forgotten.release(&**host, &due, now).await?;
        }
        Ok(released)
    }

    /// Removes the originals that no image refers to and no upload protects, and finishes or undoes killed
    /// removals. Returns the number of originals removed.
    ///
    /// While other databases share the originals, none is removed.
    pub async fn remove_abandoned(&self) -> Result<usize, UpkeepError> {
        self.abandoned.remove(self.ports.clock.as_ref()).await
    }

    /// Removes the remains of interrupted puts, and returns their number.
    pub async fn sweep(&self) -> Result<u64, UpkeepError> {
        let before = self.ports.clock.now() - self.settings.original_age;
        Ok(self.ports.removal.originals.sweep(before).await?)
    }

    /// Removes what has expired of requests with idempotency keys, in strides. Returns the number removed.
    pub async fn remove_expired_requests(&self) -> Result<usize, UpkeepError> {
        let mut removed = 0;
        loop {
            let found = self
                .ports
                .requests
                .remove_expired_requests(REQUESTS)
                .await?;
            removed += found as usize;
            if found < REQUESTS.get() {
                return Ok(removed);
            }
        }
    }

    /// Does one step of the rollup. `true` if there may be more to do.
    pub async fn roll_up(&self) -> Result<bool, UpkeepError> {
        Ok(self
            .ports
            .statistics
            .roll_up(self.ports.clock.now())
            .await?)
    }
}
