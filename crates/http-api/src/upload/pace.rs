//! How slowly a body may arrive.

use std::time::Duration;

/// An upload is not judged before it has been read for so long.
const GRACE: Duration = Duration::from_secs(10);

/// How far ahead of the lowest rate bytes count: a burst does not pay for minutes of nothing.
const AHEAD: Duration = Duration::from_mins(1);

/// Holds an upload to a lowest mean rate. Its time is that in which the server reads, not the time in which the
/// server makes the client wait.
pub(super) struct Pace {
    /// In bytes a second; zero is none.
    rate: u64,
    /// How long the bytes that have come may take at the lowest rate.
    paid: Duration,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate,
            paid: Duration::ZERO,
        }
    }

    /// Notes bytes that came by that time.
    pub(super) fn received(&mut self, bytes: usize, now: Duration) {
        let micros = (bytes as u64).saturating_mul(1_000_000);
        if let Some(micros) = micros.checked_div(self.rate) {
            let paid = self.paid + Duration::from_micros(micros);
            self.paid = paid.min(now + AHEAD);
        }
    }

    /// Forgets what came early: others wait for this upload from now on.
    pub(super) fn forget_lead(&mut self, now: Duration) {
        self.paid = self.paid.min(now + GRACE);
    }

    /// The time by which more bytes must come.
    pub(super) fn due(&self) -> Duration {
        if self.rate == 0 {
            return Duration::MAX;
        }
        self.paid.max(GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_due_in_the_first_ten_seconds() {
        let mut pace = Pace::new(100);
        assert_eq!(pace.due(), secs(10));
        pace.received(999, secs(9));
        assert_eq!(pace.due(), secs(10));
    }

    #[test]
    fn the_mean_rate_counts_from_the_first_byte() {
        let mut pace = Pace::new(100);
        pace.received(1200, secs(1));
        assert_eq!(pace.due(), secs(12));
        pace.received(100, secs(12));
        assert_eq!(pace.due(), secs(13));
    }

    #[test]
    fn a_burst_counts_for_a_minute() {
        let mut pace = Pace::new(100);
        pace.received(1 << 20, secs(5));
        assert_eq!(pace.due(), secs(65));
    }

    #[test]
    fn a_burst_does_not_count_while_others_wait() {
        let mut pace = Pace::new(100);
        pace.received(1 << 20, secs(5));
        pace.forget_lead(secs(6));
        assert_eq!(pace.due(), secs(16));
    }

    #[test]
    fn without_a_rate_nothing_is_ever_due() {
        let mut pace = Pace::new(0);
        pace.received(1, secs(100));
        assert_eq!(pace.due(), Duration::MAX);
    }
}
