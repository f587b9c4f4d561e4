//! `POST /v1/files/purge`: off the critical path, slowly, best effort.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::ports::{HostedBlob, UpstreamError};
use reqwest::Method;
use serde_json::json;
use tokio::{sync::watch, time::sleep};

use crate::{Kit, LONGEST_ANSWER};

/// ImageKit allows five writes a second; purging takes half of them.
const PAUSE: Duration = Duration::from_millis(400);

/// The longest pause that a rate limit can impose between two purges.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Attempts for each URL.
const ATTEMPTS: usize = 3;

/// The capacity of the queue; further URLs are dropped.
const MOST_WAITING: usize = 10_000;

/// Purges URLs one by one, in a task that lives while the queue is not empty.
#[derive(Debug, Clone)]
pub(crate) struct Purger {
    kit: Arc<Kit>,
    waiting: Arc<Mutex<VecDeque<HostedBlob>>>,
    /// Whether the task runs; changed only while `waiting` is locked.
    is_busy: Arc<watch::Sender<bool>>,
}

impl Purger {
    pub(crate) fn new(kit: Arc<Kit>) -> Self {
        Self {
            kit,
            waiting: Arc::default(),
            is_busy: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Queues released blobs. The current runtime must keep running.
    pub(crate) fn purge_later(&self, blobs: Vec<HostedBlob>) {
        let mut waiting = self.waiting();
        let room = MOST_WAITING.saturating_sub(waiting.len());
        if blobs.len() > room {
            let left_out = blobs.len() - room;
            tracing::warn!(
                left_out,
                "too many URLs wait for their purge: the CDN keeps copies"
            );
        }
        waiting.extend(blobs.into_iter().take(room));
        let was_busy = self.is_busy.send_replace(true);
        if !was_busy {
            tokio::spawn(self.clone().serve());
        }
    }

    /// Waits until the queue is empty.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.is_busy.subscribe().wait_for(|busy| !busy).await;
    }

    async fn serve(self) {
        while let Some(blob) = self.next() {
            self.purge(&blob).await;
        }
    }

    /// The next URL; `None` ends the task.
    fn next(&self) -> Option<HostedBlob> {
        let mut waiting = self.waiting();
        let next = waiting.pop_front();
        if next.is_none() {
            self.is_busy.send_replace(false);
        }
        next
    }

    async fn purge(&self, blob: &HostedBlob) {
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.kit.purge(&blob.url).await else {
                return sleep(PAUSE).await;
            };
            if attempt == ATTEMPTS || !error.is_temporary() {
                warn(blob, &error);
                return sleep(PAUSE).await;
            }
            let pause = error.retry_after().unwrap_or_default();
            sleep(pause.clamp(PAUSE, LONGEST_PAUSE)).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<HostedBlob>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn(blob: &HostedBlob, error: &UpstreamError) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::warn!(file_id = blob.id, %error, cause, "the CDN keeps a copy of a released picture");
}

impl Kit {
    async fn purge(&self, url: &str) -> Result<(), UpstreamError> {
        let route = self.api_url.route(&["v1", "files", "purge"]);
        let request = self.service.request(Method::POST, route);
        let request = request.json(&json!({ "url": url }));
        let answer = self.service.send(request, LONGEST_ANSWER).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(self.failure(&answer))
    }
}
