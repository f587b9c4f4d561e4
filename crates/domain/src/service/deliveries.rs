//! Delivering events to webhooks.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    FAILURES_KEPT, MAX_WAITING, WebhookId,
    ports::{
        ClaimedDelivery, Clock, DeliveryOutcome, DeliveryQueue, ImageStoreError, SendError,
        SignedMessage, WebhookEndpoint, WebhookReply, WebhookSender, in_words,
    },
};

/// Pauses after the first, the second … failed attempt. The attempt after the last pause is the last one.
const PAUSES: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];

/// By how much pauses are lengthened at random at most, as a divisor: deliveries that failed together are not
/// retried together.
const JITTER: i32 = 10;

/// The longest `Retry-After` that is honoured.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);

/// How many deliveries of one webhook are under way at a time.
const BATCH: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// How many deliveries are removed at a time.
const REMOVED: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The longest text of an error, in characters.
const LONGEST_ERROR: usize = 200;

/// The ports of deliveries.
#[derive(Clone)]
pub struct DeliveryPorts {
    /// Hands out deliveries.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Posts messages.
    pub sender: Arc<dyn WebhookSender>,
    /// The time in the messages.
    pub clock: Arc<dyn Clock>,
}

/// Delivers events to webhooks, one attempt at a time.
#[derive(Clone)]
pub struct Deliveries {
    ports: DeliveryPorts,
}

/// What [`Deliveries::tidy`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TidiedDeliveries {
    /// Webhooks that were disabled, as too much waited for them.
    pub disabled: Vec<WebhookId>,
    /// How many deliveries were removed.
    pub removed: u32,
    /// Whether more may have to be removed.
    pub is_more: bool,
}

impl Deliveries {
    /// How long an attempt may take.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// How long a delivery is leased: an attempt, and the time to settle it.
    const LEASE: TimeDelta = TimeDelta::seconds(30);

    /// Puts the service together. The sender must not take longer than [`Self::TIMEOUT`].
    pub fn new(ports: DeliveryPorts) -> Self {
        Self { ports }
    }

    /// The webhooks that have deliveries due.
    pub async fn due(&self) -> Result<Vec<WebhookEndpoint>, ImageStoreError> {
        self.ports.queue.due_webhooks().await
    }

    /// Takes some deliveries of a webhook, to be attempted at once and together.
    pub async fn claim(
        &self,
        webhook: &WebhookId,
    ) -> Result<Vec<ClaimedDelivery>, ImageStoreError> {
        let queue = &self.ports.queue;
        queue.claim_deliveries(webhook, Self::LEASE, BATCH).await
    }

    /// Attempts a delivery.
    pub async fn attempt(
        &self,
        endpoint: &WebhookEndpoint,
        delivery: &ClaimedDelivery,
    ) -> DeliveryOutcome {
        let (id, timestamp) = (delivery.lease.id, self.ports.clock.now().timestamp());
        let body = delivery.event.message(delivery.happened_at);
        let message = SignedMessage {
            id: id.message_id(),
            timestamp,
            signature: endpoint.secret.sign(&id, timestamp, &body),
            body,
        };
        let sent = self.ports.sender.send(&endpoint.url, &message).await;
        if let Err(error) = &sent {
            let webhook = endpoint.webhook;
            tracing::debug!(%webhook, delivery = %id, cause = in_words(error), "not delivered");
        }
        outcome(delivery.attempt, sent, random_share())
    }

    /// Settles an attempt. `false` if the lease has expired and another server has the delivery.
    pub async fn settle(
        &self,
        delivery: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
    ) -> Result<bool, ImageStoreError> {
        let queue = &self.ports.queue;
        queue.settle_delivery(&delivery.lease, outcome).await
    }

    /// Holds webhooks to the most that may wait for them, and removes some deliveries that nobody needs any more.
    pub async fn tidy(&self) -> Result<TidiedDeliveries, ImageStoreError> {
        let queue = &self.ports.queue;
        let disabled = queue.disable_overflowing(MAX_WAITING).await?;
        let removed = queue.remove_old_deliveries(FAILURES_KEPT, REMOVED).await?;
        Ok(TidiedDeliveries {
            disabled,
            removed,
            is_more: removed >= REMOVED.get(),
        })
    }
}

