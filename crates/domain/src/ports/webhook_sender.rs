//! Posting messages to webhooks.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::Cause;

/// Posts signed messages.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Whether a URL may be that of a webhook, as far as its text tells. Names are looked up with each message.
    fn check(&self, url: &str) -> Result<(), WebhookUrlError>;

    /// Posts a message to a URL once, and returns what the endpoint answered.
    ///
    /// Bounded in time. No redirect is followed, and of the answer only its head is read. The addresses that the
    /// connection is made to are held to the same rules as the URL.
    async fn send(&self, url: &str, message: &SignedMessage) -> Result<WebhookReply, SendError>;
}

/// A message with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`: the time of the attempt in seconds since 1970.
    pub timestamp: i64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body, JSON.
    pub body: String,
}

/// What an endpoint answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookReply {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why a URL cannot be that of a webhook. The text is for whoever registers it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct WebhookUrlError(pub String);

/// A message was not answered.
#[derive(Debug, Clone, Error)]
#[error("{text}")]
pub struct SendError {
    /// What went wrong, without addresses.
    pub text: String,
    /// The cause, for the log.
    pub source: Option<Cause>,
}
