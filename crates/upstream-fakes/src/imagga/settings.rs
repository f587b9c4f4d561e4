//! Settings of the Imagga fake.

use std::time::Duration;

use serde::Deserialize;

use crate::imagga::sight::Labels;

/// Settings that a test may choose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
    /// Taggings in a month.
    pub(crate) quota: u64,
    /// Calls in flight at once.
    pub(crate) max_concurrency: usize,
    /// How long an upload is kept.
    pub(crate) upload_lifetime: Duration,
    pub(crate) latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: "acc_fakeImaggaKey".to_owned(),
            api_secret: "fakeImaggaSecret".to_owned(),
            quota: 1_000_000,
            max_concurrency: usize::MAX,
            upload_lifetime: Duration::from_hours(24),
            latency: Duration::ZERO,
        }
    }
}

/// Settings that may change while the fake runs. Absent ones stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) latency_ms: Option<u64>,
    /// Taggings left in this month.
    pub(super) quota: Option<u64>,
    pub(super) quota_reset_in_ms: Option<u64>,
    /// 0: no limit.
    pub(super) max_concurrency: Option<usize>,
    pub(super) upload_lifetime_ms: Option<u64>,
    /// Labels with confidences for every picture; an empty list tags by content again.
    pub(super) tags: Option<Labels>,
}
