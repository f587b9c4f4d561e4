//! Intervals of time.

use chrono::{DateTime, NaiveDateTime, Utc};

/// A half-open interval: `from` is included, `until` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<T> {
    /// The earliest time included; `None` is unbounded.
    pub from: Option<T>,
    /// The earliest time after the window; `None` is unbounded.
    pub until: Option<T>,
}

/// An interval of registration times.
pub type TimeWindow = Window<DateTime<Utc>>;

/// An interval by the clocks of cameras, whose time zones are unknown.
pub type LocalWindow = Window<NaiveDateTime>;

impl<T> Default for Window<T> {
    /// All times.
    fn default() -> Self {
        Self {
            from: None,
            until: None,
        }
    }
}

impl<T: Copy + Ord> Window<T> {
    /// Whether a time is inside.
    pub fn contains(&self, at: T) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// The intersection of two windows.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(one), Some(another)) => Some(one.min(another)),
                (one, another) => one.or(another),
            },
        }
    }

    /// Whether no time can be inside.
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if from >= until)
    }

    /// Whether all times are inside.
    pub fn is_unbounded(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_window_includes_its_start_and_not_its_end() {
        let window = TimeWindow {
            from: Some(at(10)),
            until: Some(at(20)),
        };
        assert!(!window.contains(at(9)));
        assert!(window.contains(at(10)));
        assert!(window.contains(at(19)));
        assert!(!window.contains(at(20)));
        assert!(!window.is_unbounded());
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_empty() {
        assert!(
            TimeWindow {
                from: Some(at(20)),
                until: Some(at(20))
            }
            .is_empty()
        );
        assert!(
            !TimeWindow {
                from: Some(at(20)),
                until: None
            }
            .is_empty()
        );
    }
}
