//! The monthly quota: reduced by every tagging, reported in every response.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::call::Reply;
use crate::clock;

/// Length of a billing period.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Calls left until the reset.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    limit: u64,
    used: u64,
    start: DateTime<Utc>,
    reset: DateTime<Utc>,
    total: u64,
}

impl Quota {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            start: clock::now(),
            reset: clock::now() + MONTH,
            total: 0,
        }
    }

    /// Sets the rest, and when the next period starts.
    pub(crate) fn set(&mut self, remaining: u64, reset_in: Option<Duration>) {
        self.limit = self.limit.max(remaining);
        self.used = self.limit - remaining;
        if let Some(reset_in) = reset_in {
            self.reset = clock::now() + reset_in;
        }
    }

    fn turn(&mut self) {
        if clock::now() >= self.reset {
            self.start = self.reset;
            self.reset = clock::now() + MONTH;
            self.used = 0;
        }
    }

    /// Counts one tagging. `false` if none is left.
    pub(crate) fn charge(&mut self) -> bool {
        self.turn();
        let left = self.used < self.limit;
        if left {
            self.used += 1;
            self.total += 1;
        }
        left
    }

    pub(crate) fn remaining(&mut self) -> u64 {
        self.turn();
        self.limit - self.used
    }

    /// Adds the headers of every response of the service.
    pub(crate) fn sign(&mut self, reply: Reply) -> Reply {
        let remaining = self.remaining();
        reply
            .with("Monthly-Limit", self.limit.to_string())
            .with("Monthly-Limit-Remaining", remaining.to_string())
            .with("Monthly-Limit-Reset", self.reset.timestamp().to_string())
    }

    /// Limit, used in this period, used in total, start and end of the period.
    pub(crate) fn figures(&mut self) -> (u64, u64, u64, DateTime<Utc>, DateTime<Utc>) {
        self.turn();
        (self.limit, self.used, self.total, self.start, self.reset)
    }
}