/// What comes of an attempt. `share` lengthens the pause: 0 not at all, 255 the most.
fn outcome(attempt: u32, sent: Result<WebhookReply, SendError>, share: u8) -> DeliveryOutcome {
    let (error, asked) = match sent {
        Ok(reply) if (200..300).contains(&reply.status) => return DeliveryOutcome::Delivered,
        Ok(reply) => {
            let error = format!("the endpoint answered {}", reply.status);
            if reply.status == 410 {
                return DeliveryOutcome::Gone { error };
            }
            (error, asked_pause(reply))
        }
        Err(error) => (error.text.chars().take(LONGEST_ERROR).collect(), None),
    };
    let made = usize::try_from(attempt).unwrap_or(usize::MAX);
    let Some(pause) = PAUSES.get(made.saturating_sub(1)) else {
        return DeliveryOutcome::Failed { error };
    };
    let jitter = *pause / JITTER * i32::from(share) / i32::from(u8::MAX);
    DeliveryOutcome::Retry {
        after: (*pause + jitter).max(asked.unwrap_or_default()),
        pause: asked,
        error,
    }
}

/// How long an endpoint that is overloaded asks to be left alone.
fn asked_pause(reply: WebhookReply) -> Option<TimeDelta> {
    let wait = reply
        .retry_after
        .filter(|_| matches!(reply.status, 429 | 503))?;
    let wait = TimeDelta::from_std(wait).unwrap_or(LONGEST_WAIT);
    Some(wait.min(LONGEST_WAIT))
}

fn random_share() -> u8 {
    let [share, ..] = Uuid::new_v4().into_bytes();
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, seconds: Option<u64>) -> WebhookReply {
        WebhookReply {
            status,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn pause(attempt: u32, reply: WebhookReply, share: u8) -> TimeDelta {
        match outcome(attempt, Ok(reply), share) {
            DeliveryOutcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_2xx_is_success() {
        for status in [200, 201, 202, 204, 299] {
            let outcome = outcome(1, Ok(answered(status, None)), 0);
            assert_eq!(outcome, DeliveryOutcome::Delivered);
        }
        for status in [100, 199, 300, 301, 307, 308, 400, 404, 429, 500, 503] {
            let DeliveryOutcome::Retry { error, .. } = outcome(1, Ok(answered(status, None)), 0)
            else {
                panic!("{status}");
            };
            assert_eq!(error, format!("the endpoint answered {status}"));
        }
    }

    #[test]
    fn gone_is_final_at_any_attempt() {
        for attempt in [1, 10] {
            let outcome = outcome(attempt, Ok(answered(410, Some(5))), 0);
            assert!(matches!(outcome, DeliveryOutcome::Gone { .. }));
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let seconds = |share| {
            let pauses = (1..=9).map(|attempt| pause(attempt, answered(500, None), share));
            pauses.map(|pause| pause.num_seconds()).collect::<Vec<_>>()
        };
        let schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        assert_eq!(seconds(0), schedule);
        let longest = schedule.map(|pause| pause + pause / 10);
        assert_eq!(seconds(255), longest);
        for attempt in [10, 11, u32::MAX] {
            let outcome = outcome(attempt, Ok(answered(500, None)), 0);
            assert!(matches!(outcome, DeliveryOutcome::Failed { .. }));
        }
    }

    #[test]
    fn an_endpoint_may_ask_for_a_pause() {
        let asked = |status, seconds| match outcome(2, Ok(answered(status, Some(seconds))), 0) {
            DeliveryOutcome::Retry { after, pause, .. } => {
                (after.num_seconds(), pause.map(|pause| pause.num_seconds()))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(asked(429, 600), (600, Some(600)));
        assert_eq!(asked(503, 600), (600, Some(600)));
        assert_eq!(asked(429, 1), (300, Some(1)));
        assert_eq!(asked(429, u64::MAX), (86_400, Some(86_400)));
        assert_eq!(asked(500, 600), (300, None));
    }

    #[test]
    fn errors_are_cut() {
        let error = SendError {
            text: "ñ".repeat(1000),
            source: None,
        };
        let DeliveryOutcome::Retry { error, .. } = outcome(1, Err(error), 0) else {
            panic!("not retried");
        };
        assert_eq!(error.chars().count(), 200);
    }
}
