//! A tag provider with what belongs to it, and how calls of upstreams are guarded.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use domain::{
    ports::{BlobHost, FeatureExtractor, TagProvider},
    service::KnownTaggers,
};
use support::{Guard, GuardSettings, RetryPolicy};

use super::metrics::WatchedGuard;
use crate::resilience::MeasuredProvider;

/// How long a call to an upstream waits for a permit. Longer than a call takes, so that a burst is worked
/// off, and short enough for a waiting client.
const QUEUE_WAIT: Duration = Duration::from_secs(20);

/// How long connecting to an upstream may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The tag provider, and its blob host.
pub(super) struct Upstreams {
    pub(super) provider: Arc<dyn TagProvider>,
    /// Computes features of pictures, if the provider does.
    pub(super) extractor: Option<Arc<dyn FeatureExtractor>>,
    /// The blob host that the provider needs.
    pub(super) host: Option<Arc<dyn BlobHost>>,
    /// The languages of the tags that the provider can give.
    pub(super) languages: Vec<String>,
    /// Whether the provider runs in this process.
    pub(super) is_local: bool,
    /// The guards of both.
    pub(super) guards: Vec<WatchedGuard>,
}

/// All tag providers that are set up, in their order; at least one.
pub(super) struct TagProviders {
    pub(super) first: Upstreams,
    pub(super) further: Vec<Upstreams>,
}

impl TagProviders {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Upstreams> {
        std::iter::once(&self.first).chain(&self.further)
    }

    pub(super) fn providers(&self) -> Vec<Arc<dyn TagProvider>> {
        self.iter().map(|it| it.provider.clone()).collect()
    }

    pub(super) fn further(&self) -> impl Iterator<Item = Arc<dyn TagProvider>> {
        self.further.iter().map(|it| it.provider.clone())
    }

    pub(super) fn known(&self) -> KnownTaggers {
        KnownTaggers::new(self.iter().map(|it| it.provider.identity().name()))
    }

    /// The blob host that one of them needs.
    pub(super) fn host(&self) -> Option<Arc<dyn BlobHost>> {
        self.iter().find_map(|it| it.host.clone())
    }

    /// What computes the features of pictures, if one of them does.
    pub(super) fn extractor(&self) -> Option<Arc<dyn FeatureExtractor>> {
        self.iter().find_map(|it| it.extractor.clone())
    }

    pub(super) fn guards(&self) -> Vec<WatchedGuard> {
        let guards = self.iter().flat_map(|it| &it.guards);
        guards.cloned().collect()
    }

    /// The same, whose taggings are counted.
    pub(super) fn measured(self) -> Self {
        Self {
            first: self.first.measured(),
            further: self.further.into_iter().map(Upstreams::measured).collect(),
        }
    }
}

impl Upstreams {
    /// The same, whose taggings are counted.
    fn measured(self) -> Self {
        Self {
            provider: Arc::new(MeasuredProvider::new(self.provider)),
            ..self
        }
    }
}

pub(super) fn watched(name: &'static str, guard: &Guard) -> WatchedGuard {
    WatchedGuard {
        name,
        view: guard.view(),
        shares_breaker: false,
    }
}

pub(super) fn guard(
    concurrency: usize,
    attempt_timeout: Duration,
    retry: RetryPolicy,
) -> GuardSettings {
    GuardSettings {
        concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
        queue_wait: QUEUE_WAIT,
        attempt_timeout,
        retry,
    }
}

/// An HTTP client for services whose calls may take so long.
pub(super) fn client(longest: Duration) -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("etiqueta/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // The guards' time-outs are the effective ones; this one is a safety net.
        .timeout(longest + CONNECT_TIMEOUT)
        // None of their APIs redirects, and credentials must not follow a redirect.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("making the HTTP client")
}
