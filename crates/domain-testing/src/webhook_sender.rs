//! The in-memory [`WebhookSender`].

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use domain::ports::{SendError, SignedMessage, WebhookReply, WebhookSender, WebhookUrlError};

use crate::contract::webhook_sender::Receiver;

/// The endpoint that answers.
const ENDPOINT: &str = "http://hooks.test/";

/// Sends messages to an endpoint of its own, which answers as it is told, else 204. All other endpoints are closed.
#[derive(Debug, Default)]
pub struct FakeWebhookSender {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<WebhookReply>,
    received: Vec<SignedMessage>,
}

impl FakeWebhookSender {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked holding it")
    }
}

#[async_trait]
impl WebhookSender for FakeWebhookSender {
    fn check(&self, url: &str) -> Result<(), WebhookUrlError> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.contains('@') || url.contains("169.254.") {
            return Err(WebhookUrlError("not allowed".to_owned()));
        }
        Ok(())
    }

    async fn send(&self, url: &str, message: &SignedMessage) -> Result<WebhookReply, SendError> {
        let failed = |text: String| SendError { text, source: None };
        self.check(url).map_err(|error| failed(error.0))?;
        if url != ENDPOINT {
            return Err(failed("no connection to the host".to_owned()));
        }
        let mut state = self.state();
        state.received.push(message.clone());
        Ok(state.answers.pop_front().unwrap_or(WebhookReply {
            status: 204,
            retry_after: None,
        }))
    }
}

impl Receiver for FakeWebhookSender {
    fn url(&self) -> String {
        ENDPOINT.to_owned()
    }

    fn closed_url(&self) -> String {
        "http://closed.test/".to_owned()
    }

    fn answer(&self, status: u16, retry_after: Option<u64>) {
        self.state().answers.push_back(WebhookReply {
            status,
            retry_after: retry_after.map(Duration::from_secs),
        });
    }

    fn received(&self) -> Vec<SignedMessage> {
        self.state().received.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let fake = FakeWebhookSender::default();
        contract::webhook_sender::all(&fake, &fake).await;
    }
}
