//! The rate limit of writes: excess ones in a second are rejected with the time to wait.

use std::time::{Duration, Instant};

/// Length of the window in which writes are counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// Counts writes in windows of one second.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Writes in a window; `None` is no limit.
    pub(crate) per_second: Option<u32>,
    window: Option<(Instant, u32)>,
}

impl Limiter {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self {
            per_second,
            window: None,
        }
    }

    /// Counts one write; returns the time until the window ends if it exceeds the limit.
    pub(crate) fn admit(&mut self) -> Result<(), Duration> {
        let Some(limit) = self.per_second else {
            return Ok(());
        };
        let now = Instant::now();
        let current = self
            .window
            .filter(|(start, _)| now.duration_since(*start) < WINDOW);
        let (start, used) = current.unwrap_or((now, 0));
        if used >= limit {
            return Err(WINDOW.saturating_sub(now.duration_since(start)));
        }
        self.window = Some((start, used + 1));
        Ok(())
    }
}
