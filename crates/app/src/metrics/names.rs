//! The metrics of the program: name, kind and meaning of each.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Images registered by this process.
pub const IMAGES_REGISTERED: &str = "etiqueta_images_registered_total";
/// Taggings by provider and outcome.
pub const TAGGINGS: &str = "etiqueta_taggings_total";
/// How long taggings take.
pub const TAGGING_DURATION: &str = "etiqueta_tagging_duration_seconds";
/// Pictures whose answer was stored already.
pub const TAGGING_CACHE_HITS: &str = "etiqueta_tagging_cache_hits_total";
/// Images that jobs were done with.
pub const JOB_IMAGES: &str = "etiqueta_job_images_total";

/// Attempts of deliveries to webhooks.
pub const WEBHOOK_DELIVERIES: &str = "etiqueta_webhook_deliveries_total";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Row {
    let kind = Kind::Counter;
    Row { name, kind, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Row {
    let kind = Kind::Gauge;
    Row { name, kind, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Row {
    let kind = Kind::Histogram;
    Row { name, kind, help }
}

/// Every metric. The table in `docs/operations.md` has the same rows.
pub(super) static TABLE: &[Row] = &[
    histogram(
        "http_server_request_duration_seconds",
        "Time from the head of a request to the end of its answer, by method, route and status.",
    ),
    gauge("http_server_active_requests", "Requests in progress."),
    gauge("http_server_open_connections", "Open connections."),
    histogram(
        "http_client_request_duration_seconds",
        "Time of a call to an upstream, by method, host and status, or what went wrong.",
    ),
    histogram(
        "db_client_operation_duration_seconds",
        "Time of a call to the database, retries and the wait for a connection included.",
    ),
    gauge(
        "db_client_connections_usage",
        "Connections to the database: used or idle.",
    ),
    gauge(
        "db_client_connection_max",
        "The most connections to the database.",
    ),
    gauge(
        "db_client_connection_pending_requests",
        "Calls that wait for a connection to the database.",
    ),
    counter(IMAGES_REGISTERED, "Images registered."),
    counter(
        TAGGINGS,
        "Pictures that were to be tagged, by provider and outcome.",
    ),
    histogram(
        TAGGING_DURATION,
        "Time of a tagging by a provider, queues and retries included.",
    ),
    counter(
        TAGGING_CACHE_HITS,
        "Pictures whose tags were stored already, so that no provider was called.",
    ),
    gauge(
        "etiqueta_provider_quota_remaining",
        "Calls that the account has left, as last reported by the provider.",
    ),
    gauge(
        "etiqueta_breaker_state",
        "The circuit breaker of an upstream: 0 closed, 1 half-open, 2 open.",
    ),
    gauge("etiqueta_upstream_calls", "Calls to an upstream in flight."),
    gauge(
        "etiqueta_upstream_calls_limit",
        "The most calls to an upstream at a time; lowered while it answers 429.",
    ),
    gauge("etiqueta_upload_memory_bytes", "Memory that uploads take."),
    gauge(
        "etiqueta_upload_memory_limit_bytes",
        "The most memory that uploads may take.",
    ),
    gauge(
        "etiqueta_pixel_memory_bytes",
        "Memory that pixels of pictures take.",
    ),
    gauge(
        "etiqueta_pixel_memory_limit_bytes",
        "The most memory that pixels may take.",
    ),
    gauge("etiqueta_queue_waiting", "What waits in a queue."),
    gauge(
        "etiqueta_hosted_blobs_unreleased",
        "Pictures that this process hosted and has not released yet.",
    ),
    gauge(
        "etiqueta_answers_unsaved",
        "Answers of providers that are in memory alone.",
    ),
    gauge(
        "etiqueta_renditions_bytes",
        "Bytes of thumbnails that are kept.",
    ),
    counter(
        JOB_IMAGES,
        "Images that steps of jobs were done with, by outcome.",
    ),
    counter(
        WEBHOOK_DELIVERIES,
        "Attempts to deliver an event to a webhook, by outcome.",
    ),
    gauge(
        "etiqueta_database_up",
        "Whether the database gave the figures that are read from it: 1 or 0.",
    ),
    gauge("etiqueta_jobs", "Jobs by state, up to 10000 of each."),
    gauge(
        "etiqueta_rollup_pending_changes",
        "Changes of images that the rolled-up statistics do not include yet, up to 10000.",
    ),
    gauge(
        "etiqueta_webhook_deliveries_waiting",
        "Deliveries to webhooks that wait, up to 10000.",
    ),
    counter(
        "etiqueta_log_lines_dropped_total",
        "Log lines dropped because the reader of standard error was too slow.",
    ),
    gauge("etiqueta_build_info", "The version of the program."),
    gauge("process_resident_memory_bytes", "Resident memory."),
    counter(
        "process_cpu_seconds_total",
        "Processor time used, in seconds.",
    ),
    gauge("process_open_fds", "Open file descriptors."),
    gauge("process_max_fds", "The most open file descriptors."),
    gauge("process_threads", "Threads."),
    gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
    ),
];

/// The metric of that name.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Says what each metric means, for those that are counted through the facade.
pub(super) fn describe() {
    for row in TABLE {
        match row.kind {
            Kind::Counter => describe_counter!(row.name, row.help),
            Kind::Gauge => describe_gauge!(row.name, row.help),
            Kind::Histogram => describe_histogram!(row.name, row.help),
        }
    }
}
