//! The account's quota, from the headers of every response.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use domain::ports::{Quota, UpstreamError};
use reqwest::StatusCode;
use upstream_http::Answer;

const LIMIT: &str = "monthly-limit";
const REMAINING: &str = "monthly-limit-remaining";
/// Seconds since 1970.
const RESET: &str = "monthly-limit-reset";

/// How long a quota counts as used up if Imagga does not say until when.
const UNKNOWN_RESET: Duration = Duration::from_mins(1);

/// Remembers the last reported quota.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    quota: Option<Quota>,
    /// Until then calls are pointless. By our own clock, which may differ from Imagga's.
    exhausted_until: Option<Instant>,
}

impl Meter {
    /// Reads the headers of a response.
    pub(crate) fn read(&self, answer: &Answer) {
        let quota = quota(answer);
        let is_refused = answer.status() == StatusCode::FORBIDDEN;
        let mut state = self.state();
        if let Some(quota) = quota {
            state.quota = Some(quota);
        }
        let wait = if is_refused {
            Some(until_reset(answer).unwrap_or(UNKNOWN_RESET))
        } else {
            let is_used_up = quota.is_some_and(|quota| quota.remaining == 0);
            until_reset(answer).filter(|_| is_used_up)
        };
        if is_refused || quota.is_some() {
            state.exhausted_until = wait.and_then(|wait| Instant::now().checked_add(wait));
        }
    }

    pub(crate) fn quota(&self) -> Option<Quota> {
        self.state().quota
    }

    /// Fails while the quota is used up.
    pub(crate) fn ready(&self) -> Result<(), UpstreamError> {
        let until = self.state().exhausted_until;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() => Err(UpstreamError::QuotaExhausted {
                retry_after: Some(left),
            }),
            _ => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long until the quota is renewed; `None` unless the response names a future time.
pub(crate) fn until_reset(answer: &Answer) -> Option<Duration> {
    answer.until(reset(answer)?)
}

fn reset(answer: &Answer) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(answer.parsed_header(RESET)?, 0)
}

fn quota(answer: &Answer) -> Option<Quota> {
    Some(Quota {
        limit: answer.parsed_header(LIMIT)?,
        remaining: answer.parsed_header(REMAINING)?,
        resets_at: reset(answer),
    })
}
