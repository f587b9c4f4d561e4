//! What the program takes at a moment.

use domain::ports::Quota;
use http_api::HttpUsage;
use support::{BreakerState, LimitUsage};

use super::page::{Page, float};

/// What the program takes now, beside the HTTP interface.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    /// Connections to the database.
    pub connections: Connections,
    /// Memory of pixels.
    pub pixels: Bytes,
    /// Pictures that wait to be decoded or encoded.
    pub pictures_waiting: usize,
    /// Upstreams, each behind a guard of its own.
    pub upstreams: Vec<Upstream>,
    /// The names of providers, with their quotas, as far as those are known.
    pub quotas: Vec<(String, Quota)>,
    /// Hosted blobs that are not released; `None` without a blob host.
    pub unreleased: Option<usize>,
    /// Answers of providers that are in memory alone.
    pub unsaved: usize,
    /// Bytes of renditions that are kept, if that is known.
    pub renditions: Option<u64>,
}

/// The connections of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// In use.
    pub in_use: usize,
    /// Open, and not in use.
    pub idle: usize,
    /// The most of them.
    pub limit: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

/// A budget of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Taken.
    pub taken: u64,
    /// The most that can be taken.
    pub limit: u64,
}

/// An upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: &'static str,
    /// What its breaker does; `None` where another guard has the same one.
    pub breaker: Option<BreakerState>,
    /// The calls to it.
    pub calls: LimitUsage,
}

/// Writes what is taken.
pub(super) fn write(usage: &Usage, http: HttpUsage, page: &mut Page) {
    page.value("http_server_open_connections", count(http.connections));
    connections(usage.connections, page);
    upstreams(&usage.upstreams, page);
    if !usage.quotas.is_empty() {
        let quotas = usage.quotas.iter();
        let left = quotas.map(|(provider, quota)| (provider.as_str(), float(quota.remaining)));
        page.labelled("etiqueta_provider_quota_remaining", "provider", left);
    }
    for (name, bytes) in [
        ("etiqueta_upload_memory_bytes", http.upload_bytes),
        (
            "etiqueta_upload_memory_limit_bytes",
            http.upload_bytes_limit,
        ),
        ("etiqueta_pixel_memory_bytes", usage.pixels.taken),
        ("etiqueta_pixel_memory_limit_bytes", usage.pixels.limit),
    ] {
        page.value(name, float(bytes));
    }
    let own = [
        ("uploads", http.uploads_waiting),
        ("pictures", usage.pictures_waiting),
    ];
    let calls = usage.upstreams.iter();
    let calls = calls.map(|upstream| (upstream.name, upstream.calls.waiting));
    let queues = own.into_iter().chain(calls);
    let queues = queues.map(|(queue, waiting)| (queue, count(waiting)));
    page.labelled("etiqueta_queue_waiting", "queue", queues);
    if let Some(unreleased) = usage.unreleased {
        page.value("etiqueta_hosted_blobs_unreleased", count(unreleased));
    }
    page.value("etiqueta_answers_unsaved", count(usage.unsaved));
    if let Some(bytes) = usage.renditions {
        page.value("etiqueta_renditions_bytes", float(bytes));
    }
}

fn connections(connections: Connections, page: &mut Page) {
    let states = [
        ("used", count(connections.in_use)),
        ("idle", count(connections.idle)),
    ];
    page.labelled("db_client_connections_usage", "state", states);
    page.value("db_client_connection_max", count(connections.limit));
    page.value(
        "db_client_connection_pending_requests",
        count(connections.waiting),
    );
}

fn upstreams(upstreams: &[Upstream], page: &mut Page) {
    let states = upstreams.iter().filter_map(|upstream| {
        let state = match upstream.breaker? {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        Some((upstream.name, state))
    });
    page.labelled("etiqueta_breaker_state", "upstream", states);
    let calls = upstreams.iter();
    let calls = calls.map(|upstream| (upstream.name, count(upstream.calls.in_flight)));
    page.labelled("etiqueta_upstream_calls", "upstream", calls);
    let limits = upstreams.iter();
    let limits = limits.map(|upstream| (upstream.name, count(upstream.calls.limit)));
    page.labelled("etiqueta_upstream_calls_limit", "upstream", limits);
}

fn count(number: usize) -> f64 {
    float(number as u64)
}
