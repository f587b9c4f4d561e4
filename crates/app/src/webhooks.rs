//! Delivers events to webhooks until the server stops.

use std::{collections::HashSet, time::Duration};

use domain::{
    WebhookId,
    ports::{ClaimedDelivery, DeliveryOutcome, WebhookEndpoint, in_words},
    service::Deliveries,
};
use futures_util::future::join_all;
use metrics::counter;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{metrics::WEBHOOK_DELIVERIES, resilience::Gate};

/// How often deliveries are looked for: how late an event may be.
const POLL: Duration = Duration::from_secs(1);

/// How often what waits is counted, and what is over is removed.
const TIDYING: Duration = Duration::from_secs(10);

/// The pause between two removals while there is more to remove, and after a failure.
const PAUSE: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_secs(2);

/// How long attempts that are under way may take once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Delivers events until `stop` is cancelled. What is not delivered then is left to other servers, or to the next start.
pub async fn run(deliveries: &Deliveries, gate: &Gate, stop: &CancellationToken) {
    if stop.run_until_cancelled(gate.opened()).await.is_none() {
        return;
    }
    tokio::join!(deliver(deliveries, stop), tidy(deliveries, stop));
}

/// Has one worker per webhook with deliveries due: a slow endpoint holds up its own deliveries alone.
async fn deliver(deliveries: &Deliveries, stop: &CancellationToken) {
    let mut workers = JoinSet::new();
    let mut busy: HashSet<WebhookId> = HashSet::new();
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        while let Some(ended) = workers.try_join_next() {
            match ended {
                Ok(webhook) => {
                    busy.remove(&webhook);
                }
                // A worker that panicked does not say whose it was; at worst a webhook has two.
                Err(_) => busy.clear(),
            }
        }
        match deliveries.due().await {
            Ok(due) => {
                for endpoint in due {
                    if busy.insert(endpoint.webhook) {
                        workers.spawn(work(deliveries.clone(), endpoint, stop.clone()));
                    }
                }
            }
            Err(error) => {
                tracing::warn!(
                    cause = in_words(&error),
                    "no events are delivered; tried again soon"
                );
                stop.run_until_cancelled(sleep(RETRY)).await;
            }
        }
    }
    while workers.join_next().await.is_some() {}
}

/// Makes the deliveries of a webhook while there are any due, some at a time.
async fn work(
    deliveries: Deliveries,
    endpoint: WebhookEndpoint,
    stop: CancellationToken,
) -> WebhookId {
    let webhook = endpoint.webhook;
    while !stop.is_cancelled() {
        let claimed = match deliveries.claim(&webhook).await {
            Ok(claimed) if claimed.is_empty() => break,
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%webhook, cause = in_words(&error), "no deliveries can be taken");
                break;
            }
        };
        let made = claimed.iter();
        join_all(made.map(|delivery| make(&deliveries, &endpoint, delivery, &stop))).await;
    }
    webhook
}

/// Makes a delivery, and settles it.
async fn make(
    deliveries: &Deliveries,
    endpoint: &WebhookEndpoint,
    delivery: &ClaimedDelivery,
    stop: &CancellationToken,
) {
    let stopped = async {
        stop.cancelled().await;
        sleep(GRACE).await;
    };
    let outcome = tokio::select! {
        outcome = deliveries.attempt(endpoint, delivery) => outcome,
        () = stopped => DeliveryOutcome::Released,
    };
    note(endpoint, delivery, &outcome);
    // Where that fails the lease ends by itself, and the delivery is made again.
    match timeout(GRACE, deliveries.settle(delivery, &outcome)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            tracing::debug!(webhook = %endpoint.webhook, "another server has the delivery");
        }
        Ok(Err(error)) => {
            tracing::warn!(webhook = %endpoint.webhook, cause = in_words(&error), "a delivery was not settled");
        }
        Err(_) => tracing::warn!(webhook = %endpoint.webhook, "a delivery was not settled in time"),
    }
}

/// Counts an attempt, and logs what its owner should know. The URL is not logged: it may be a secret.
fn note(endpoint: &WebhookEndpoint, delivery: &ClaimedDelivery, outcome: &DeliveryOutcome) {
    let (webhook, id) = (endpoint.webhook, delivery.lease.id);
    let name = match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Retry { .. } => "retried",
        DeliveryOutcome::Failed { error } => {
            tracing::warn!(%webhook, delivery = %id, error, "a delivery failed for good");
            "failed"
        }
        DeliveryOutcome::Gone { error } => {
            tracing::warn!(%webhook, delivery = %id, error, "a webhook is disabled");
            "gone"
        }
        DeliveryOutcome::Released => return,
    };
    counter!(WEBHOOK_DELIVERIES, "outcome" => name).increment(1);
}

/// Holds webhooks to their bounds, and removes what is over.
async fn tidy(deliveries: &Deliveries, stop: &CancellationToken) {
    loop {
        let pause = match deliveries.tidy().await {
            Ok(tidied) => {
                for webhook in tidied.disabled {
                    tracing::warn!(%webhook, "a webhook is disabled: too many deliveries wait for it");
                }
                if tidied.is_more { PAUSE } else { TIDYING }
            }
            Err(error) => {
                tracing::warn!(
                    cause = in_words(&error),
                    "deliveries not tidied up; tried again soon"
                );
                TIDYING
            }
        };
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}
