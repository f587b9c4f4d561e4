//! What runs by itself: removing what interrupted work left behind, and keeping summaries fast.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use thiserror::Error;

use super::{
    backoff::Backoff,
    forgotten::Forgotten,
    removal::{self, Outcome, RemovalError, Removals},
};
use crate::{
    ContentDigest, DatabaseId, Fence,
    ports::{
        BlobHost, Clock, DatabaseRegistry, Fate, ImageStore, ImageStoreError, OriginalRemoval,
        OriginalStore, OriginalStoreError, UpstreamError, in_words,
    },
};

/// How many abandoned originals are looked at in one go.
const BATCH: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// How long an original is left alone that could not be removed, at first. Longer than a request to a
/// bucket is valid: what it may still do must be over before the original is removed once more.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(20);

/// The longest that such an original is left alone.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(1);

/// How many lists of forgotten blobs are worked through in one go.
const MAX_ROUNDS: usize = 100;

/// What upkeep works with.
#[derive(Clone)]
pub struct UpkeepPorts {
    /// Knows which originals are in use.
    pub store: Arc<dyn ImageStore>,
    /// Has the originals.
    pub originals: Arc<dyn OriginalStore>,
    /// Takes originals away.
    pub removal: Arc<dyn OriginalRemoval>,
    /// Knows which databases keep originals in the same place.
    pub registry: Arc<dyn DatabaseRegistry>,
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
    removals: Removals,
    memory: Arc<Memory>,
}

/// What was met before, as long as the process lives.
struct Memory {
    /// The originals that could not be removed, or not be recovered.
    failures: Backoff<ContentDigest>,
    /// Whether the log says that other databases keep originals in the same place.
    is_sharing_told: AtomicBool,
}

impl Upkeep {
    /// Puts the service together.
    pub fn new(ports: UpkeepPorts, settings: UpkeepSettings) -> Self {
        let removals = Removals {
            store: Arc::clone(&ports.store),
            originals: Arc::clone(&ports.removal),
            registry: Arc::clone(&ports.registry),
        };
        let memory = Memory {
            failures: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            is_sharing_told: AtomicBool::new(false),
        };
        Self {
            ports,
            settings,
            forgotten: Arc::default(),
            removals,
            memory: Arc::new(memory),
        }
    }

    /// Leaves the id of the database with the originals. No original may be put before.
    pub async fn register(&self) -> Result<(), UpkeepError> {
        self.removals.register().await?;
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

    /// Removes the originals that no image refers to and no upload protects, and sees to what removals
    /// that were killed set aside. Says how many it removed.
    ///
    /// Candidates come from the store's own claims, never from a listing of the originals. While other
    /// databases keep originals in the same place, none is removed. An original that cannot be removed is
    /// left alone for a pause, and holds up no other.
    pub async fn remove_abandoned(&self) -> Result<usize, UpkeepError> {
        let own = self.removals.register().await?;
        self.recover(&own).await?;
        if !self.is_alone(&own).await? {
            return Ok(0);
        }
        let mut removed = 0;
        loop {
            let now = self.ports.clock.now();
            let digests = self.ports.store.abandoned(now, BATCH).await?;
            let mut has_progress = false;
            for digest in &digests {
                let outcome = self.remove(digest, &own).await?;
                has_progress |= outcome != Removal::Skipped;
                removed += usize::from(outcome == Removal::Done);
            }
            if !has_progress {
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

    /// Sees to what removals set aside that were killed, or are late.
    async fn recover(&self, own: &DatabaseId) -> Result<(), UpkeepError> {
        let now = self.ports.clock.now();
        for original in self.ports.removal.list_set_aside(now).await? {
            let now = self.ports.clock.now();
            match self.removals.recover(&original, own, now).await {
                Ok(()) => self.memory.failures.succeeded(&original.digest),
                Err(RemovalError::Store(error)) => return Err(error.into()),
                Err(RemovalError::Originals(error)) => {
                    self.note_failure(&original.digest, &error).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether no other database keeps originals in the same place. The log says once that one does.
    async fn is_alone(&self, own: &DatabaseId) -> Result<bool, UpkeepError> {
        let is_alone = self.removals.is_alone(own).await?;
        let is_told = self
            .memory
            .is_sharing_told
            .swap(!is_alone, Ordering::Relaxed);
        if !is_alone && !is_told {
            tracing::warn!(
                database = %own,
                "another database keeps originals in the same place: none is removed, by either; \
                 if it is given up, say so by `etiqueta check --forget-database`"
            );
        }
        Ok(is_alone)
    }

    async fn remove(
        &self,
        digest: &ContentDigest,
        own: &DatabaseId,
    ) -> Result<Removal, UpkeepError> {
        let (now, fence) = (self.ports.clock.now(), Fence::random());
        let until = now + removal::CLAIM;
        let store = &self.ports.store;
        if !store.claim_for_removal(digest, fence, now, until).await? {
            return Ok(Removal::Skipped);
        }
        match self
            .removals
            .take_away(digest, fence, Fate::Removal, own)
            .await
        {
            Ok(Outcome::Away | Outcome::Absent) => {
                self.memory.failures.succeeded(digest);
                Ok(Removal::Done)
            }
            Ok(Outcome::Kept | Outcome::Shared) => Ok(Removal::Skipped),
            Err(RemovalError::Store(error)) => Err(error.into()),
            Err(RemovalError::Originals(error)) => {
                let pause = self.note_failure(digest, &error).await?;
                store.postpone(digest, fence, now + pause).await?;
                Ok(Removal::Postponed)
            }
        }
    }

    /// Says for how long an original is to be left alone after a failure.
    ///
    /// # Errors
    /// If it is the store as a whole that fails.
    async fn note_failure(
        &self,
        digest: &ContentDigest,
        error: &OriginalStoreError,
    ) -> Result<TimeDelta, UpkeepError> {
        self.ports.originals.ready().await?;
        let setback = self.memory.failures.failed(*digest);
        if setback.is_first {
            let cause = in_words(error);
            tracing::warn!(%digest, cause, "an original cannot be removed; it is left alone for a while");
        }
        Ok(setback.pause)
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// It is removed.
    Done,
    /// It is somebody else's now.
    Skipped,
    /// It could not be removed, and is left alone for a while.
    Postponed,
}
