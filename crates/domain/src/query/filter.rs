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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Confidence, Image,
        testing::{at, image},
    };

    fn names(labels: &[Label]) -> Vec<&str> {
        labels.iter().map(Label::as_str).collect()
    }

    fn asked(filter: LabelFilter) -> Option<ImageQuery> {
        filter.within(TimeWindow::default())
    }

    fn threshold(lowest: f64) -> Threshold {
        Threshold::new(Confidence::new(lowest).unwrap())
    }

    #[test]
    fn nothing_asks_for_nothing() {
        assert_eq!(asked(LabelFilter::default()), Some(ImageQuery::default()));
    }

    #[test]
    fn labels_are_sorted_and_folded() {
        let filter = LabelFilter::default()
            .all_of([" Cab", "car", "CAR"])
            .any_of(["b", "A", "a"])
            .none_of(["z", "Y", "y"]);
        let query = asked(filter).unwrap();
        assert_eq!(names(&query.all_of), ["cab", "car"]);
        assert_eq!(names(&query.any_of), ["a", "b"]);
        assert_eq!(names(&query.none_of), ["y", "z"]);
    }

    #[rstest::rstest]
    #[case(&[""])]
    #[case(&["car", " ", "cab"])]
    #[case(&[])]
    fn no_image_carries_an_empty_name(#[case] names: &[&str]) {
        let names = || names.iter().copied();
        assert_eq!(asked(LabelFilter::default().all_of(names())), None);
        let rest = names().filter(|name| !name.trim().is_empty()).count();
        let any = asked(LabelFilter::default().any_of(names()));
        assert_eq!(any.map_or(0, |query| query.any_of.len()), rest);
        let none = asked(LabelFilter::default().none_of(names())).unwrap();
        assert_eq!(none.none_of.len(), rest);
    }

    #[test]
    fn an_empty_window_or_a_contradiction_is_no_question() {
        let window = TimeWindow {
            from: Some(at(1)),
            until: Some(at(1)),
        };
        assert_eq!(LabelFilter::default().within(window), None);
        let filter = LabelFilter::default().none_of(["a", "b"]);
        assert_eq!(asked(filter.clone().all_of(["b", "c"])), None);
        assert_eq!(asked(filter.any_of(["a", "b"])), None);
    }

    #[test]
    fn what_says_nothing_more_is_left_out() {
        let filter = LabelFilter::default().all_of(["b"]);
        let query = asked(filter.clone().any_of(["a", "b"])).unwrap();
        assert!(query.any_of.is_empty());
        let query = asked(filter.clone().any_of(["a"])).unwrap();
        assert_eq!(names(&query.all_of), ["a", "b"]);
        assert!(query.any_of.is_empty());
        let query = asked(filter.clone().at_least(threshold(0.0))).unwrap();
        assert_eq!(query.threshold, None);
        let query = asked(filter.at_least(threshold(0.1))).unwrap();
        assert_eq!(query.threshold, Some(threshold(0.1)));
        let query = asked(LabelFilter::default().at_least(threshold(50.0))).unwrap();
        assert_eq!(query.threshold, None);
    }

    /// What a filter means, read off its own definition.
    fn passes(image: &Image, all: &[&str], any: Option<&[&str]>, not: &[&str], from: f64) -> bool {
        let carries = |name: &&str| {
            let mut tags = image.tags.iter();
            tags.any(|tag| tag.label.as_str() == *name && tag.confidence.get() >= from)
        };
        all.iter().all(carries)
            && any.is_none_or(|any| any.iter().any(carries))
            && !not.iter().any(carries)
    }

    fn some_names() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d", ""]), 1..4)
    }

    proptest! {
        #[test]
        fn the_simplest_form_means_the_same(
            all in prop::option::of(some_names()),
            any in prop::option::of(some_names()),
            not in prop::option::of(some_names()),
            from in prop::sample::select(vec![0.0, 50.0, 80.0]),
            carried in prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "c", "d"]),
                prop::sample::select(vec![0.0, 49.0, 50.0, 90.0]),
                0..4,
            ),
        ) {
            let carried: Vec<(&str, f64)> = carried.into_iter().collect();
            let image = image(b"x", at(0), &carried);
            let mut filter = LabelFilter::default().at_least(threshold(from));
            if let Some(names) = &all {
                filter = filter.all_of(names.iter().copied());
            }
            if let Some(names) = &any {
                filter = filter.any_of(names.iter().copied());
            }
            if let Some(names) = &not {
                filter = filter.none_of(names.iter().copied());
            }
            let (all, not) = (all.unwrap_or_default(), not.unwrap_or_default());
            let expected = passes(&image, &all, any.as_deref(), &not, from);
            let found = asked(filter).is_some_and(|query| query.admits(&image));
            prop_assert_eq!(found, expected);
        }
    }
}
