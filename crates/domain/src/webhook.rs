//! Webhooks: endpoints that are told of events, signed as Standard Webhooks 1.0.

mod event;
mod secret;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::{
    event::{EventKind, EventKindError, EventKinds, WebhookEvent},
    secret::WebhookSecret,
};
use crate::{DeliveryId, WebhookId};

/// The most webhooks stored, disabled ones included.
pub const MAX_WEBHOOKS: u32 = 100;

/// The most deliveries that may wait for one webhook. Once there are more, no further ones are written for it.
pub const MAX_WAITING: u32 = 100_000;

/// How long a delivery that failed for good is kept.
pub const FAILURES_KEPT: TimeDelta = TimeDelta::days(7);

/// The most failures listed per webhook.
pub const SHOWN_FAILURES: u32 = 20;

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are posted.
    pub url: String,
    /// The events that it is told of.
    pub events: EventKinds,
    /// Whether it is told of them now.
    pub state: WebhookState,
    /// When it was registered, by the clock of the database.
    pub created_at: DateTime<Utc>,
}

/// A webhook to be registered.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are posted.
    pub url: String,
    /// The events that it is told of.
    pub events: EventKinds,
    /// What its messages are signed with.
    pub secret: WebhookSecret,
}

/// Whether a webhook is told of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// It is.
    Active,
    /// No further events are written for it.
    Disabled(DisabledReason),
}

/// Why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its endpoint answered 410. What waits is not delivered either.
    Gone,
    /// More than [`MAX_WAITING`] deliveries waited. These are still delivered.
    TooManyWaiting,
}

impl DisabledReason {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::TooManyWaiting => "too-many-waiting",
        }
    }
}

/// A webhook with the state of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReport {
    /// The webhook.
    pub webhook: Webhook,
    /// How many deliveries wait, counted up to [`MOST_COUNTED`](crate::ports::MOST_COUNTED).
    pub waiting: u32,
    /// Deliveries whose last attempt failed, at most [`SHOWN_FAILURES`]: those that failed for good, latest first, then
    /// those that will be retried, latest retry first.
    pub failures: Vec<DeliveryFailure>,
}

/// A delivery whose last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event: WebhookEvent,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the last attempt began.
    pub tried_at: DateTime<Utc>,
    /// When the next attempt is due; `None` if it failed for good.
    pub next_at: Option<DateTime<Utc>>,
    /// What went wrong.
    pub error: String,
}
