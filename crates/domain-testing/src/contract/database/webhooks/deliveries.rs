//! Claiming and settling deliveries, and their bounds.

use chrono::TimeDelta;
use futures_util::future::join_all;

use domain::{
    DisabledReason, EventKind, Fence, SHOWN_FAILURES, WebhookState,
    ports::{ClaimedDelivery, Database, DeliveryLease, DeliveryOutcome},
};

use super::{
    super::{limit, register, unique},
    EXPIRED, LONG, add, claim, due, failed, is_recent, report, retry, settle, told_of,
};
use crate::at;

pub(super) async fn due_deliveries_are_claimed_once(store: &dyn Database) {
    let webhook = told_of(store, 3).await;
    assert_eq!(due(store).await, [webhook.id]);
    let first = claim(store, &webhook.id, 2).await;
    assert_eq!(first.len(), 2);
    assert!(is_recent(first[0].happened_at));
    assert!(first.iter().all(|delivery| delivery.attempt == 1));
    let second = claim(store, &webhook.id, 9).await;
    assert_eq!(second.len(), 1);
    assert_eq!(due(store).await, []);
    assert_eq!(claim(store, &webhook.id, 9).await, []);
    // What is under way still waits.
    assert_eq!(report(store, &webhook.id).await.waiting, 3);
}

pub(super) async fn an_expired_lease_is_void(store: &dyn Database) {
    let webhook = told_of(store, 1).await;
    let first = store.claim_deliveries(&webhook.id, EXPIRED, limit(9)).await;
    let first = first.unwrap();
    let second = claim(store, &webhook.id, 9).await;
    assert_eq!(second[0].lease.id, first[0].lease.id);
    assert_eq!((first[0].attempt, second[0].attempt), (1, 2));
    for outcome in [DeliveryOutcome::Delivered, failed(), retry(EXPIRED)] {
        assert!(!settle(store, &first[0], &outcome).await);
    }
    let forged = DeliveryLease {
        fence: Fence::random(),
        ..second[0].lease
    };
    let outcome = DeliveryOutcome::Delivered;
    assert!(!store.settle_delivery(&forged, &outcome).await.unwrap());
    assert!(settle(store, &second[0], &outcome).await);
    assert!(!settle(store, &second[0], &outcome).await);
}

pub(super) async fn a_made_delivery_is_removed(store: &dyn Database) {
    let webhook = told_of(store, 2).await;
    let claimed = claim(store, &webhook.id, 1).await;
    assert!(settle(store, &claimed[0], &DeliveryOutcome::Delivered).await);
    let report = report(store, &webhook.id).await;
    assert_eq!((report.waiting, report.failures), (1, Vec::new()));
}

pub(super) async fn a_failed_attempt_is_due_again_later(store: &dyn Database) {
    let webhook = told_of(store, 1).await;
    let claimed = claim(store, &webhook.id, 1).await;
    assert!(settle(store, &claimed[0], &retry(LONG)).await);
    assert_eq!(due(store).await, []);
    let known = report(store, &webhook.id).await;
    assert_eq!((known.waiting, known.failures.len()), (1, 1));
    let failure = &known.failures[0];
    assert_eq!(failure.id, claimed[0].lease.id);
    assert_eq!(failure.event, claimed[0].event);
    assert_eq!(failure.attempts, 1);
    assert_eq!(failure.error, "the endpoint answered 500");
    assert!(is_recent(failure.tried_at));
    let pause = failure.next_at.unwrap() - failure.tried_at;
    assert!((pause - LONG).abs() < TimeDelta::minutes(1), "{pause}");
    assert!(!settle(store, &claimed[0], &retry(EXPIRED)).await);
}

pub(super) async fn an_endpoint_may_pause_its_webhook(store: &dyn Database) {
    let webhook = told_of(store, 2).await;
    let other = told_of(store, 0).await;
    register(store, &unique(9, at(9), &[])).await;
    let claimed = claim(store, &webhook.id, 1).await;
    let pausing = DeliveryOutcome::Retry {
        after: LONG,
        pause: Some(LONG),
        error: "429".to_owned(),
    };
    assert!(settle(store, &claimed[0], &pausing).await);
    assert_eq!(due(store).await, [other.id]);
    assert_eq!(claim(store, &webhook.id, 9).await, []);
    assert!(store.replay_webhook(&webhook.id).await.unwrap());
    assert_eq!(claim(store, &webhook.id, 9).await.len(), 2);
}

pub(super) async fn a_released_delivery_is_due_at_once_and_does_not_count(store: &dyn Database) {
    let webhook = told_of(store, 1).await;
    let claimed = claim(store, &webhook.id, 1).await;
    assert!(settle(store, &claimed[0], &DeliveryOutcome::Released).await);
    let again = claim(store, &webhook.id, 1).await;
    assert_eq!(again[0].lease.id, claimed[0].lease.id);
    assert_eq!(again[0].attempt, 1);
    assert_eq!(report(store, &webhook.id).await.failures, []);
}

pub(super) async fn what_failed_for_good_is_replayed(store: &dyn Database) {
    let webhook = told_of(store, 3).await;
    let claimed = claim(store, &webhook.id, 9).await;
    for delivery in &claimed {
        assert!(settle(store, delivery, &failed()).await);
    }
    let known = report(store, &webhook.id).await;
    assert_eq!((known.waiting, known.failures.len()), (0, 3));
    assert!(known.failures.iter().all(|it| it.next_at.is_none()));
    assert_eq!(known.failures[0].error.chars().count(), 200);
    assert_eq!(due(store).await, []);
    assert!(store.replay_webhook(&webhook.id).await.unwrap());
    let known = report(store, &webhook.id).await;
    assert_eq!((known.waiting, known.failures), (3, Vec::new()));
    let again = claim(store, &webhook.id, 9).await;
    let ids = |deliveries: &[ClaimedDelivery]| {
        let mut ids: Vec<_> = deliveries.iter().map(|it| it.lease.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&again), ids(&claimed));
    assert!(again.iter().all(|delivery| delivery.attempt == 1));
}

