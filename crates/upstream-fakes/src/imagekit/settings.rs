//! Settings of the ImageKit fake.

use std::time::Duration;

use serde::Deserialize;

/// Settings that a test may choose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The private key; the only credential there is.
    pub(crate) private_key: String,
    /// First segment of the path of every picture.
    pub(crate) account: String,
    /// Largest upload in bytes.
    pub(crate) upload_limit: usize,
    /// Whether a CDN keeps showing deleted pictures until they are purged.
    pub(crate) cdn: bool,
    /// Deletions, bulk deletions and purges in a second; `None` is no limit.
    pub(crate) writes_per_second: Option<u32>,
    pub(crate) latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            private_key: "private_fakeImageKitKey".to_owned(),
            account: "demo".to_owned(),
            upload_limit: 25 * 1024 * 1024,
            cdn: false,
            writes_per_second: None,
            latency: Duration::ZERO,
        }
    }
}

/// Settings that may change while the fake runs. Absent ones stay; zero writes a second means no limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) latency_ms: Option<u64>,
    pub(super) cdn: Option<bool>,
    pub(super) writes_per_second: Option<u32>,
}
