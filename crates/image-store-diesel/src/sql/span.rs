//! Spans of time.

use chrono::DateTime;
use domain::TimeWindow;

/// A time span in microseconds: `from` is included, `until` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Span {
    pub(super) fn is_empty(self) -> bool {
        self.from >= self.until
    }

    /// The span as a window. The beginning of time is none that a date can tell.
    pub(super) fn window(self) -> TimeWindow {
        TimeWindow {
            from: DateTime::from_timestamp_micros(self.from),
            until: DateTime::from_timestamp_micros(self.until),
        }
    }

    /// Joins spans, which are in order, where one follows another.
    pub(super) fn joined(spans: Vec<Self>) -> Vec<Self> {
        let mut joined: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match joined.last_mut().filter(|last| last.until == span.from) {
                Some(last) => last.until = span.until,
                None => joined.push(span),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_follow_each_other_are_joined() {
        let span = |from, until| Span { from, until };
        let spans = vec![span(0, 2), span(2, 3), span(4, 5), span(5, 6)];
        assert_eq!(Span::joined(spans), [span(0, 3), span(4, 6)]);
    }
}
