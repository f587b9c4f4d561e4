//! The part of a list that is read.

use domain::{ImageOrder, ImageQuery, PageKey, TimeWindow};

use super::super::statement::Statement;
use crate::values::{micros, micros_up};

/// A range of an index by time, newest first.
#[derive(Debug, Clone)]
pub(in super::super::super) struct ScanRange {
    /// The first and the last microsecond.
    pub(super) first: i64,
    pub(super) last: i64,
    /// The cursor: images before this time, and those of this time with a smaller id.
    before: i64,
    id: Vec<u8>,
    /// The smallest id at the first microsecond.
    first_id: Vec<u8>,
}

/// Where a stride ends: the last image in it.
#[derive(Debug, Clone)]
pub(super) struct Floor {
    pub(super) time: i64,
    /// Empty if the stride has all images of that time.
    pub(super) id: Vec<u8>,
}

impl ScanRange {
    fn new(window: &TimeWindow, after: Option<PageKey>) -> Self {
        let end = window.until.map_or(i64::MAX, |until| micros_up(until) - 1);
        // No image has this time, so the cursor excludes none.
        let (before, id) = after.map_or((i64::MAX, Vec::new()), |key| {
            (micros(key.time.and_utc()), key.id.as_bytes().to_vec())
        });
        Self {
            first: window.from.map_or(i64::MIN, micros_up),
            last: end.min(before),
            before,
            id,
            first_id: Vec::new(),
        }
    }

    /// Whether no time is in the range.
    fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// Whether some times are not in the range.
    pub(super) fn is_bounded(&self) -> bool {
        self.first > i64::MIN || self.last < i64::MAX
    }

    /// The part from `floor` on.
    fn down_to(&self, floor: Option<&Floor>) -> Self {
        match floor {
            Some(floor) if floor.time >= self.first => Self {
                first: floor.time,
                first_id: floor.id.clone(),
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    /// The part before `floor`.
    fn below(self, floor: Floor) -> Self {
        if floor.id.is_empty() {
            return Self {
                last: floor.time.saturating_sub(1).min(self.last),
                ..self
            };
        }
        Self {
            last: floor.time,
            before: floor.time,
            id: floor.id,
            ..self
        }
    }

    /// An expression that is true of the images in the range: those columns hold their time and id.
    pub(super) fn has(&self, time: &str, id: &str) -> Statement {
        let statement = Statement::new(&format!("{time} BETWEEN "))
            .long(self.first)
            .sql(" AND ")
            .long(self.last)
            .sql(&format!(" AND ({time} < "))
            .long(self.before)
            .sql(&format!(" OR {id} < "))
            .bytes(&self.id)
            .sql(")");
        if self.first_id.is_empty() {
            return statement;
        }
        statement
            .sql(&format!(" AND ({time} > "))
            .long(self.first)
            .sql(&format!(" OR {id} >= "))
            .bytes(&self.first_id)
            .sql(")")
    }

    /// Like [`has`](Self::has), without regard to ids.
    pub(super) fn has_time(&self, time: &str) -> Statement {
        Statement::new(&format!("{time} BETWEEN "))
            .long(self.first)
            .sql(" AND ")
            .long(self.last)
    }
}

/// The range of a list: by the time that it is sorted by, from the cursor on, and by the other time.
#[derive(Debug, Clone)]
pub(in super::super::super) struct ListRange {
    pub(super) order: ImageOrder,
    listed: ScanRange,
    other: ScanRange,
}

impl ListRange {
    pub(in super::super::super) fn new(query: &ImageQuery, after: Option<PageKey>) -> Self {
        // Both are compared as microseconds: of UTC, and of clocks in unknown time zones.
        let taken = TimeWindow {
            from: query.taken.from.map(|from| from.and_utc()),
            until: query.taken.until.map(|until| until.and_utc()),
        };
        let (listed, other) = match query.order {
            ImageOrder::Registered => (&query.window, &taken),
            ImageOrder::Taken => (&taken, &query.window),
        };
        Self {
            order: query.order,
            listed: ScanRange::new(listed, after),
            other: ScanRange::new(other, None),
        }
    }

    /// The range by one of the times.
    pub(in super::super::super) fn by(&self, order: ImageOrder) -> &ScanRange {
        if order == self.order {
            &self.listed
        } else {
            &self.other
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() || self.other.is_empty()
    }

    /// The part from `floor` on.
    pub(super) fn down_to(&self, floor: Option<&Floor>) -> Self {
        Self {
            listed: self.listed.down_to(floor),
            ..self.clone()
        }
    }

    /// The part before `floor`.
    pub(super) fn below(self, floor: Floor) -> Self {
        Self {
            listed: self.listed.below(floor),
            ..self
        }
    }
}
