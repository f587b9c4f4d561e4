//! What runs by itself: removing what interrupted work left behind, and keeping summaries fast.

mod abandoned;

use std::sync::Arc;

use chrono::TimeDelta;
use thiserror::Error;

use self::abandoned::AbandonedOriginals;
use super::{
    forgotten::Forgotten,
    removal::{RemovalError, RemovalPorts},
};
use crate::ports::{
    BlobHost, Clock, ImageStoreError, OriginalStore, OriginalStoreError, TagStatistics,
    UpstreamError,
};

/// How many lists of forgotten blobs are worked through in one go.
const MAX_ROUNDS: usize = 100;

/// What upkeep works with.
#[derive(Clone)]
pub struct UpkeepPorts {
    /// Keeps the statistics.
    pub statistics: Arc<dyn TagStatistics>,
    /// Has the originals.
    pub originals: Arc<dyn OriginalStore>,
    /// Takes originals away.
    pub removal: RemovalPorts,
    /// Has the hosted blobs, where there is a host.
    pub host: Option<Arc<dyn BlobHost>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How old left-overs must be before they are removed.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepSettings {
    /// Age of a hosted blob that nobody released. Longer than any tagging takes.
    pub hosted_blob_age: TimeDelta,
    /// Age of the remains of a put that was cut off. Longer than any put takes.
    pub original_age: TimeDelta,
}

/// Why some upkeep was not done. It is tried again next time.
#[derive(Debug, Clone, Error)]
pub enum UpkeepError {
    /// The blob host failed.
    #[error("the blob host: {0}")]
    Host(#[from] UpstreamError),
    /// The image store failed.
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

/// Removes what was left behind.
#[derive(Clone)]
pub struct Upkeep {
    ports: UpkeepPorts,
    settings: UpkeepSettings,
    forgotten: Arc<Forgotten>,
    abandoned: Arc<AbandonedOriginals>,
}

impl Upkeep {
    /// Puts the service together.
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

    /// Leaves the id of the database with the originals. No original may be put before.
    pub async fn register(&self) -> Result<(), UpkeepError> {
        self.ports.removal.register().await?;
        Ok(())
    }

    /// Releases the hosted blobs that nobody released. Says how many.
    ///
    /// One that cannot be released is left alone for a pause, and holds up no other.
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

    /// Removes the originals that no image refers to and no upload protects, and finishes or undoes the
    /// removals that were killed. Says how many it removed.
    ///
    /// While other databases keep originals in the same place, none is removed.
    pub async fn remove_abandoned(&self) -> Result<usize, UpkeepError> {
        self.abandoned.remove(self.ports.clock.as_ref()).await
    }

    /// Removes the remains of puts that were cut off. Says how many.
    pub async fn sweep(&self) -> Result<u64, UpkeepError> {
        let before = self.ports.clock.now() - self.settings.original_age;
        Ok(self.ports.removal.originals.sweep(before).await?)
    }

    /// Does one step of the work that keeps summaries fast. `true` if there may be more to do.
    pub async fn roll_up(&self) -> Result<bool, UpkeepError> {
        Ok(self
            .ports
            .statistics
            .roll_up(self.ports.clock.now())
            .await?)
    }
}
