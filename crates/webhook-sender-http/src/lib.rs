//! Posts messages to webhooks over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    SendError, SignedMessage, WebhookReply, WebhookSender, WebhookUrlError, cause,
};
use url_fetch::{BuildError, FetchError, PostPolicy, PostSettings, Poster};

/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// Posts messages to webhooks.
#[derive(Debug, Clone)]
pub struct HttpSender {
    poster: Poster,
}

impl HttpSender {
    /// Sets up a client that posts under a policy. A post takes no longer than `timeout`.
    pub fn new(policy: PostPolicy, timeout: Duration) -> Result<Self, BuildError> {
        let poster = Poster::new(PostSettings { policy, timeout })?;
        Ok(Self { poster })
    }
}

#[async_trait]
impl WebhookSender for HttpSender {
    fn check(&self, url: &str) -> Result<(), WebhookUrlError> {
        if url.len() > MAX_URL {
            return Err(WebhookUrlError(format!("longer than {MAX_URL} bytes")));
        }
        let checked = self.poster.check(url);
        checked.map_err(|error| WebhookUrlError(error.to_string()))
    }

    async fn send(&self, url: &str, message: &SignedMessage) -> Result<WebhookReply, SendError> {
        let timestamp = message.timestamp.to_string();
        let headers = [
            ("webhook-id", message.id.as_str()),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &message.signature),
        ];
        let posted = self.poster.post(url, &headers, message.body.clone()).await;
        let posted = posted.map_err(failed)?;
        Ok(WebhookReply {
            status: posted.status,
            retry_after: posted.retry_after,
        })
    }
}

fn failed(error: FetchError) -> SendError {
    SendError {
        text: error.to_string(),
        source: Some(cause(error)),
    }
}
