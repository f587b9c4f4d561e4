//! Claims for removing originals.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ContentDigest, Fence};

/// Grants claims for removing originals, the counterpart of [`OriginalLedger`](super::OriginalLedger).
///
/// A removal claim is granted only for an original that no image refers to and whose upload claims have all
/// expired. It carries a fence: any later claim invalidates it.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RemovalLedger: Send + Sync {
    /// Originals that no image refers to and whose upload claims expired before that time, oldest first, at
    /// most `limit`.
    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError>;

    /// Claims an original for removal until that time, under a unique fence. `false` if an image refers to
    /// it, an upload claim has not expired at `now`, another removal holds it, or it is unknown.
    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// As [`claim_for_removal`](Self::claim_for_removal), but also claims an unknown original, or one whose
    /// upload claim was ended by an image that no longer exists.
    ///
    /// While it is claimed the original counts as known, without facts if it had none. A claim that is
    /// never ended does not make the original abandoned, so upkeep does not remove it.
    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// Ends a removal claim, after which the original is unknown. Does nothing and returns `false` unless
    /// the latest claim is a removal's with this fence; whether it expired does not matter.
    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError>;

    /// Defers an original that is claimed for removal under this fence: it is not abandoned before that
    /// time. Does nothing to others.
    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError>;
}
