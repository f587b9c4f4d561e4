//! Queries of the catalog.

mod condition;
mod filter;
mod tags;

use std::collections::HashSet;

use chrono::{DateTime, Utc};

pub use self::{
    condition::{Comparison, Condition, Operator, TagCondition},
    filter::LabelFilter,
    tags::{TagOrder, TagQuery},
};
use crate::{Confidence, Image, ImageId, Label, SourceKind, Tag, Threshold, UntaggedImage};

/// A half-open interval of registration times: `from` is included, `until` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeWindow {
    /// The earliest time included; `None` is unbounded.
    pub from: Option<DateTime<Utc>>,
    /// The earliest time after the window; `None` is unbounded.
    pub until: Option<DateTime<Utc>>,
}

impl TimeWindow {
    /// Whether a time is inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
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
}

/// Selects images of a store. Never a query known to match nothing: the catalog answers that itself.
///
/// Each list of labels is sorted and free of duplicates; an empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageQuery {
    /// When they were registered.
    pub window: TimeWindow,
    /// Labels that an image must all carry.
    pub all_of: Vec<Label>,
    /// Labels of which an image must carry at least one.
    pub any_of: Vec<Label>,
    /// Labels of which an image must carry none.
    pub none_of: Vec<Label>,
    /// The lowest confidence at which a tag counts as carried; `None` counts every tag.
    pub threshold: Option<Threshold>,
    /// Further conditions, all of which must hold. The threshold does not apply to them.
    pub conditions: Vec<Condition>,
}

impl ImageQuery {
    /// Whether an image matches all conditions, if a provider gave all of its tags.
    pub fn admits(&self, image: &Image) -> bool {
        self.admits_of(image, condition::sources_by_default(image))
    }

    /// Whether an image, whose shown tags are of those sources, matches all conditions.
    pub fn admits_of(&self, image: &Image, sources: &[SourceKind]) -> bool {
        let counts = |tag: &&Tag| {
            self.threshold
                .is_none_or(|threshold| threshold.admits(tag.confidence))
        };
        let labels: HashSet<&Label> = image
            .tags
            .iter()
            .filter(counts)
            .map(|tag| &tag.label)
            .collect();
        let carries = |label: &Label| labels.contains(label);
        self.window.contains(image.registered_at)
            && self.all_of.iter().all(carries)
            && (self.any_of.is_empty() || self.any_of.iter().any(carries))
            && !self.none_of.iter().any(carries)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds_of(image, sources))
    }
}

/// A cursor in a list sorted newest first: after this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// When the last image before the cursor was registered.
    pub registered_at: DateTime<Utc>,
    /// The id of that image.
    pub id: ImageId,
}

impl From<&Image> for PageKey {
    /// The cursor after an image.
    fn from(image: &Image) -> Self {
        Self::from(&UntaggedImage::from(image))
    }
}

impl From<&UntaggedImage> for PageKey {
    /// The cursor after an image.
    fn from(image: &UntaggedImage) -> Self {
        Self {
            registered_at: image.registered_at,
            id: image.id,
        }
    }
}

/// Usage of one label in the images of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct TagSummary {
    /// The label.
    pub label: Label,
    /// How many images carry it; at least 1.
    pub images: u64,
    /// The lowest confidence among them.
    pub min_confidence: Confidence,
    /// The highest confidence among them.
    pub max_confidence: Confidence,
    /// The arithmetic mean of the confidences.
    pub mean_confidence: f64,
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
