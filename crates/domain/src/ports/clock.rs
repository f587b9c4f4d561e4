//! Time.

use chrono::{DateTime, Utc};

/// Tells the time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// Now, cut to whole microseconds: what the stores can keep.
    fn now(&self) -> DateTime<Utc>;
}
