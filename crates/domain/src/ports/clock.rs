//! The clock.

use chrono::{DateTime, Utc};

/// A source of the current time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// The current time, truncated to microseconds, the resolution of the stores.
    fn now(&self) -> DateTime<Utc>;
}
