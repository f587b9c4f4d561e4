//! How the interface works.

use std::time::Duration;

use chrono_tz::Tz;
use domain::Threshold;
use ipnet::IpNet;
use upload_body::BodyLimits;

use crate::middleware::{HostCheck, Origin};

/// How long connections have to close once their requests are done, at most.
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

/// How the interface works.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The time zone of dates on the wire.
    pub timezone: Tz,
    /// The threshold of uploads that name none.
    pub default_threshold: Threshold,
    /// Which hosts requests may name.
    pub hosts: HostCheck,
    /// Which requests take a key.
    pub keys: KeyPolicy,
    /// The sites whose pages may call the server from a browser.
    pub cors_origins: Vec<Origin>,
    /// The most requests a minute of one key, or of one address without a key; 0 is no limit.
    pub requests_per_minute: u32,
    /// The largest image, in bytes.
    pub image_bytes: usize,
    /// How much memory all uploads together may take, in bytes.
    pub memory_budget: usize,
    /// How long an upload waits for its share of it while nothing moves.
    pub admission_wait: Duration,
    /// The lowest mean rate at which a body may arrive, in bytes a second; zero is none.
    pub upload_rate: u64,
    /// The proxies whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a body may pause.
    pub body_pause: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the bytes of an upload stay in memory for its answer. A client that fetches it more slowly gets the rest
    /// from the original.
    pub answer_hold: Duration,
    /// How long an upload may take once it has arrived.
    pub request_deadline: Duration,
    /// How long the database and the originals may take to answer.
    pub read_deadline: Duration,
    /// How long one of the checks of `/readyz` may take.
    pub check_timeout: Duration,
    /// The longest URL, in bytes.
    pub url_bytes: usize,
    /// The longest headers, names and values together, in bytes.
    pub header_bytes: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// How long a client may leave what was sent to it unread.
    pub unread_timeout: Duration,
    /// How many files and connections may be open.
    pub open_files: usize,
    /// How long requests under way have to finish when the server stops.
    pub shutdown_grace: Duration,
    /// How many threads speak HTTP.
    pub workers: usize,
}

impl HttpSettings {
    /// The settings of an interface with these, and sound values for all others.
    pub fn new(timezone: Tz, default_threshold: Threshold, image_bytes: usize) -> Self {
        Self {
            timezone,
            default_threshold,
            hosts: HostCheck::of_loopback(),
            keys: KeyPolicy::Nothing,
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
    /// What the body of an upload may hold.
    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            image_bytes: self.image_bytes,
        }
    }

    /// How much of the time to shut down is left for connections to close: whole seconds.
    pub(crate) fn closing(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.as_secs() / 2).min(CLOSING)
    }

    /// The most connections of one worker. Files are left for databases, originals and upstreams: a
    /// connection more waits at the door.
    pub(crate) fn connections(&self) -> usize {
        (self.open_files / 5 * 3 / self.workers.max(1)).max(16)
    }

    /// Up to how many open files a connection is kept twice, to see when its client goes.
    pub(crate) fn watched(&self) -> usize {
        self.open_files / 2
    }
}
