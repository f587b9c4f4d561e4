//! Webhooks, the events that are written for them, and their delivery.

mod deliveries;
mod events;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::{limit, register, unique};
use crate::at;
use domain::{
    EventKind, EventKinds, NewWebhook, Webhook, WebhookEvent, WebhookId, WebhookReport,
    WebhookSecret, WebhookState,
    ports::{ClaimedDelivery, Database, DeliveryOutcome},
};

chapter!(
    a_webhook_comes_back_as_it_was,
    webhooks_are_listed_oldest_first,
    there_are_never_more_webhooks_than_allowed,
    a_removed_webhook_is_gone_with_its_deliveries,
    events::an_image_is_created_tagged_updated_and_deleted,
    events::what_changes_nothing_is_no_event,
    events::jobs_tell_of_what_they_change_and_of_their_end,
    events::only_active_webhooks_that_asked_are_told,
    deliveries::due_deliveries_are_claimed_once,
    deliveries::an_expired_lease_is_void,
    deliveries::a_made_delivery_is_removed,
    deliveries::a_failed_attempt_is_due_again_later,
    deliveries::an_endpoint_may_pause_its_webhook,
    deliveries::a_released_delivery_is_due_at_once_and_does_not_count,
    deliveries::what_failed_for_good_is_replayed,
    deliveries::a_gone_endpoint_disables_its_webhook,
    deliveries::too_much_that_waits_disables_a_webhook,
    deliveries::failures_are_bounded,
    deliveries::old_failures_are_removed_and_nothing_else,
    deliveries::claims_at_once_take_each_delivery_once,
    deliveries::waiting_deliveries_are_counted,
);

const LONG: TimeDelta = TimeDelta::hours(1);

/// A lease that has expired when it is granted.
const EXPIRED: TimeDelta = TimeDelta::zero();

fn new(url: &str, kinds: &[EventKind]) -> NewWebhook {
    NewWebhook {
        id: WebhookId::random(),
        url: url.to_owned(),
        events: EventKinds::new(kinds.iter().copied()).unwrap(),
        secret: WebhookSecret::random().unwrap(),
    }
}

async fn add(store: &dyn Database, kinds: &[EventKind]) -> Webhook {
    let new = new("https://example.com/", kinds);
    store.add_webhook(&new, 100).await.unwrap().unwrap()
}

async fn report(store: &dyn Database, id: &WebhookId) -> WebhookReport {
    let all = store.webhooks().await.unwrap();
    let found = all.into_iter().find(|report| report.webhook.id == *id);
    found.expect("a webhook")
}

async fn claim(store: &dyn Database, id: &WebhookId, count: u32) -> Vec<ClaimedDelivery> {
    let claimed = store.claim_deliveries(id, LONG, limit(count)).await;
    claimed.unwrap()
}

/// The events that are due, which are claimed for an hour then.
async fn events(store: &dyn Database, id: &WebhookId) -> Vec<WebhookEvent> {
    let claimed = claim(store, id, 1000).await;
    let mut events: Vec<_> = claimed.iter().map(|delivery| delivery.event).collect();
    events.sort_by_key(|event| (*event.subject(), event.kind()));
    events
}

/// A webhook for which some images' creation waits.
async fn told_of(store: &dyn Database, images: u32) -> Webhook {
    let webhook = add(store, &[EventKind::ImageCreated]).await;
    for number in 0..images {
        register(store, &unique(number, at(number.into()), &["cat"])).await;
    }
    webhook
}

async fn settle(
    store: &dyn Database,
    delivery: &ClaimedDelivery,
    outcome: &DeliveryOutcome,
) -> bool {
    let settled = store.settle_delivery(&delivery.lease, outcome).await;
    settled.unwrap()
}

fn retry(after: TimeDelta) -> DeliveryOutcome {
    DeliveryOutcome::Retry {
        after,
        pause: None,
        error: "the endpoint answered 500".to_owned(),
    }
}

fn failed() -> DeliveryOutcome {
    let error = "ñ".repeat(200);
    DeliveryOutcome::Failed { error }
}

