//! Options of the HTTP interface.

use std::time::Duration;

use anyhow::Context;
use http_api::{HostCheck, HttpSettings};
use url_fetch::{FetchSettings, Fetcher};

use crate::{
    access, rlimit,
    settings::{ServerSettings, Settings},
};

/// The longest time-out of a request's head, which is short.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn settings(settings: &Settings) -> HttpSettings {
    HttpSettings {
        memory_budget: settings.limits.memory_bytes.get(),
        upload_rate: settings.limits.upload_rate,
        trusted_proxies: settings.server.trusted_proxies.clone(),
        head_timeout: settings.limits.request_timeout.min(HEAD_TIMEOUT),
        body_timeout: settings.limits.request_timeout,
        count_timeout: settings.limits.request_timeout,
        unread_timeout: settings.limits.unread_timeout,
        idle_timeout: settings.limits.idle_timeout,
        open_files: rlimit::limit(),
        shutdown_grace: settings.server.shutdown_timeout,
        hosts: host_check(&settings.server),
        keys: access::policy(settings),
        cors_origins: settings.server.cors_origins.clone(),
        requests_per_minute: settings.limits.requests_per_minute,
        ..HttpSettings::new(
            settings.server.timezone,
            settings.tagging.min_confidence,
            settings.limits.image_bytes.get(),
        )
    }
}

/// What fetches the URLs of uploads.
pub(super) fn fetcher(settings: &Settings) -> anyhow::Result<Fetcher> {
    Fetcher::new(FetchSettings {
        policy: settings.fetch.allow,
        max_bytes: settings.limits.image_bytes.get() as u64,
        timeout: settings.fetch.timeout,
    })
    .context("making the client that fetches URLs")
}

fn host_check(server: &ServerSettings) -> HostCheck {
    let trusts_proxies = !server.trusted_proxies.is_empty();
    HostCheck::new(server.allowed_hosts.clone(), server.bind, trusts_proxies)
}
