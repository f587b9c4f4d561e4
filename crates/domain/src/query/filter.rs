//! Which labels the images of a list carry.

use crate::{ImageQuery, Label, Threshold, TimeWindow};

/// Which labels an image must carry, and which it must not. The default asks for nothing.
///
/// Names that cannot be labels (an empty one, say) are labels that no image carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelFilter {
    all_of: Vec<Label>,
    any_of: Option<Vec<Label>>,
    none_of: Vec<Label>,
    threshold: Option<Threshold>,
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
            all_of: sorted(labels.unwrap_or_default()),
            ..self
        }
    }

    /// Lets images pass that carry at least one of these names.
    #[must_use]
    pub fn any_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let any_of = Some(sorted(parsed(names).flatten().collect()));
        Self { any_of, ..self }
    }

    /// Lets images pass that carry not one of these names.
    #[must_use]
    pub fn none_of<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let none_of = sorted(parsed(names).flatten().collect());
        Self { none_of, ..self }
    }

    /// Counts tags as carried from that confidence on.
    #[must_use]
    pub fn at_least(self, threshold: Threshold) -> Self {
        let threshold = Some(threshold);
        Self { threshold, ..self }
    }

    /// The question to ask a store, in its simplest form; none if no image can be the answer.
    pub fn within(self, window: TimeWindow) -> Option<ImageQuery> {
        let Self {
            mut all_of,
            any_of,
            none_of,
            threshold,
            is_impossible,
        } = self;
        if is_impossible || window.is_empty() || shares_any(&all_of, &none_of) {
            return None;
        }
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
            threshold: threshold.filter(|threshold| asks && threshold.lowest().get() > 0.0),
        })
    }
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

fn sorted(mut labels: Vec<Label>) -> Vec<Label> {
    labels.sort_unstable();
    labels.dedup();
    labels
}
