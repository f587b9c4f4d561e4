//! What runs by itself: removing what interrupted work left behind, and keeping summaries fast.

use std::{num::NonZeroU32, sync::Arc};

use chrono::TimeDelta;
use thiserror::Error;

use super::forgotten::Forgotten;
use crate::{
    ContentDigest,
    ports::{
        BlobHost, Clock, ImageStore, ImageStoreError, OriginalStore, OriginalStoreError,
        UpstreamError,
    },
};

/// How many abandoned originals are looked at in one go.
const BATCH: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// For how long upkeep holds an original that it removes. Uploads of the same bytes wait; if upkeep
/// is killed meanwhile, they wait as long as this at most. Must be longer than any removal takes.
const REMOVAL_CLAIM: TimeDelta = TimeDelta::seconds(60);

/// How many lists of forgotten blobs are worked through in one go.
const MAX_ROUNDS: usize = 100;

/// What upkeep works with.
#[derive(Clone)]
pub struct UpkeepPorts {
    /// Knows which originals are in use.
    pub store: Arc<dyn ImageStore>,
    /// Has the originals.
    pub originals: Arc<dyn OriginalStore>,
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

/// Removes what was left behind.
#[derive(Clone)]
pub struct Upkeep {
    ports: UpkeepPorts,
    settings: UpkeepSettings,
    forgotten: Arc<Forgotten>,
}

impl Upkeep {
    /// Puts the service together.
    pub fn new(ports: UpkeepPorts, settings: UpkeepSettings) -> Self {
        Self {
            ports,
            settings,
            forgotten: Arc::default(),
        }
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

    /// Removes the originals that no image refers to and no upload protects. Says how many.
    ///
    /// Candidates come from the store's own claims, never from a listing of the originals: a folder
    /// that holds the originals of another database is left alone.
    pub async fn remove_abandoned(&self) -> Result<usize, UpkeepError> {
        let mut removed = 0;
        loop {
            let digests = self
                .ports
                .store
                .abandoned(self.ports.clock.now(), BATCH)
                .await?;
            let before = removed;
            for digest in &digests {
                removed += usize::from(self.remove(digest).await?);
            }
            if removed == before {
                return Ok(removed);
            }
        }
    }

    /// Removes the remains of puts that were cut off. Says how many.
    pub async fn sweep(&self) -> Result<u64, UpkeepError> {
        let before = self.ports.clock.now() - self.settings.original_age;
        Ok(self.ports.originals.sweep(before).await?)
    }

    /// Does one step of the work that keeps summaries fast. `true` if there may be more to do.
    pub async fn condense(&self) -> Result<bool, UpkeepError> {
        Ok(self.ports.store.condense(self.ports.clock.now()).await?)
    }

    async fn remove(&self, digest: &ContentDigest) -> Result<bool, UpkeepError> {
        let now = self.ports.clock.now();
        if !self
            .ports
            .store
            .claim_for_removal(digest, now, now + REMOVAL_CLAIM)
            .await?
        {
            return Ok(false);
        }
        self.ports.originals.remove(digest).await?;
        self.ports.store.forget(digest).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
