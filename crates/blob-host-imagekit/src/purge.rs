//! `POST /v1/files/purge`: off the critical path, slowly, as well as it goes.

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

/// Of the five writes a second that ImageKit allows, purging takes half.
const PAUSE: Duration = Duration::from_millis(400);

/// Longer than this nobody makes the purging of one URL wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often one URL is tried.
const ATTEMPTS: usize = 3;

/// More URLs are not kept.
const MOST_WAITING: usize = 10_000;

/// Purges URLs one after the other, in a task that lives as long as there are any.
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

    /// Takes blobs that were released. Needs the runtime that it is called on to go on running.
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

    /// Waits until nothing is left to purge.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.is_busy.subscribe().wait_for(|busy| !busy).await;
    }

    async fn serve(self) {
        while let Some(blob) = self.next() {
            self.purge(&blob).await;
        }
    }

    /// The next URL; where there is none, the task is over.
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
