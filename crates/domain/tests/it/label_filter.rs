use proptest::prelude::*;

use domain::{Confidence, Image};
use domain::{ImageQuery, Label, LabelFilter, Threshold, TimeWindow};
use domain_testing::{at, image};

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
fn empty_filter_is_no_condition() {
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
fn empty_window_or_contradiction_is_no_query() {
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
fn redundant_labels_are_dropped() {
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

/// The meaning of a filter, by definition.
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
