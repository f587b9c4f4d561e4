//! The clock.

use chrono::{DateTime, NaiveDateTime, Utc};

/// A source of the current time.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// The current time, truncated to microseconds, the resolution of the stores.
    fn now(&self) -> DateTime<Utc>;

    /// What clocks in the server's time zone show at a time; UTC where none is set.
    fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.naive_utc()
    }
}
