//! Exponential back-off for each of many items.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;

/// How many items are remembered. Failures of further items all count as first ones.
const REMEMBERED: usize = 10_000;

/// Counts consecutive failures of items, in memory.
pub(super) struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
    first: TimeDelta,
    longest: TimeDelta,
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setback {
    /// How long to leave the item alone.
    pub(super) pause: TimeDelta,
    /// Whether it is the item's first failure in a row, which is worth logging.
    pub(super) is_first: bool,
}

impl<K: Hash + Eq> Backoff<K> {
    /// Pauses double from `first` up to `longest`.
    pub(super) fn new(first: TimeDelta, longest: TimeDelta) -> Self {
        Self {
            failures: Mutex::default(),
            first,
            longest,
        }
    }

    /// Records a failure of an item.
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

    /// Records a success of an item.
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
