//! Storage of webhooks.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{NewWebhook, Webhook, WebhookId, WebhookReport};

/// Stores webhooks.
///
/// A webhook is told of what transactions do that begin after [`add_webhook`](Self::add_webhook) returned; on a cluster,
/// once the node of such a transaction has applied it. Each of these transactions writes its events itself, as
/// deliveries: see [`DeliveryQueue`](super::DeliveryQueue).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Adds a webhook, which is active from then on. Returns `None` and adds nothing if there are `at_most` webhooks
    /// already; concurrent calls do not exceed that number.
    async fn add_webhook(
        &self,
        new: &NewWebhook,
        at_most: u32,
    ) -> Result<Option<Webhook>, ImageStoreError>;

    /// All webhooks with the state of their deliveries, oldest first (ties: lowest id first).
    async fn webhooks(&self) -> Result<Vec<WebhookReport>, ImageStoreError>;

    /// Removes a webhook with its deliveries. Returns `false` if there is no such webhook.
    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError>;

    /// Makes a webhook active and ends its pause; then makes its deliveries that failed for good due again, with all their
    /// attempts, many in a transaction: a call that was cut off may be repeated. Returns `false` if there is no such
    /// webhook.
    async fn replay_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError>;
}
