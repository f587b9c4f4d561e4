//! Taking an original away: set aside, look at the claim again, then finish or put back.
//!
//! What sets an original aside may be late by any time, and take bytes that were put since. Ending the
//! claim for removal is the look: it succeeds only while no later claim was granted, and only after that
//! are the bytes given up. `docs/architecture.md` goes through the interleavings.

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

/// For how long an original is held that is taken away. Uploads of the same bytes wait; after that, or if
/// the process is killed, they take over. A removal may take longer: then it is put back.
pub(super) const CLAIM: TimeDelta = TimeDelta::seconds(60);

/// What removals work with.
#[derive(Clone)]
pub struct RemovalPorts {
    /// Knows which originals are needed, and the id of the database.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Grants the claims.
    pub claims: Arc<dyn RemovalLedger>,
    /// Takes the originals away.
    pub originals: Arc<dyn OriginalRemoval>,
    /// Knows which databases keep originals in the same place.
    pub registry: Arc<dyn DatabaseRegistry>,
}

/// What became of an original that was to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is away.
    Away,
    /// It was not there.
    Absent,
    /// It was claimed again, and is where it was.
    Kept,
    /// Another database may need it, and it is where it was.
    Shared,
}

/// Why an original was not taken away.
#[derive(Debug, Clone, Error)]
pub enum RemovalError {
    /// The image store failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The store of originals failed.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

impl RemovalPorts {
    /// Makes sure that the id of this database is where the originals are.
    pub(super) async fn register(&self) -> Result<DatabaseId, RemovalError> {
        let own = self.ledger.database_id().await?;
        self.registry.register(&own).await?;
        Ok(own)
    }

    /// Whether no other database keeps originals in the same place. Not while this one's id is missing:
    /// others would not know of it.
    pub(super) async fn is_alone(&self, own: &DatabaseId) -> Result<bool, RemovalError> {
        Ok(self.registry.databases().await? == [*own])
    }

    /// Takes an original away that was claimed for removal under this fence, and ends the claim.
    ///
    /// After an error, or killed in between, the original may be set aside: [`Self::recover`] sees to it.
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
        // A database that registered before the move may rely on what was moved.
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

    /// Sees to an original that a removal has set aside which was killed, or is late: puts it back if it
    /// is needed, and brings it to its fate if not. Leaves it alone while its removal holds the claim.
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
        // A removal that is not settled may yet take away what would be put then: this would be all.
        if original.is_settled {
            self.end(original, own, now).await?;
        }
        Ok(())
    }

    /// Brings an original to its fate, unless somebody holds it.
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
