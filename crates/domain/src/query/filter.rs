//! Filters of a list of images.

use std::collections::HashMap;

use super::condition::{Condition, Parts, TagCondition};
use crate::{ImageOrder, ImageQuery, Label, Threshold, TimeWindow};

/// Which labels an image must carry, which it must not, and further conditions; and the order of the list. The
/// default is no condition, in the order of registration.
///
/// Names that cannot be labels (an empty one, say) are labels that no image carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelFilter {
    all_of: Vec<Label>,
    any_of: Option<Vec<Label>>,
    none_of: Vec<Label>,
    threshold: Option<Threshold>,
    condition: Option<Condition>,
    order: ImageOrder,
    /// A required label cannot exist.
    is_impossible: bool,
}

impl LabelFilter {
    /// Requires every one of these names.
    #[must_use]
    pub fn all_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let labels: Option<Vec<Label>> = parsed(names).collect();
        Self {
            is_impossible: self.is_impossible || labels.as_ref().is_none_or(Vec::is_empty),
            all_of: sorted(labels.unwrap_or_default(), []),
            ..self
        }
    }

    /// Requires at least one of these names.
    #[must_use]
    pub fn any_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let any_of = Some(sorted(parsed(names).flatten().collect(), []));
        Self { any_of, ..self }
    }

    /// Excludes images with any of these names.
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

    /// Requires a condition. The threshold applies to its tags without a comparison.
    #[must_use]
    pub fn matching(self, condition: Condition) -> Self {
        let condition = Some(condition);
        Self { condition, ..self }
    }

    /// Lists in that order.
    #[must_use]
    pub fn in_order(self, order: ImageOrder) -> Self {
        Self { order, ..self }
    }

    /// The labels that it mentions, each at least once.
    pub fn labels(&self) -> Vec<&Label> {
        let lists = [&self.all_of, &self.none_of].into_iter();
        let lists = lists.chain(&self.any_of).flatten();
        let condition = self.condition.iter().flat_map(Condition::labels);
        lists.chain(condition).collect()
    }

    /// Replaces labels by those that they map to.
    #[must_use]
    pub fn with_labels(self, labels: &HashMap<Label, Label>) -> Self {
        if labels.is_empty() {
            return self;
        }
        let replaced = |list: Vec<Label>| {
            let each = list.into_iter();
            let each = each.map(|label| labels.get(&label).cloned().unwrap_or(label));
            sorted(each.collect(), [])
        };
        Self {
            all_of: replaced(self.all_of),
            any_of: self.any_of.map(replaced),
            none_of: replaced(self.none_of),
            condition: self
                .condition
                .map(|condition| condition.with_labels(labels)),
            ..self
        }
    }

    /// Replaces labels by several each: an image that carries one of them carries the label.
    #[must_use]
    pub fn with_synonyms(self, synonyms: &HashMap<Label, Vec<Label>>) -> Self {
        if synonyms.is_empty() {
            return self;
        }
        let replaced = |list: Vec<Label>| {
            let each = list.into_iter().flat_map(|label| of(synonyms, label));
            sorted(each.collect(), [])
        };
        let (mut all_of, mut conditions) = (Vec::new(), Vec::new());
        for label in self.all_of {
            let mut group = of(synonyms, label);
            if group.len() == 1 {
                all_of.append(&mut group);
            } else {
                conditions.extend(any_tag(group, None));
            }
        }
        let own = self.condition;
        conditions.extend(own.map(|condition| condition.with_synonyms(synonyms)));
        Self {
            all_of: sorted(all_of, []),
            any_of: self.any_of.map(replaced),
            none_of: replaced(self.none_of),
            condition: match conditions.len() {
                0 | 1 => conditions.pop(),
                _ => Some(Condition::All(conditions)),
            },
            ..self
        }
    }

    /// The query in its simplest form; `None` if no image can match.
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
        let is_impossible = self.is_impossible || parts.is_impossible;
        let is_empty = window.is_empty() || parts.taken.is_empty();
        if is_impossible || is_empty || shares_any(&all_of, &none_of) {
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
            order: self.order,
            window,
            taken: parts.taken,
            all_of,
            any_of,
            none_of,
            threshold: threshold.filter(|_| asks),
            conditions,
        })
    }
}

/// The labels in place of one; at least one.
fn of(synonyms: &HashMap<Label, Vec<Label>>, label: Label) -> Vec<Label> {
    let group = synonyms.get(&label).filter(|group| !group.is_empty());
    group.cloned().unwrap_or_else(|| vec![label])
}

/// The condition that an image carries one of these labels; `None` without labels.
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

/// Simplifies `any_of`, given the labels required and excluded: empty if one of them is carried anyway,
/// `None` if none of them can be.
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

/// The names as labels, `None` for one that cannot be a label.
fn parsed<'a>(names: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Option<Label>> {
    names.into_iter().map(|name| Label::parse(name).ok())
}

fn sorted(mut labels: Vec<Label>, more: impl IntoIterator<Item = Label>) -> Vec<Label> {
    labels.extend(more);
    labels.sort_unstable();
    labels.dedup();
    labels
}
