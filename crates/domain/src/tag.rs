//! Tags: labels with confidences.

use crate::{Confidence, Label, Threshold};

/// A label with a confidence, attached to one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The label.
    pub label: Label,
    /// The provider's confidence in it.
    pub confidence: Confidence,
}

/// The tags of one image: each label once, highest confidence first, ties by label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// The tags at or above a threshold.
    #[must_use]
    pub fn at_least(&self, threshold: Threshold) -> Self {
        // Sorted by confidence, so the admitted tags are a prefix.
        let kept = self
            .0
            .partition_point(|tag| threshold.admits(tag.confidence));
        Self(self.0.iter().take(kept).cloned().collect())
    }

    /// The tags, highest confidence first.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }

    /// Iterates over the tags in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.0.iter()
    }

    /// The number of distinct labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Keeps each label once, with its highest confidence, and sorts.
impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let mut tags: Vec<Tag> = tags.into_iter().collect();
        let by_label = |a: &Tag, b: &Tag| a.label.cmp(&b.label);
        let highest_first = |a: &Tag, b: &Tag| b.confidence.cmp(&a.confidence);
        tags.sort_unstable_by(|a, b| by_label(a, b).then_with(|| highest_first(a, b)));
        tags.dedup_by(|next, kept| next.label == kept.label);
        tags.sort_unstable_by(|a, b| highest_first(a, b).then_with(|| by_label(a, b)));
        Self(tags)
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = &'a Tag;
    type IntoIter = std::slice::Iter<'a, Tag>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(label: &str, confidence: f64) -> Tag {
        Tag {
            label: Label::parse(label).unwrap(),
            confidence: Confidence::new(confidence).unwrap(),
        }
    }

    fn pairs(tags: &Tags) -> Vec<(&str, f64)> {
        tags.iter()
            .map(|t| (t.label.as_str(), t.confidence.get()))
            .collect()
    }

    #[test]
    fn folds_sorts_and_breaks_ties_by_name() {
        let tags: Tags = [
            tag("cab", 50.0),
            tag("Car", 61.0),
            tag("auto", 50.0),
            tag(" car ", 70.5),
        ]
        .into_iter()
        .collect();
        assert_eq!(pairs(&tags), [("car", 70.5), ("auto", 50.0), ("cab", 50.0)]);
    }

    #[test]
    fn keeps_what_is_at_or_above_the_threshold() {
        let tags: Tags = [tag("a", 80.0), tag("b", 79.9), tag("c", 100.0)]
            .into_iter()
            .collect();
        let threshold = Threshold::new(Confidence::new(80.0).unwrap());
        assert_eq!(
            pairs(&tags.at_least(threshold)),
            [("c", 100.0), ("a", 80.0)]
        );
    }

    proptest! {
        #[test]
        fn each_label_is_there_once_with_its_highest_confidence(
            values in prop::collection::vec((0..30u8, 0..4u8), 0..40)
        ) {
            let tags = values.iter().map(|(n, c)| tag(&format!("l{n:02}"), f64::from(*c)));
            let tags: Tags = tags.collect();
            let mut expected: Vec<(String, f64)> = (0..30u8)
                .filter_map(|n| {
                    let of_label = values.iter().filter(|(label, _)| *label == n);
                    let highest = of_label.map(|(_, c)| *c).max()?;
                    Some((format!("l{n:02}"), f64::from(highest)))
                })
                .collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let expected: Vec<(&str, f64)> =
                expected.iter().map(|(label, c)| (label.as_str(), *c)).collect();
            prop_assert_eq!(pairs(&tags), expected);
        }

        #[test]
        fn at_least_is_a_filter(values in prop::collection::vec((0..20u8, 0.0..=100.0f64), 0..40), lowest in 0.0..=100.0f64) {
            let tags: Tags = values.iter().map(|(n, c)| tag(&format!("l{n}"), *c)).collect();
            let threshold = Threshold::new(Confidence::new(lowest).unwrap());
            let kept = tags.at_least(threshold);
            let expected: Vec<_> = tags.iter().filter(|t| t.confidence.get() >= lowest).cloned().collect();
            prop_assert_eq!(kept.as_slice(), expected.as_slice());
        }
    }
}
