//! The clock of the fakes: always the system's.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// The instant `age` ago.
pub(crate) fn ago(age: Duration) -> DateTime<Utc> {
    SystemTime::now()
        .checked_sub(age)
        .unwrap_or(SystemTime::UNIX_EPOCH)
        .into()
}

/// The time since an instant; zero for the future.
pub(crate) fn age(then: DateTime<Utc>) -> Duration {
    (now() - then).to_std().unwrap_or_default()
}

/// ISO 8601 in UTC with milliseconds.
pub(crate) fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
