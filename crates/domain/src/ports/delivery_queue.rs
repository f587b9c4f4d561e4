//! Deliveries to webhooks as those who carry them out see them.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ImageStoreError;
use crate::{DeliveryId, Fence, WebhookEvent, WebhookId, WebhookSecret};

/// Hands out deliveries under leases.
///
/// What writes events is the transaction of what they tell of, for each active webhook that asked for their kind:
///
/// | call | events |
/// |---|---|
/// | [`ImageStore::record`](super::ImageStore::record) | `image.created`, `image.tagged` |
/// | [`ImageEdits::change_tags`](super::ImageEdits::change_tags) | `image.tagged` for a retagging, else `image.updated`; none if nothing changed |
/// | [`ImageEdits::delete`](super::ImageEdits::delete) | `image.deleted` |
/// | [`JobQueue::advance_job`](super::JobQueue::advance_job) | as the two before, for each image that changed; `job.finished` if the job ends |
/// | [`JobStore::cancel_job`](super::JobStore::cancel_job) | `job.finished`, if it had not ended |
///
/// Restored images and filled-in facts are no events. Times are those of the database. Each delivery is made at least
/// once; its order among others is not kept.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait DeliveryQueue: Send + Sync {
    /// The webhooks that have deliveries due, and are neither gone nor paused.
    async fn due_webhooks(&self) -> Result<Vec<WebhookEndpoint>, ImageStoreError>;

    /// Takes deliveries of a webhook that are due, the longest due first, under a lease of that duration. Each counts as
    /// an attempt.
    async fn claim_deliveries(
        &self,
        webhook: &WebhookId,
        lease: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<ClaimedDelivery>, ImageStoreError>;

    /// Settles an attempt. `false`, and nothing changes, if the lease is not the latest one.
    async fn settle_delivery(
        &self,
        lease: &DeliveryLease,
        outcome: &DeliveryOutcome,
    ) -> Result<bool, ImageStoreError>;

    /// Disables each active webhook for which more than `most` deliveries wait, and returns these webhooks.
    async fn disable_overflowing(&self, most: u32) -> Result<Vec<WebhookId>, ImageStoreError>;

    /// Removes deliveries: of webhooks that were removed; that failed for good longer ago than `kept`; that have been
    /// due for longer than that, of a webhook that is gone. At most `limit`; returns their number.
    async fn remove_old_deliveries(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError>;
}

/// Where deliveries go, and what they are signed with.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// The webhook.
    pub webhook: WebhookId,
    /// Where messages are posted.
    pub url: String,
    /// What they are signed with.
    pub secret: WebhookSecret,
}

/// The right to make a delivery, until it expires or another one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryLease {
    /// The delivery.
    pub id: DeliveryId,
    /// Changes with each lease.
    pub fence: Fence,
}

/// A delivery that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// The lease.
    pub lease: DeliveryLease,
    /// The event.
    pub event: WebhookEvent,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint accepted it: the delivery is removed.
    Delivered,
    /// It is due again after that time.
    Retry {
        /// The pause.
        after: TimeDelta,
        /// How long all deliveries of the webhook pause, if the endpoint asked for that.
        pause: Option<TimeDelta>,
        /// What went wrong, at most 200 characters.
        error: String,
    },
    /// It failed for good.
    Failed {
        /// What went wrong, at most 200 characters.
        error: String,
    },
    /// The endpoint is gone: it failed for good, and the webhook is disabled.
    Gone {
        /// What the endpoint answered, at most 200 characters.
        error: String,
    },
    /// There was no attempt: it is due at once, and does not count.
    Released,
}
