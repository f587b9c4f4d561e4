//! Fetching a URL.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Response, StatusCode, header::LOCATION, redirect, retry};
use thiserror::Error;
use url::Url;

use crate::{
    body::Fetched,
    deadline::Deadline,
    error::{Failure, FetchError},
    policy::FetchPolicy,
    resolver::{CheckedResolver, Dns, SystemDns},
    rules::Rules,
};

/// A time-out that suits most servers.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

const MAX_REDIRECTS: u32 = 3;
/// In bytes; what common servers accept.
const MAX_URL: usize = 8192;
const USER_AGENT: &str = concat!("etiqueta/", env!("CARGO_PKG_VERSION"));

/// What is fetched, and its bounds.
#[derive(Debug, Clone, Copy)]
pub struct FetchSettings {
    /// From where.
    pub policy: FetchPolicy,
    /// The most bytes of a body.
    pub max_bytes: u64,
    /// For a whole fetch: look-ups, connections, redirects and the body, however slowly its reader
    /// takes it. At most a year.
    pub timeout: Duration,
}

/// Fetches URLs under one policy. Clones share their bounds on look-ups.
#[derive(Debug, Clone)]
pub struct Fetcher {
    settings: FetchSettings,
    rules: Rules,
    client: Client,
}

/// The HTTP client, or the TLS of it, cannot be set up.
#[derive(Debug, Error)]
#[error("the client for fetching URLs cannot be set up")]
pub struct BuildError(#[from] reqwest::Error);

#[derive(Debug, Error)]
#[error("longer than {MAX_URL} bytes")]
struct UrlTooLong;

impl Fetcher {
    /// Sets up a client of its own.
    pub fn new(settings: FetchSettings) -> Result<Self, BuildError> {
        let rules = Rules::new(settings.policy);
        Self::with(settings, rules, Arc::new(SystemDns::new()))
    }

    pub(crate) fn with(
        settings: FetchSettings,
        rules: Rules,
        dns: Arc<dyn Dns>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            settings,
            rules,
            client: client(CheckedResolver::new(dns, rules))?,
        })
    }

    /// Sends a GET request and returns once the head of a successful answer has arrived.
    ///
    /// Dropping the future cancels the fetch. A look-up that the system has begun goes on in the
    /// background; no connection follows it.
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.rules.check_enabled()?;
        let url = parse(url)?;
        let deadline = Deadline::after(self.settings.timeout);
        let response = deadline.run(self.follow(url)).await?;
        Fetched::new(response, self.settings.max_bytes, deadline)
    }

    /// Follows redirects to the first answer that is none.
    async fn follow(&self, url: Url) -> Result<Response, FetchError> {
        let mut response = self.get(url).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(target) = redirect_target(&response)? else {
                return Ok(response);
            };
            response = self.get(target).await.map_err(FetchError::after_redirect)?;
        }
        match redirect_target(&response)? {
            Some(_) => Err(Failure::TooManyRedirects {
                limit: MAX_REDIRECTS,
            }
            .into()),
            None => Ok(response),
        }
    }

    async fn get(&self, url: Url) -> Result<Response, FetchError> {
        self.rules.check_url(&url)?;
        Ok(self.client.get(url).send().await?)
    }
}

/// A client that carries nothing from one request to the next, and nothing of the environment.
pub(crate) fn client(resolver: CheckedResolver) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(USER_AGENT)
        .dns_resolver(resolver)
        // Followed here, as reqwest would check no address in them.
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(retry::never())
        // So that each request, of a redirect too, checks the addresses of its host.
        .pool_max_idle_per_host(0)
        .http1_only()
        // Features of reqwest that another crate of the build may turn on.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .build()
}

pub(crate) fn parse(url: &str) -> Result<Url, FetchError> {
    if url.len() > MAX_URL {
        return Err(FetchError::InvalidUrl(UrlTooLong.into()));
    }
    Url::parse(url).map_err(|error| FetchError::InvalidUrl(error.into()))
}

/// Where an answer redirects to; `None` if it is no redirect that can be followed.
fn redirect_target(response: &Response) -> Result<Option<Url>, FetchError> {
    let location = match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => response.headers().get(LOCATION),
        _ => None,
    };
    let Some(location) = location else {
        return Ok(None);
    };
    // Many servers send UTF-8 where only ASCII is valid.
    let target = str::from_utf8(location.as_bytes())
        .ok()
        .filter(|location| location.len() <= MAX_URL)
        .and_then(|location| response.url().join(location).ok());
    Ok(Some(target.ok_or(Failure::InvalidRedirect)?))
}
