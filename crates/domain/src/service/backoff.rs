//! Pauses that grow with each failure of an item.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;

/// How many items are remembered. The failures of more are all taken for first ones.
const REMEMBERED: usize = 10_000;

/// Remembers how often items failed one after the other, as long as the process lives.
pub(super) struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
    first: TimeDelta,
    longest: TimeDelta,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setback {
    /// How long the item should be left alone.
    pub(super) pause: TimeDelta,
    /// Whether it did not fail before, so that it is worth a line in the log.
    pub(super) is_first: bool,
}

impl<K: Hash + Eq> Backoff<K> {
    /// Pauses that double from the first one on, up to the longest.
    pub(super) fn new(first: TimeDelta, longest: TimeDelta) -> Self {
        Self {
            failures: Mutex::default(),
            first,
            longest,
        }
    }

    /// An item failed.
    pub(super) fn failed(&self, item: K) -> Setback {
        let mut failures = self.lock();
        let before = failures.get(&item).copied().unwrap_or_default();
        if before > 0 || failures.len() < REMEMBERED {
            failures.insert(item, before.saturating_add(1));
        }
        Setback {
            pause: self.pause(before),
            is_first: before == 0,
        }
    }

    /// An item did not fail.
    pub(super) fn succeeded(&self, item: &K) {
        self.lock().remove(item);
    }

    fn pause(&self, failures_before: u32) -> TimeDelta {
        let factor = 1_i32
            .checked_shl(failures_before)
            .filter(|factor| *factor > 0);
        let pause = factor.and_then(|factor| self.first.checked_mul(factor));
        pause.map_or(self.longest, |pause| pause.min(self.longest))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_they_are_long_enough() {
        let backoff = Backoff::new(TimeDelta::minutes(15), TimeDelta::hours(5));
        let minutes = |item| backoff.failed(item).pause.num_minutes();
        let pauses: Vec<_> = (0..7).map(|_| minutes("a")).collect();
        assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
        for _ in 0..100 {
            assert_eq!(minutes("a"), 300);
        }
        assert_eq!(minutes("b"), 15);
        backoff.succeeded(&"a");
        let again = backoff.failed("a");
        assert_eq!((again.pause.num_minutes(), again.is_first), (15, true));
        assert!(!backoff.failed("a").is_first);
    }

    #[test]
    fn only_so_many_items_are_remembered() {
        let backoff = Backoff::new(TimeDelta::seconds(1), TimeDelta::hours(1));
        for item in 0..=REMEMBERED {
            assert!(backoff.failed(item).is_first);
        }
        assert!(!backoff.failed(0).is_first);
        assert!(backoff.failed(REMEMBERED).is_first, "it was one too many");
    }
}
