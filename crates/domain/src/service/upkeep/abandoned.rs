//! Removes originals that no image refers to.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;

use super::{
    super::{
        backoff::Backoff,
        removal::{self, Outcome, RemovalError, RemovalPorts},
    },
    UpkeepError,
};
use crate::{
    ContentDigest, DatabaseId, Fence,
    ports::{Clock, Fate, OriginalStore, OriginalStoreError, in_words},
};

/// How many abandoned originals are processed in one run.
const BATCH: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// The first pause of an original that could not be removed. Longer than a request to a bucket is valid: it
/// must have no late effect any more when the original is removed again.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(20);

/// The longest pause of such an original.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(1);

pub(super) struct AbandonedOriginals {
    ports: RemovalPorts,
    originals: Arc<dyn OriginalStore>,
    /// The originals that could not be removed or recovered.
    failures: Backoff<ContentDigest>,
    /// Whether it was logged that other databases share the originals.
    is_sharing_logged: AtomicBool,
}

impl AbandonedOriginals {
    pub(super) fn new(ports: RemovalPorts, originals: Arc<dyn OriginalStore>) -> Self {
        Self {
            ports,
            originals,
            failures: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            is_sharing_logged: AtomicBool::new(false),
        }
    }

    /// Removes the originals that no image refers to and no upload protects, and recovers those that killed
    /// removals set aside. Returns the number removed.
    ///
    /// Candidates come from the store's own claims, never from a listing of the originals. While other
    /// databases share the originals, none is removed. An original that cannot be removed is retried after
    /// a back-off, and delays no other.
    pub(super) async fn remove(&self, clock: &dyn Clock) -> Result<usize, UpkeepError> {
        let own = self.ports.register().await?;
        self.recover(&own, clock).await?;
        if !self.is_alone(&own).await? {
            return Ok(0);
        }
        let mut removed = 0;
        loop {
            let now = clock.now();
            let digests = self.ports.claims.abandoned(now, BATCH).await?;
            let mut has_progress = false;
            for digest in &digests {
                let outcome = self.remove_one(digest, &own, clock).await?;
                has_progress |= outcome != Removal::Skipped;
                removed += usize::from(outcome == Removal::Done);
            }
            if !has_progress {
                return Ok(removed);
            }
        }
    }

    /// Recovers originals set aside by removals that were killed or are late.
    async fn recover(&self, own: &DatabaseId, clock: &dyn Clock) -> Result<(), UpkeepError> {
        let now = clock.now();
        for original in self.ports.originals.list_set_aside(now).await? {
            let now = clock.now();
            match self.ports.recover(&original, own, now).await {
                Ok(()) => self.failures.succeeded(&original.digest),
                Err(RemovalError::Store(error)) => return Err(error.into()),
                Err(RemovalError::Originals(error)) => {
                    self.note_failure(&original.digest, &error).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether no other database shares the originals. Logged once if one does.
    async fn is_alone(&self, own: &DatabaseId) -> Result<bool, UpkeepError> {
        let is_alone = self.ports.is_alone(own).await?;
        let is_logged = self.is_sharing_logged.swap(!is_alone, Ordering::Relaxed);
        if !is_alone && !is_logged {
            tracing::warn!(
                database = %own,
                "another database keeps originals in the same place: none is removed, by either; \
                 if it is given up, say so by `etiqueta check --forget-database`"
            );
        }
        Ok(is_alone)
    }

    async fn remove_one(
        &self,
        digest: &ContentDigest,
        own: &DatabaseId,
        clock: &dyn Clock,
    ) -> Result<Removal, UpkeepError> {
        let (now, fence) = (clock.now(), Fence::random());
        let until = now + removal::CLAIM;
        let claims = &self.ports.claims;
        if !claims.claim_for_removal(digest, fence, now, until).await? {
            return Ok(Removal::Skipped);
        }
        match self
            .ports
            .take_away(digest, fence, Fate::Removal, own)
            .await
        {
            Ok(Outcome::Away | Outcome::Absent) => {
                self.failures.succeeded(digest);
                Ok(Removal::Done)
            }
            Ok(Outcome::Kept | Outcome::Shared) => Ok(Removal::Skipped),
            Err(RemovalError::Store(error)) => Err(error.into()),
            Err(RemovalError::Originals(error)) => {
                let pause = self.note_failure(digest, &error).await?;
                claims.postpone(digest, fence, now + pause).await?;
                Ok(Removal::Postponed)
            }
        }
    }

    /// The pause of an original after a failure.
    ///
    /// # Errors
    /// If the store fails as a whole.
    async fn note_failure(
        &self,
        digest: &ContentDigest,
        error: &OriginalStoreError,
    ) -> Result<TimeDelta, UpkeepError> {
        self.originals.ready().await?;
        let setback = self.failures.failed(*digest);
        if setback.is_first {
            let cause = in_words(error);
            tracing::warn!(%digest, cause, "an original cannot be removed; it is left alone for a while");
        }
        Ok(setback.pause)
    }
}

/// The result for a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    Done,
    /// It is claimed by another holder now.
    Skipped,
    /// It could not be removed, and pauses.
    Postponed,
}
