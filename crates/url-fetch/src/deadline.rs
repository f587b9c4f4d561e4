//! The time at which a fetch ends.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Failure, FetchError};

/// Any longer time-out could overflow the clock.
const MAX_TIMEOUT: Duration = Duration::from_hours(366 * 24);

/// When a fetch ends, finished or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    /// So long from now, at most a year.
    pub(crate) fn after(timeout: Duration) -> Self {
        let timeout = timeout.min(MAX_TIMEOUT);
        let at = Instant::now() + timeout;
        Self { at, timeout }
    }

    /// Runs a step of the fetch, or drops it at the deadline. A step that is always ready does not
    /// outlive it either.
    pub(crate) async fn run<T, E>(
        self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, FetchError>
    where
        FetchError: From<E>,
    {
        if Instant::now() >= self.at {
            return Err(self.exceeded());
        }
        let result = timeout_at(self.at, step).await;
        Ok(result.map_err(|_| self.exceeded())??)
    }

    fn exceeded(self) -> FetchError {
        Failure::TimedOut(self.timeout).into()
    }
}
