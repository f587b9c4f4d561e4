//! Posting to a URL.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Response,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use crate::{
    deadline::Deadline,
    error::FetchError,
    fetcher::{self, BuildError},
    policy::PostPolicy,
    resolver::{CheckedResolver, Dns, SystemDns},
    rules::Rules,
};

/// Where is posted, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub struct PostSettings {
    /// Where.
    pub policy: PostPolicy,
    /// For a whole post: look-up, connection, request and the head of the answer. At most a year.
    pub timeout: Duration,
}

/// Posts to URLs under one policy. Clones share their bound on look-ups.
#[derive(Debug, Clone)]
pub struct Poster {
    rules: Rules,
    client: Client,
    timeout: Duration,
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status, that of a redirect as well.
    pub status: u16,
    /// How long the server asks to be left alone: `Retry-After`, in either form.
    pub retry_after: Option<Duration>,
}

impl Poster {
    /// Sets up a client of its own.
    pub fn new(settings: PostSettings) -> Result<Self, BuildError> {
        let rules = Rules::for_posts(settings.policy);
        Self::with(settings, rules, Arc::new(SystemDns::new()))
    }

    pub(crate) fn with(
        settings: PostSettings,
        rules: Rules,
        dns: Arc<dyn Dns>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            rules,
            client: fetcher::client(CheckedResolver::new(dns, rules))?,
            timeout: settings.timeout,
        })
    }

    /// Checks a URL, except for the addresses of a name, which are looked up with each post.
    pub fn check(&self, url: &str) -> Result<(), FetchError> {
        Ok(self.rules.check_url(&fetcher::parse(url)?)?)
    }

    /// Posts JSON once, and returns what the head of the answer says. Its body is not read.
    ///
    /// Dropping the future cancels the post, which may have arrived all the same.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        json: String,
    ) -> Result<Posted, FetchError> {
        let url = fetcher::parse(url)?;
        self.rules.check_url(&url)?;
        let mut request = self.client.post(url).body(json);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header(CONTENT_TYPE, "application/json");
        let response = Deadline::after(self.timeout).run(request.send()).await?;
        Ok(Posted {
            status: response.status().as_u16(),
            retry_after: retry_after(&response, SystemTime::now()),
        })
    }
}

/// The wait that an answer asks for: seconds, or the time until a date, which is none once that is past.
fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
