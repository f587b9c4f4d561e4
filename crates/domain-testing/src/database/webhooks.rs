//! Webhooks and their deliveries. Their clock is that of this machine.

use std::{cmp::Reverse, num::NonZeroU32};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    DeliveryFailure, DeliveryId, DisabledReason, Fence, NewWebhook, SHOWN_FAILURES, Webhook,
    WebhookEvent, WebhookId, WebhookReport, WebhookSecret, WebhookState,
    ports::{
        ClaimedDelivery, DeliveryLease, DeliveryOutcome, DeliveryQueue, ImageStoreError,
        WebhookEndpoint, WebhookStore,
    },
};

use super::{FakeDatabase, jobs::now};

/// All webhooks, and what waits for them or failed.
#[derive(Debug, Default)]
pub(super) struct FakeWebhooks {
    /// Oldest first.
    webhooks: Vec<FakeWebhook>,
    deliveries: Vec<FakeDelivery>,
}

#[derive(Debug)]
struct FakeWebhook {
    webhook: Webhook,
    secret: WebhookSecret,
    paused_until: DateTime<Utc>,
}

#[derive(Debug)]
struct FakeDelivery {
    id: DeliveryId,
    webhook: WebhookId,
    event: WebhookEvent,
    happened_at: DateTime<Utc>,
    /// When it is due, or when it failed for good.
    at: DateTime<Utc>,
    has_failed: bool,
    fence: Fence,
    attempts: u32,
    tried_at: DateTime<Utc>,
    error: Option<String>,
}

impl FakeDatabase {
    /// The events that wait for a webhook, oldest first.
    pub fn waiting_events(&self, webhook: &WebhookId) -> Vec<WebhookEvent> {
        let state = self.state();
        let deliveries = state.webhooks.deliveries.iter();
        let waiting = deliveries.filter(|it| it.webhook == *webhook && !it.has_failed);
        waiting.map(|delivery| delivery.event).collect()
    }
}

impl FakeWebhook {
    fn is_gone(&self) -> bool {
        self.webhook.state == WebhookState::Disabled(DisabledReason::Gone)
    }
}

impl FakeDelivery {
    fn is_due(&self, webhook: &WebhookId) -> bool {
        self.webhook == *webhook && !self.has_failed && self.at <= now()
    }

    fn fail(&mut self, error: &str) {
        self.has_failed = true;
        self.at = now();
        self.error = Some(error.to_owned());
    }

    fn failure(&self) -> Option<DeliveryFailure> {
        Some(DeliveryFailure {
            id: self.id,
            event: self.event,
            attempts: self.attempts,
            tried_at: self.tried_at,
            next_at: (!self.has_failed).then_some(self.at),
            error: self.error.clone()?,
        })
    }
}

impl FakeWebhooks {
    /// Writes an event for each active webhook that asked for its kind.
    pub(super) fn emit(&mut self, event: WebhookEvent) {
        let webhooks = self.webhooks.iter().map(|it| &it.webhook);
        let told = webhooks.filter(|webhook| {
            webhook.state == WebhookState::Active && webhook.events.contains(event.kind())
        });
        let written = told.map(|webhook| FakeDelivery {
            id: DeliveryId::random(),
            webhook: webhook.id,
            event,
            happened_at: now(),
            at: now(),
            has_failed: false,
            fence: Fence::random(),
            attempts: 0,
            tried_at: DateTime::UNIX_EPOCH,
            error: None,
        });
        self.deliveries.extend(written);
    }

    pub(super) fn waiting(&self) -> u32 {
        let waiting = self.deliveries.iter().filter(|it| !it.has_failed);
        u32::try_from(waiting.count()).expect("few")
    }

    fn waiting_for(&self, webhook: &WebhookId) -> u32 {
        let own = self.deliveries.iter();
        let own = own.filter(|it| it.webhook == *webhook && !it.has_failed);
        u32::try_from(own.count()).expect("few")
    }

    fn find(&mut self, id: &WebhookId) -> Option<&mut FakeWebhook> {
        self.webhooks.iter_mut().find(|it| it.webhook.id == *id)
    }

    fn report(&self, webhook: &FakeWebhook) -> WebhookReport {
        let id = webhook.webhook.id;
        let own = self.deliveries.iter();
        let mut own: Vec<_> = own.filter(|it| it.webhook == id).collect();
        own.sort_by_key(|delivery| Reverse((delivery.has_failed, delivery.at)));
        let failures = own.into_iter().filter_map(FakeDelivery::failure);
        WebhookReport {
            webhook: webhook.webhook.clone(),
            waiting: self.waiting_for(&id),
            failures: failures.take(SHOWN_FAILURES as usize).collect(),
        }
    }
}

#[async_trait]
impl WebhookStore for FakeDatabase {
    async fn add_webhook(
        &self,
        new: &NewWebhook,
        at_most: u32,
    ) -> Result<Option<Webhook>, ImageStoreError> {
        let mut state = self.call().await;
        let webhooks = &mut state.webhooks.webhooks;
        if webhooks.len() >= at_most as usize {
            return Ok(None);
        }
        let webhook = Webhook {
            id: new.id,
            url: new.url.clone(),
            events: new.events.clone(),
            state: WebhookState::Active,
            created_at: now(),
        };
        webhooks.push(FakeWebhook {
            webhook: webhook.clone(),
            secret: new.secret.clone(),
            paused_until: DateTime::UNIX_EPOCH,
        });
        Ok(Some(webhook))
    }