pub(super) async fn a_gone_endpoint_disables_its_webhook(store: &dyn Database) {
    let webhook = told_of(store, 3).await;
    let claimed = claim(store, &webhook.id, 1).await;
    let gone = DeliveryOutcome::Gone {
        error: "the endpoint answered 410".to_owned(),
    };
    assert!(settle(store, &claimed[0], &gone).await);
    let known = report(store, &webhook.id).await;
    let reason = DisabledReason::Gone;
    assert_eq!(known.webhook.state, WebhookState::Disabled(reason));
    assert_eq!((known.waiting, known.failures.len()), (2, 1));
    assert_eq!(due(store).await, []);
    assert_eq!(claim(store, &webhook.id, 9).await, []);
    assert!(store.replay_webhook(&webhook.id).await.unwrap());
    let known = report(store, &webhook.id).await;
    assert_eq!(known.webhook.state, WebhookState::Active);
    assert_eq!(claim(store, &webhook.id, 9).await.len(), 3);
}

pub(super) async fn too_much_that_waits_disables_a_webhook(store: &dyn Database) {
    let webhook = told_of(store, 3).await;
    let other = told_of(store, 0).await;
    assert_eq!(store.disable_overflowing(3).await.unwrap(), []);
    register(store, &unique(7, at(7), &[])).await;
    let disabled = store.disable_overflowing(3).await.unwrap();
    assert_eq!(disabled, [webhook.id]);
    assert_eq!(store.disable_overflowing(3).await.unwrap(), []);
    let state = WebhookState::Disabled(DisabledReason::TooManyWaiting);
    assert_eq!(report(store, &webhook.id).await.webhook.state, state);
    register(store, &unique(8, at(8), &[])).await;
    // What waits is delivered all the same.
    assert_eq!(claim(store, &webhook.id, 9).await.len(), 4);
    assert_eq!(claim(store, &other.id, 9).await.len(), 2);
    assert!(store.replay_webhook(&webhook.id).await.unwrap());
    let known = report(store, &webhook.id).await;
    assert_eq!(known.webhook.state, WebhookState::Active);
}

pub(super) async fn failures_are_bounded(store: &dyn Database) {
    let webhook = told_of(store, SHOWN_FAILURES + 3).await;
    let claimed = claim(store, &webhook.id, SHOWN_FAILURES + 2).await;
    for (n, delivery) in claimed.iter().enumerate() {
        let outcome = if n < 5 { failed() } else { retry(LONG) };
        assert!(settle(store, delivery, &outcome).await);
    }
    let known = report(store, &webhook.id).await;
    assert_eq!(known.failures.len(), SHOWN_FAILURES as usize);
    let (good, retried) = known.failures.split_at(5);
    assert!(good.iter().all(|it| it.next_at.is_none()));
    assert!(retried.iter().all(|it| it.next_at.is_some()));
    let mut failed: Vec<_> = claimed[..5].iter().map(|it| it.lease.id).collect();
    let mut listed: Vec<_> = good.iter().map(|it| it.id).collect();
    failed.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, failed);
}

pub(super) async fn old_failures_are_removed_and_nothing_else(store: &dyn Database) {
    let webhook = told_of(store, 5).await;
    let claimed = claim(store, &webhook.id, 4).await;
    for delivery in &claimed[..3] {
        assert!(settle(store, delivery, &failed()).await);
    }
    let remove = async |kept, count| {
        let removed = store.remove_old_deliveries(kept, limit(count)).await;
        removed.unwrap()
    };
    assert_eq!(remove(LONG, 9).await, 0);
    assert_eq!(remove(EXPIRED, 2).await, 2);
    assert_eq!(remove(EXPIRED, 9).await, 1);
    assert_eq!(remove(EXPIRED, 9).await, 0);
    let known = report(store, &webhook.id).await;
    assert_eq!((known.waiting, known.failures.len()), (2, 0));
    // For a webhook that is gone nothing waits for ever.
    let gone = DeliveryOutcome::Gone {
        error: "410".to_owned(),
    };
    assert!(settle(store, &claimed[3], &gone).await);
    assert_eq!(remove(LONG, 9).await, 0);
    assert_eq!(remove(EXPIRED, 9).await, 2);
}

pub(super) async fn claims_at_once_take_each_delivery_once(store: &dyn Database) {
    let webhook = told_of(store, 12).await;
    let claims = join_all((0..6).map(|_| claim(store, &webhook.id, 4))).await;
    let mut ids: Vec<_> = claims.iter().flatten().map(|it| it.lease.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "a delivery was claimed twice");
    let rest = claim(store, &webhook.id, 100).await;
    assert_eq!(count + rest.len(), 12);
}

pub(super) async fn waiting_deliveries_are_counted(store: &dyn Database) {
    assert_eq!(store.figures().await.unwrap().waiting_deliveries, 0);
    let webhook = told_of(store, 2).await;
    add(store, &[EventKind::ImageCreated]).await;
    register(store, &unique(7, at(7), &[])).await;
    assert_eq!(store.figures().await.unwrap().waiting_deliveries, 4);
    let claimed = claim(store, &webhook.id, 1).await;
    assert!(settle(store, &claimed[0], &failed()).await);
    assert_eq!(store.figures().await.unwrap().waiting_deliveries, 3);
}
