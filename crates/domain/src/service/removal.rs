//! Removes an original: set it aside, check the claim again, then finish or put it back.
//!
//! Setting an original aside may take effect arbitrarily late, and hit bytes that were put since. Ending
//! the removal claim is the check: it succeeds only if no later claim was granted, and only then are the
//! bytes given up. `docs/architecture.md` goes through the interleavings.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use crate::{
    ContentDigest, DatabaseId, Fence,
    ports::{
        DatabaseRegistry, Fate, ImageStoreError, OriginalLedger, OriginalRemoval,
        OriginalStoreError, RemovalLedger, SetAside,
    },
};

/// How long a removal claim lasts. Uploads of the same bytes wait; after that, or if the process is killed,
/// they take over. A removal may take longer: then it is put back.
pub(super) const CLAIM: TimeDelta = TimeDelta::seconds(60);

/// The ports of removals.
#[derive(Clone)]
pub struct RemovalPorts {
    /// Knows which originals are needed, and the id of the database.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Grants and ends removal claims.
    pub claims: Arc<dyn RemovalLedger>,
    /// Sets originals aside, and finishes removals.
    pub originals: Arc<dyn OriginalRemoval>,
    /// Knows which databases share the originals.
    pub registry: Arc<dyn DatabaseRegistry>,
}

/// The result of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was removed.
    Away,
    /// It did not exist.
    Absent,
    /// It was claimed again, and is back in place.
    Kept,
    /// Another database may need it, and it is back in place.
    Shared,
}

/// Why an original was not removed.
#[derive(Debug, Clone, Error)]
pub enum RemovalError {
    /// The image store failed, or is unavailable.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The store of originals failed.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

impl RemovalPorts {
    /// Ensures that the id of this database is registered beside the originals.
    pub(super) async fn register(&self) -> Result<DatabaseId, RemovalError> {
        let own = self.ledger.database_id().await?;
        self.registry.register(&own).await?;
        Ok(own)
    }

    /// Whether no other database shares the originals. `false` while this one's id is missing: others would
    /// not know of it.
    pub(super) async fn is_alone(&self, own: &DatabaseId) -> Result<bool, RemovalError> {
        Ok(self.registry.databases().await? == [*own])
    }

    /// Removes an original that was claimed for removal under this fence, and ends the claim.
    ///
    /// After an error or a crash the original may be set aside: [`Self::recover`] deals with it.
    pub(super) async fn take_away(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
        own: &DatabaseId,
    ) -> Result<Outcome, RemovalError> {
        if !self.is_alone(own).await? {
            return Ok(Outcome::Shared);
        }
        let aside = self.originals.set_aside(digest, fence, fate).await?;
        // A database that registered before the move may rely on the moved original.
        let is_alone = self.is_alone(own).await?;
        let is_ours = is_alone && self.claims.forget(digest, fence).await?;
        match &aside {
            Some(aside) if is_ours => self.originals.finish(aside).await?,
            Some(aside) => self.originals.put_back(aside).await?,
            None => {}
        }
        Ok(match aside {
            _ if !is_alone => Outcome::Shared,
            _ if !is_ours => Outcome::Kept,
            Some(_) => Outcome::Away,
            None => Outcome::Absent,
        })
    }

    /// Recovers an original set aside by a removal that was killed or is late: puts it back if it is
    /// needed, and finishes it if not. Leaves it alone while its removal holds the claim.
    pub(super) async fn recover(
        &self,
        original: &SetAside,
        own: &DatabaseId,
        now: DateTime<Utc>,
    ) -> Result<(), RemovalError> {
        let digest = &original.digest;
        if !self.is_alone(own).await? || self.ledger.is_needed(digest, now).await? {
            return Ok(self.originals.put_back(original).await?);
        }
        // An unsettled removal may yet remove what would be put back: the quarantined copy would be all
        // that is left.
        if original.is_settled {
            self.end(original, own, now).await?;
        }
        Ok(())
    }

    /// Finishes the removal of an original, unless it is claimed.
    async fn end(
        &self,
        original: &SetAside,
        own: &DatabaseId,
        now: DateTime<Utc>,
    ) -> Result<(), RemovalError> {
        let (digest, fence, until) = (&original.digest, Fence::random(), now + CLAIM);
        if self
            .claims
            .claim_for_removal(digest, fence, now, until)
            .await?
        {
            let outcome = self.take_away(digest, fence, original.fate, own).await?;
            if matches!(outcome, Outcome::Away | Outcome::Absent) {
                self.originals.finish(original).await?;
            }
        } else if self.claims.claim_orphan(digest, fence, now, until).await? {
            self.originals.finish(original).await?;
            self.claims.forget(digest, fence).await?;
        }
        Ok(())
    }
}
