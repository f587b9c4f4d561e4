//! Settings of the HTTP interface.

use std::time::Duration;

use chrono_tz::Tz;
use domain::Threshold;
use ipnet::IpNet;
use upload_body::BodyLimits;

use crate::middleware::{HostCheck, Origin};

/// How long connections may take to close once their requests are done.
const CLOSING: Duration = Duration::from_secs(5);

/// Which requests take a key. Managing keys takes one under each policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPolicy {
    /// None.
    Nothing,
    /// Those that change or remove something. Reading, registering and tagging stay open.
    Changes,
    /// All but those that are open everywhere, such as `/livez`.
    Everything,
}

/// Settings of the HTTP interface.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The time zone of dates in requests and responses.
    pub timezone: Tz,
    /// The threshold of uploads that name none.
    pub default_threshold: Threshold,
    /// The hosts that requests may name.
    pub hosts: HostCheck,
    /// Which requests take a key.
    pub keys: KeyPolicy,
    /// Whether the metrics have an address of their own.
    pub has_metrics_apart: bool,
    /// The sites whose pages may call the server from a browser.
    pub cors_origins: Vec<Origin>,
    /// The most requests a minute of one key, or of one address without a key; 0 is no limit.
    pub requests_per_minute: u32,
    /// The largest image, in bytes.
    pub image_bytes: usize,
    /// The memory for all uploads together, in bytes.
    pub memory_budget: usize,
    /// How long an upload waits for its share of that memory without any progress.
    pub admission_wait: Duration,
    /// The lowest mean rate of a body, in bytes a second; zero disables the check.
    pub upload_rate: u64,
    /// The proxies whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// The longest pause within a body.
    pub body_pause: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the bytes of an upload stay in memory for its response. A slower client gets the rest from
    /// the original.
    pub answer_hold: Duration,
    /// The deadline of an upload, once it has arrived.
    pub request_deadline: Duration,
    /// Time-out of reads from the database and the originals.
    pub read_deadline: Duration,
    /// How long the images of a list are counted at most.
    pub count_timeout: Duration,
    /// Time-out of each check of `/readyz`.
    pub check_timeout: Duration,
    /// The longest URL, in bytes.
    pub url_bytes: usize,
    /// The longest headers, names and values together, in bytes.
    pub header_bytes: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// How long a client may leave sent data unread.
    pub unread_timeout: Duration,
    /// The limit of open files and connections.
    pub open_files: usize,
    /// How long requests in progress may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// The number of HTTP worker threads.
    pub workers: usize,
}

impl HttpSettings {
    /// Settings with defaults for everything else.
    pub fn new(timezone: Tz, default_threshold: Threshold, image_bytes: usize) -> Self {
        Self {
            timezone,
            default_threshold,
            hosts: HostCheck::of_loopback(),
            keys: KeyPolicy::Nothing,
            has_metrics_apart: false,
            cors_origins: Vec::new(),
            requests_per_minute: 0,
            image_bytes,
            memory_budget: 256 << 20,
            admission_wait: Duration::from_secs(10),
            upload_rate: 4 << 10,
            trusted_proxies: Vec::new(),
            head_timeout: Duration::from_secs(10),
            body_pause: Duration::from_secs(15),
            body_timeout: Duration::from_mins(5),
            answer_hold: Duration::from_secs(10),
            request_deadline: Duration::from_mins(3),
            read_deadline: Duration::from_secs(30),
            count_timeout: Duration::from_mins(2),
            check_timeout: Duration::from_secs(2),
            url_bytes: 16 << 10,
            header_bytes: 32 << 10,
            idle_timeout: Duration::from_secs(65),
            unread_timeout: Duration::from_mins(1),
            open_files: 1024,
            shutdown_grace: Duration::from_secs(30),
            workers: std::thread::available_parallelism().map_or(2, |n| n.get().max(2)),
        }
    }
}

impl HttpSettings {
    /// The limits of an upload's body.
    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            image_bytes: self.image_bytes,
        }
    }

    /// The part of the shutdown time left for connections to close, in whole seconds.
    pub(crate) fn closing(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.as_secs() / 2).min(CLOSING)
    }

    /// The most connections of one worker. Files are left for databases, originals and upstreams; further
    /// connections wait in the accept queue.
    pub(crate) fn connections(&self) -> usize {
        (self.open_files / 5 * 3 / self.workers.max(1)).max(16)
    }

    /// Up to how many open files sockets are duplicated to detect disconnects.
    pub(crate) fn watched(&self) -> usize {
        self.open_files / 2
    }
}