    async fn webhooks(&self) -> Result<Vec<WebhookReport>, ImageStoreError> {
        let state = self.call().await;
        let all = &state.webhooks;
        Ok(all.webhooks.iter().map(|it| all.report(it)).collect())
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let is_known = state.webhooks.find(id).is_some();
        state.webhooks.webhooks.retain(|it| it.webhook.id != *id);
        state.webhooks.deliveries.retain(|it| it.webhook != *id);
        Ok(is_known)
    }

    async fn replay_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let Some(webhook) = state.webhooks.find(id) else {
            return Ok(false);
        };
        webhook.webhook.state = WebhookState::Active;
        webhook.paused_until = DateTime::UNIX_EPOCH;
        let deliveries = state.webhooks.deliveries.iter_mut();
        for delivery in deliveries.filter(|it| it.webhook == *id && it.has_failed) {
            delivery.has_failed = false;
            delivery.at = now();
            delivery.attempts = 0;
            delivery.error = None;
        }
        Ok(true)
    }
}

#[async_trait]
impl DeliveryQueue for FakeDatabase {
    async fn due_webhooks(&self) -> Result<Vec<WebhookEndpoint>, ImageStoreError> {
        let state = self.call().await;
        let FakeWebhooks {
            webhooks,
            deliveries,
        } = &state.webhooks;
        let is_due = |it: &&FakeWebhook| {
            let id = &it.webhook.id;
            !it.is_gone()
                && it.paused_until <= now()
                && deliveries.iter().any(|delivery| delivery.is_due(id))
        };
        let due = webhooks.iter().filter(is_due);
        Ok(due
            .map(|it| WebhookEndpoint {
                webhook: it.webhook.id,
                url: it.webhook.url.clone(),
                secret: it.secret.clone(),
            })
            .collect())
    }

    async fn claim_deliveries(
        &self,
        webhook: &WebhookId,
        lease: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<ClaimedDelivery>, ImageStoreError> {
        let mut state = self.call().await;
        let is_open = |it: &mut FakeWebhook| !it.is_gone() && it.paused_until <= now();
        if !state.webhooks.find(webhook).is_some_and(is_open) {
            return Ok(Vec::new());
        }
        let deliveries = state.webhooks.deliveries.iter_mut();
        let mut due: Vec<_> = deliveries.filter(|it| it.is_due(webhook)).collect();
        due.sort_by_key(|delivery| delivery.at);
        due.truncate(limit.get() as usize);
        let claimed = due.into_iter().map(|delivery| {
            delivery.fence = Fence::random();
            delivery.at = now() + lease;
            delivery.tried_at = now();
            delivery.attempts += 1;
            ClaimedDelivery {
                lease: DeliveryLease {
                    id: delivery.id,
                    fence: delivery.fence,
                },
                event: delivery.event,
                happened_at: delivery.happened_at,
                attempt: delivery.attempts,
            }
        });
        Ok(claimed.collect())
    }

    async fn settle_delivery(
        &self,
        lease: &DeliveryLease,
        outcome: &DeliveryOutcome,
    ) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let webhooks = &mut state.webhooks;
        let is_held =
            |it: &FakeDelivery| it.id == lease.id && it.fence == lease.fence && !it.has_failed;
        let Some(position) = webhooks.deliveries.iter().position(is_held) else {
            return Ok(false);
        };
        let delivery = &mut webhooks.deliveries[position];
        delivery.fence = Fence::random();
        let webhook = delivery.webhook;
        match outcome {
            DeliveryOutcome::Delivered => {
                webhooks.deliveries.remove(position);
            }
            DeliveryOutcome::Retry {
                after,
                pause,
                error,
            } => {
                delivery.at = now() + *after;
                delivery.error = Some(error.clone());
                if let (Some(pause), Some(webhook)) = (pause, webhooks.find(&webhook)) {
                    webhook.paused_until = now() + *pause;
                }
            }
            DeliveryOutcome::Failed { error } => delivery.fail(error),
            DeliveryOutcome::Gone { error } => {
                delivery.fail(error);
                if let Some(webhook) = webhooks.find(&webhook) {
                    webhook.webhook.state = WebhookState::Disabled(DisabledReason::Gone);
                }
            }
            DeliveryOutcome::Released => {
                delivery.at = now();
                delivery.attempts -= 1;
            }
        }
        Ok(true)
    }

    async fn disable_overflowing(&self, most: u32) -> Result<Vec<WebhookId>, ImageStoreError> {
        let mut state = self.call().await;
        let all = &state.webhooks;
        let active = all.webhooks.iter().map(|it| &it.webhook);
        let active = active.filter(|webhook| webhook.state == WebhookState::Active);
        let over = active.filter(|webhook| all.waiting_for(&webhook.id) > most);
        let over: Vec<WebhookId> = over.map(|webhook| webhook.id).collect();
        for id in &over {
            if let Some(webhook) = state.webhooks.find(id) {
                webhook.webhook.state = WebhookState::Disabled(DisabledReason::TooManyWaiting);
            }
        }
        Ok(over)
    }

    async fn remove_old_deliveries(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError> {
        let mut state = self.call().await;
        let FakeWebhooks {
            webhooks,
            deliveries,
        } = &mut state.webhooks;
        let is_gone = |id: &WebhookId| {
            let mut webhooks = webhooks.iter();
            let webhook = webhooks.find(|it| it.webhook.id == *id);
            webhook.is_some_and(FakeWebhook::is_gone)
        };
        let mut left = limit.get();
        deliveries.retain(|delivery| {
            let is_dead = delivery.has_failed || is_gone(&delivery.webhook);
            let is_old = is_dead && delivery.at <= now() - kept && left > 0;
            left -= u32::from(is_old);
            !is_old
        });
        Ok(limit.get() - left)
    }
}