async fn due(store: &dyn Database) -> Vec<WebhookId> {
    let due = store.due_webhooks().await.unwrap();
    due.iter().map(|endpoint| endpoint.webhook).collect()
}

fn is_recent(at: DateTime<Utc>) -> bool {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    (now - at).abs() < TimeDelta::minutes(5)
}

async fn a_webhook_comes_back_as_it_was(store: &dyn Database) {
    let url = format!("https://example.com/{}?a=%20'\"\\", "ñ".repeat(900));
    let new = new(&url, &EventKind::ALL);
    let added = store.add_webhook(&new, 100).await.unwrap().unwrap();
    assert!(is_recent(added.created_at));
    let expected = Webhook {
        id: new.id,
        url: url.clone(),
        events: new.events.clone(),
        state: WebhookState::Active,
        created_at: added.created_at,
    };
    assert_eq!(added, expected);
    let expected = WebhookReport {
        webhook: expected,
        waiting: 0,
        failures: Vec::new(),
    };
    assert_eq!(store.webhooks().await.unwrap(), [expected]);
    register(store, &unique(1, at(0), &["cat"])).await;
    let endpoints = store.due_webhooks().await.unwrap();
    assert_eq!(endpoints.len(), 1);
    assert_eq!((endpoints[0].webhook, &endpoints[0].url), (new.id, &url));
    assert_eq!(endpoints[0].secret.expose(), new.secret.expose());
}

async fn webhooks_are_listed_oldest_first(store: &dyn Database) {
    assert_eq!(store.webhooks().await.unwrap(), []);
    let mut added = Vec::new();
    for _ in 0..3 {
        added.push(add(store, &[EventKind::JobFinished]).await);
    }
    // Clocks of databases may stand still for a millisecond.
    added.sort_by_key(|webhook| (webhook.created_at, webhook.id));
    let listed = store.webhooks().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|report| report.webhook).collect();
    assert_eq!(listed, added);
}

async fn there_are_never_more_webhooks_than_allowed(store: &dyn Database) {
    let news: Vec<_> = (0..5)
        .map(|_| new("http://a.test/", &[EventKind::ImageTagged]))
        .collect();
    let added = join_all(news.iter().map(|new| store.add_webhook(new, 3))).await;
    let added: Vec<_> = added
        .into_iter()
        .filter_map(|added| added.unwrap())
        .collect();
    assert_eq!(added.len(), 3);
    assert!(store.remove_webhook(&added[1].id).await.unwrap());
    assert!(store.add_webhook(&news[0], 2).await.unwrap().is_none());
    let again = new("http://a.test/", &[EventKind::ImageTagged]);
    assert!(store.add_webhook(&again, 3).await.unwrap().is_some());
    let more = new("http://a.test/", &[EventKind::ImageTagged]);
    assert!(store.add_webhook(&more, 3).await.unwrap().is_none());
}

async fn a_removed_webhook_is_gone_with_its_deliveries(store: &dyn Database) {
    let webhook = told_of(store, 3).await;
    let other = add(store, &[EventKind::ImageDeleted]).await;
    let claimed = claim(store, &webhook.id, 1).await;
    assert!(store.remove_webhook(&webhook.id).await.unwrap());
    assert!(!store.remove_webhook(&webhook.id).await.unwrap());
    assert!(!store.replay_webhook(&webhook.id).await.unwrap());
    assert_eq!(due(store).await, []);
    assert_eq!(claim(store, &webhook.id, 9).await, []);
    // Under way still: whether it is settled is of no consequence.
    let _ = store
        .settle_delivery(&claimed[0].lease, &DeliveryOutcome::Delivered)
        .await
        .unwrap();
    for _ in 0..3 {
        store.remove_old_deliveries(LONG, limit(2)).await.unwrap();
    }
    assert_eq!(store.figures().await.unwrap().waiting_deliveries, 0);
    let listed = store.webhooks().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].webhook.id, other.id);
    assert_eq!(
        store.remove_old_deliveries(LONG, limit(9)).await.unwrap(),
        0
    );
}
