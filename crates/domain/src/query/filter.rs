//! Which images a list shows.

use super::condition::{Condition, Parts, TagCondition};
use crate::{ImageQuery, Label, Threshold, TimeWindow};

/// Which labels an image must carry, which it must not, and what else must be true of it. The default asks
/// for nothing.
///
/// Names that cannot be labels (an empty one, say) are labels that no image carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelFilter {
    all_of: Vec<Label>,
    any_of: Option<Vec<Label>>,
    none_of: Vec<Label>,
    threshold: Option<Threshold>,
    condition: Option<Condition>,
    /// A label was asked for that no image can carry.
    is_impossible: bool,
}

impl LabelFilter {
    /// Lets images pass that carry every one of these names.
    #[must_use]
    pub fn all_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let labels: Option<Vec<Label>> = parsed(names).collect();
        Self {
            is_impossible: self.is_impossible || labels.as_ref().is_none_or(Vec::is_empty),
            all_of: sorted(labels.unwrap_or_default(), []),
            ..self
        }
    }

    /// Lets images pass that carry at least one of these names.
    #[must_use]
    pub fn any_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let any_of = Some(sorted(parsed(names).flatten().collect(), []));
        Self { any_of, ..self }
    }

    /// Lets images pass that carry not one of these names.
    #[must_use]
    pub fn none_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let none_of = sorted(parsed(names).flatten().collect(), []);
        Self { none_of, ..self }
    }

    /// Counts tags as carried from that confidence on.
    #[must_use]
    pub fn at_least(self, threshold: Threshold) -> Self {
        let threshold = Some(threshold);
        Self { threshold, ..self }
    }

    /// Lets images pass that meet a condition. The threshold counts for its tags without a comparison.
    #[must_use]
    pub fn matching(self, condition: Condition) -> Self {
        let condition = Some(condition);
        Self { condition, ..self }
    }

    /// The question to ask a store, in its simplest form; none if no image can be the answer.
    pub fn within(self, window: TimeWindow) -> Option<ImageQuery> {
        let threshold = self
            .threshold
            .filter(|threshold| threshold.lowest().get() > 0.0);
        let parts = self
            .condition
            .map(|condition| Parts::of(condition, threshold));
        let parts = parts.unwrap_or_default();
        let window = window.and(parts.window);
        let mut all_of = sorted(self.all_of, parts.all_of);
        let none_of = sorted(self.none_of, parts.none_of);
        let is_impossible = self.is_impossible || parts.is_impossible || window.is_empty();
        if is_impossible || shares_any(&all_of, &none_of) {
            return None;
        }
        let mut conditions = parts.rest;
        let any_of = match self.any_of {
            None => Some(sorted(parts.any_of, [])).filter(|labels| !labels.is_empty()),
            Some(labels) => {
                conditions.extend(any_tag(parts.any_of, threshold));
                Some(labels)
            }
        };
        let mut any_of = match any_of {
            Some(labels) => simplest(labels, &all_of, &none_of)?,
            None => Vec::new(),
        };
        if any_of.len() == 1 {
            all_of.append(&mut any_of);
            all_of.sort_unstable();
        }
        let asks = [&all_of, &any_of, &none_of]
            .into_iter()
            .any(|labels| !labels.is_empty());
        Some(ImageQuery {
            window,
            all_of,
            any_of,
            none_of,
            threshold: threshold.filter(|_| asks),
            conditions,
        })
    }
}

/// That an image carries one of these labels, where there are any.
fn any_tag(labels: Vec<Label>, threshold: Option<Threshold>) -> Option<Condition> {
    if labels.is_empty() {
        return None;
    }
    let tags = labels.into_iter().map(|label| {
        let confidence = None;
        Condition::Tag(TagCondition { label, confidence })
    });
    let any = Condition::Any(tags.collect());
    Some(match threshold {
        Some(threshold) => any.with_threshold(threshold),
        None => any,
    })
}

/// The labels of which one must be carried, beside others that all must, and others that must not:
/// nothing where one of them is carried in any case, none where none of them can be.
fn simplest(mut any_of: Vec<Label>, all_of: &[Label], none_of: &[Label]) -> Option<Vec<Label>> {
    any_of.retain(|label| none_of.binary_search(label).is_err());
    if any_of.is_empty() {
        return None;
    }
    if shares_any(&any_of, all_of) {
        any_of.clear();
    }
    Some(any_of)
}

/// Whether two sorted lists have a label in common.
fn shares_any(some: &[Label], others: &[Label]) -> bool {
    some.iter().any(|label| others.binary_search(label).is_ok())
}

/// The names as labels, none for one that cannot be a label.
fn parsed<'a>(names: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Option<Label>> {
    names.into_iter().map(|name| Label::parse(name).ok())
}

fn sorted(mut labels: Vec<Label>, more: impl IntoIterator<Item = Label>) -> Vec<Label> {
    labels.extend(more);
    labels.sort_unstable();
    labels.dedup();
    labels
}
