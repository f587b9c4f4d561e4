//! Registering, listing and removing webhooks.

use std::sync::Arc;

use thiserror::Error;

use crate::{
    EventKinds, MAX_WEBHOOKS, NewWebhook, SecretError, Webhook, WebhookId, WebhookReport,
    WebhookSecret,
    ports::{ImageStoreError, WebhookSender, WebhookStore, WebhookUrlError},
};

/// Why a webhook was not registered.
#[derive(Debug, Clone, Error)]
pub enum WebhookError {
    /// Nothing may be posted to its URL.
    #[error(transparent)]
    Url(#[from] WebhookUrlError),
    /// [`MAX_WEBHOOKS`] is reached.
    #[error("there are {MAX_WEBHOOKS} webhooks already; remove one first")]
    TooMany,
    /// No random bytes for the secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

/// Manages the webhooks of a store.
#[derive(Clone)]
pub struct Webhooks {
    store: Arc<dyn WebhookStore>,
    sender: Arc<dyn WebhookSender>,
}

impl Webhooks {
    /// Puts the service together.
    pub fn new(store: Arc<dyn WebhookStore>, sender: Arc<dyn WebhookSender>) -> Self {
        Self { store, sender }
    }

    /// Registers a webhook with a new secret.
    pub async fn register(
        &self,
        url: String,
        events: EventKinds,
    ) -> Result<(Webhook, WebhookSecret), WebhookError> {
        self.sender.check(&url)?;
        let new = NewWebhook {
            id: WebhookId::random(),
            url,
            events,
            secret: WebhookSecret::random()?,
        };
        let added = self.store.add_webhook(&new, MAX_WEBHOOKS).await?;
        let webhook = added.ok_or(WebhookError::TooMany)?;
        Ok((webhook, new.secret))
    }

    /// All webhooks, oldest first.
    pub async fn list(&self) -> Result<Vec<WebhookReport>, ImageStoreError> {
        self.store.webhooks().await
    }

    /// Removes a webhook with what waits for it. `false` if there is no such webhook.
    pub async fn remove(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        self.store.remove_webhook(id).await
    }

    /// Makes what failed for good due again, and a disabled webhook active. `false` if there is no such webhook.
    pub async fn replay(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        self.store.replay_webhook(id).await
    }
}
