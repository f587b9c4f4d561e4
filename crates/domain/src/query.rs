//! Queries of the catalog.

mod condition;
mod filter;
mod order;
mod tags;
mod window;

use std::collections::HashSet;

pub use self::{
    condition::{Comparison, Condition, Operator, TagCondition},
    filter::LabelFilter,
    order::{ImageOrder, PageKey},
    tags::{TagOrder, TagQuery},
    window::{LocalWindow, TimeWindow, Window},
};
use crate::{Confidence, Image, Label, SourceKind, Tag, Threshold};

/// Selects images of a store. Never a query known to match nothing: the catalog answers that itself.
///
/// Each list of labels is sorted and free of duplicates; an empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageQuery {
    /// The order of the list.
    pub order: ImageOrder,
    /// When they were registered.
    pub window: TimeWindow,
    /// When they were taken, see [`Image::taken_order`].
    pub taken: LocalWindow,
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
            && self.taken.contains(image.taken_order)
            && self.all_of.iter().all(carries)
            && (self.any_of.is_empty() || self.any_of.iter().any(carries))
            && !self.none_of.iter().any(carries)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds_of(image, sources))
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
