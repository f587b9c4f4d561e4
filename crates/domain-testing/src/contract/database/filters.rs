//! Filtered lists: all of some labels, any of some, none of some, and a threshold.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::{count, in_order, page, page_key, register_all, register_with, unique, walk};
use crate::{at, image, label};
use domain::{
    CameraData, Comparison, Condition, Confidence, Image, ImageInfo, ImageOrder, ImageQuery, Label,
    LocalWindow, MediaType, Operator, Threshold, TimeWindow, ports::Database,
};

chapter!(
    an_image_must_carry_one_of_the_labels,
    an_image_must_carry_none_of_the_labels,
    a_tag_counts_from_the_threshold_on,
    filters_compose,
    any_number_of_labels_will_do,
    unknown_label_matches_nothing,
    pages_agree_with_a_plain_filter,
);

fn labels(names: &[&str]) -> Vec<Label> {
    let mut labels: Vec<Label> = names.iter().map(|name| label(name)).collect();
    labels.sort_unstable();
    labels
}

fn query(all_of: &[&str], any_of: &[&str], none_of: &[&str]) -> ImageQuery {
    ImageQuery {
        all_of: labels(all_of),
        any_of: labels(any_of),
        none_of: labels(none_of),
        ..ImageQuery::default()
    }
}

fn from_confidence(lowest: f64, query: ImageQuery) -> ImageQuery {
    let threshold = Some(Threshold::new(Confidence::new(lowest).unwrap()));
    ImageQuery { threshold, ..query }
}

/// Asserts which images are listed, by number in order of age, for all page sizes.
async fn assert_lists(
    store: &dyn Database,
    query: &ImageQuery,
    images: &[Image],
    expected: &[usize],
) {
    let expected: Vec<Image> = expected.iter().map(|n| images[*n].clone()).collect();
    for page_size in [1, 2, 100] {
        let walked = walk(store, query, page_size).await;
        assert_eq!(walked, expected, "{query:?}, pages of {page_size}");
    }
    assert_eq!(count(store, query).await, expected.len(), "{query:?}");
}

/// Five images, the newest last.
async fn some(store: &dyn Database) -> Vec<Image> {
    let images = vec![
        unique(0, at(0), &["car", "cab", "road"]),
        unique(1, at(1), &["car", "cab"]),
        unique(2, at(2), &["car"]),
        unique(3, at(3), &["cab", "road"]),
        unique(4, at(4), &[]),
    ];
    register_all(store, &images).await;
    images
}

/// Each image is listed once, however many of the labels it carries.
async fn an_image_must_carry_one_of_the_labels(store: &dyn Database) {
    let images = some(store).await;
    for (any_of, expected) in [
        (vec!["car", "cab"], vec![3, 2, 1, 0]),
        (vec!["car", "road"], vec![3, 2, 1, 0]),
        (vec!["road", "cab"], vec![3, 1, 0]),
        (vec!["road"], vec![3, 0]),
        (vec!["car", "cab", "road"], vec![3, 2, 1, 0]),
    ] {
        assert_lists(store, &query(&[], &any_of, &[]), &images, &expected).await;
    }
}

/// Images with even one of the labels are excluded.
async fn an_image_must_carry_none_of_the_labels(store: &dyn Database) {
    let images = some(store).await;
    for (none_of, expected) in [
        (vec!["car"], vec![4, 3]),
        (vec!["road"], vec![4, 2, 1]),
        (vec!["car", "road"], vec![4]),
        (vec!["cab", "road"], vec![4, 2]),
    ] {
        assert_lists(store, &query(&[], &[], &none_of), &images, &expected).await;
    }
}

/// In each of the lists; the threshold is inclusive.
async fn a_tag_counts_from_the_threshold_on(store: &dyn Database) {
    let images = [
        image(
            b"0",
            at(0),
            &[("car", 69.437_355_041_503_9), ("cab", 100.0)],
        ),
        image(b"1", at(1), &[("car", 90.0), ("cab", 20.0)]),
        image(b"2", at(2), &[("car", 0.0)]),
    ];
    register_all(store, &images).await;
    let exact = 69.437_355_041_503_9_f64;
    for (lowest, labels, expected) in [
        (exact, query(&["car"], &[], &[]), vec![1, 0]),
        (exact.next_up(), query(&["car"], &[], &[]), vec![1]),
        (90.0, query(&["car", "cab"], &[], &[]), vec![]),
        (20.0, query(&["car", "cab"], &[], &[]), vec![1, 0]),
        (20.5, query(&["car", "cab"], &[], &[]), vec![0]),
        (95.0, query(&[], &["car", "cab"], &[]), vec![0]),
        (90.0, query(&[], &["car", "cab"], &[]), vec![1, 0]),
        (exact, query(&[], &[], &["car"]), vec![2]),
        (80.0, query(&[], &[], &["car"]), vec![2, 0]),
        (20.0, query(&[], &[], &["car", "cab"]), vec![2]),
        (100.0, query(&[], &[], &["car"]), vec![2, 1, 0]),
        (0.0, query(&["car"], &[], &["cab"]), vec![2]),
    ] {
        let query = from_confidence(lowest, labels);
        assert_lists(store, &query, &images, &expected).await;
    }
}

/// With each other, with windows and with cursors.
async fn filters_compose(store: &dyn Database) {
    let images = some(store).await;
    for (labels, expected) in [
        (query(&["car"], &["cab", "road"], &[]), vec![1, 0]),
        (query(&["car"], &[], &["road"]), vec![2, 1]),
        (query(&[], &["car", "road"], &["cab"]), vec![2]),
        (query(&["cab"], &["car", "road"], &["car"]), vec![3]),
        (query(&["cab", "road"], &["car", "x"], &["y", "z"]), vec![0]),
    ] {
        assert_lists(store, &labels, &images, &expected).await;
        let window = TimeWindow {
            from: Some(at(1)),
            until: Some(at(3)),
        };
        let within: Vec<usize> = expected
            .into_iter()
            .filter(|n| (1..3).contains(n))
            .collect();
        let query = ImageQuery { window, ..labels };
        assert_lists(store, &query, &images, &within).await;
        let after = Some(page_key(&images[2]));
        let page = page(store, &query, after, 10).await;
        let later: Vec<Image> = within
            .into_iter()
            .filter(|n| *n < 2)
            .map(|n| images[n].clone())
            .collect();
        assert_eq!(page, later, "{query:?}");
    }
}

/// More labels than a database can join tables, in each of the lists.
async fn any_number_of_labels_will_do(store: &dyn Database) {
    let names: Vec<String> = (0..300).map(|n| format!("label {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let images = [
        unique(0, at(0), &names),
        unique(1, at(1), &names[..299]),
        unique(2, at(2), &names[1..]),
        unique(3, at(3), &names[150..151]),
        unique(4, at(4), &["other"]),
    ];
    register_all(store, &images).await;
    for count in [1, 8, 61, 70, 300] {
        let some = &names[..count];
        let carry_all = if count == 300 { vec![0] } else { vec![1, 0] };
        let carry_one: Vec<usize> = match count {
            1 => vec![1, 0],
            300 => vec![3, 2, 1, 0],
            _ => vec![2, 1, 0],
        };
        let without: Vec<usize> = (0..5).rev().filter(|n| !carry_one.contains(n)).collect();
        let alone = [
            (query(some, &[], &[]), carry_all.clone()),
            (query(&[], some, &[]), carry_one.clone()),
            (query(&[], &[], some), without),
        ];
        for (query, expected) in alone {
            assert_lists(store, &query, &images, &expected).await;
            let query = from_confidence(90.0, query);
            assert_lists(store, &query, &images, &expected).await;
        }
        assert_lists(store, &query(some, some, &["other"]), &images, &carry_all).await;
        assert_lists(
            store,
            &query(&["label 0"], some, &["other"]),
            &images,
            &[1, 0],
        )
        .await;
        assert_lists(store, &query(&["other"], &[], some), &images, &[4]).await;
    }
    let query = from_confidence(90.5, query(&names, &[], &[]));
    assert_lists(store, &query, &images, &[]).await;
}

/// An unknown label makes "all of" impossible, and has no effect on "any of" and "none of".
async fn unknown_label_matches_nothing(store: &dyn Database) {
    let images = some(store).await;
    assert_lists(store, &query(&["car", "plane"], &[], &[]), &images, &[]).await;
    assert_lists(store, &query(&[], &["plane", "ship"], &[]), &images, &[]).await;
    assert_lists(
        store,
        &query(&["car"], &["plane", "ship"], &[]),
        &images,
        &[],
    )
    .await;
    assert_lists(
        store,
        &query(&[], &["plane", "road"], &[]),
        &images,
        &[3, 0],
    )
    .await;
    assert_lists(store, &query(&["road"], &[], &["plane"]), &images, &[3, 0]).await;
    assert_lists(store, &query(&[], &[], &["plane", "car"]), &images, &[4, 3]).await;
    assert_lists(
        store,
        &query(&[], &[], &["plane"]),
        &images,
        &[4, 3, 2, 1, 0],
    )
    .await;
}

/// A deterministic pseudo-random sequence (Knuth's MMIX constants).
struct Lcg(u64);

impl Lcg {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Each of the labels with a chance of one in `chance`.
    fn subset(&mut self, of: &[&'static str], chance: u64) -> Vec<&'static str> {
        of.iter()
            .copied()
            .filter(|_| self.roll(chance) == 0)
            .collect()
    }

    fn time(&mut self) -> DateTime<Utc> {
        at(0) + TimeDelta::microseconds(i64::try_from(self.roll(20)).unwrap())
    }

    /// What a clock shows around an hour that it shows twice; seldom something else.
    fn local(&mut self) -> NaiveDateTime {
        at(0).naive_utc() + TimeDelta::microseconds(i64::try_from(self.roll(8)).unwrap() - 3)
    }

    /// When it was taken, for some images. The server's clock is put back in the middle of all registrations.
    fn info(&mut self, image: &Image) -> ImageInfo {
        let shift = if image.registered_at < at(0) + TimeDelta::microseconds(10) {
            0
        } else {
            -5
        };
        let local = image.registered_at.naive_utc() + TimeDelta::microseconds(shift);
        ImageInfo {
            camera: CameraData {
                taken_at: (self.roll(2) == 0).then(|| self.local()),
                ..CameraData::default()
            },
            registered_local: (self.roll(3) > 0).then_some(local),
            ..ImageInfo::default()
        }
    }

    fn confidence(&mut self) -> f64 {
        [10.0, 50.0, 90.0][usize::try_from(self.roll(3)).unwrap()]
    }

    fn image(&mut self, number: u32, labels: &[&'static str]) -> Image {
        let carried = self.subset(labels, 2);
        let tags: Vec<(&str, f64)> = carried
            .into_iter()
            .map(|label| (label, self.confidence()))
            .collect();
        image(&number.to_be_bytes(), self.time(), &tags)
    }

    fn query(&mut self, of: &[&'static str]) -> ImageQuery {
        let (all_of, any_of, none_of) =
            (self.subset(of, 5), self.subset(of, 3), self.subset(of, 5));
        let window = TimeWindow {
            from: (self.roll(3) == 0).then(|| self.time()),
            until: (self.roll(3) == 0).then(|| self.time()),
        };
        let taken = LocalWindow {
            from: (self.roll(4) == 0).then(|| self.local()),
            until: (self.roll(4) == 0).then(|| self.local()),
        };
        let order = [ImageOrder::Registered, ImageOrder::Taken];
        let order = order[usize::try_from(self.roll(2)).unwrap()];
        let count = self.roll(3);
        let conditions = (0..count).map(|_| self.condition(of, 2)).collect();
        let labels = query(&all_of, &any_of, &none_of);
        let query = ImageQuery {
            order,
            window,
            taken,
            conditions,
            ..labels
        };
        if self.roll(2) == 0 {
            return from_confidence(self.confidence(), query);
        }
        query
    }
}

impl Lcg {
    fn operator(&mut self) -> Operator {
        use Operator::{Above, AtLeast, AtMost, Below, Equal};
        [Below, AtMost, Equal, AtLeast, Above][usize::try_from(self.roll(5)).unwrap()]
    }

    fn size(&mut self) -> Comparison<u32> {
        Comparison {
            operator: self.operator(),
            value: [480, 640, 641][usize::try_from(self.roll(3)).unwrap()],
        }
    }

    fn tag(&mut self, of: &[&'static str]) -> Condition {
        let name = of[usize::try_from(self.roll(of.len() as u64)).unwrap()];
        let confidence = (self.roll(2) == 0).then(|| Comparison {
            operator: self.operator(),
            value: Confidence::new(self.confidence()).unwrap(),
        });
        Condition::tag(name, confidence)
    }

    /// A condition of that depth at most; one of its labels is carried by no image.
    fn condition(&mut self, of: &[&'static str], depth: u32) -> Condition {
        let count = self.roll(3);
        match self.roll(if depth == 0 { 6 } else { 9 }) {
            0 | 1 => self.tag(of),
            2 => Condition::tag("nowhere", None),
            3 => Condition::Untagged,
            4 => Condition::Registered(TimeWindow {
                from: (self.roll(2) == 0).then(|| self.time()),
                until: (self.roll(2) == 0).then(|| self.time()),
            }),
            5 => match self.roll(5) {
                0 => Condition::Type(MediaType::Jpeg),
                1 => Condition::Type(MediaType::Png),
                2 => Condition::Width(self.size()),
                3 => Condition::Taken(LocalWindow {
                    from: (self.roll(2) == 0).then(|| self.local()),
                    until: (self.roll(2) == 0).then(|| self.local()),
                }),
                _ => Condition::Height(self.size()),
            },
            6 => Condition::Not(Box::new(self.condition(of, depth - 1))),
            7 => Condition::Any((0..count).map(|_| self.condition(of, depth - 1)).collect()),
            _ => Condition::All((0..count).map(|_| self.condition(of, depth - 1)).collect()),
        }
    }
}

/// The meaning of a query, by definition.
fn matches(image: &Image, query: &ImageQuery) -> bool {
    let lowest = query
        .threshold
        .map_or(0.0, |threshold| threshold.lowest().get());
    let carries = |label: &Label| {
        let mut tags = image.tags.iter();
        tags.any(|tag| tag.label == *label && tag.confidence.get() >= lowest)
    };
    let TimeWindow { from, until } = query.window;
    from.is_none_or(|from| image.registered_at >= from)
        && until.is_none_or(|until| image.registered_at < until)
        && query
            .taken
            .from
            .is_none_or(|from| image.taken_order >= from)
        && query
            .taken
            .until
            .is_none_or(|until| image.taken_order < until)
        && query.all_of.iter().all(carries)
        && (query.any_of.is_empty() || query.any_of.iter().any(carries))
        && !query.none_of.iter().any(carries)
        && query
            .conditions
            .iter()
            .all(|condition| condition.holds(image))
}

/// Many images and queries; every result is compared with that of a loop over all images.
async fn pages_agree_with_a_plain_filter(store: &dyn Database) {
    const LABELS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let mut dice = Lcg(2024);
    let mut images: Vec<Image> = (0..60).map(|n| dice.image(n, &LABELS)).collect();
    for image in &mut images {
        let info = dice.info(image);
        register_with(store, image, &info).await;
        image.taken_order = info.taken_order(image.registered_at);
    }
    let mut found = 0;
    for _ in 0..400 {
        let query = dice.query(&LABELS);
        let matching = images.iter().filter(|image| matches(image, &query));
        let expected = in_order(query.order, matching.cloned().collect());
        let page_size = 1 + u32::try_from(dice.roll(12)).unwrap();
        assert_eq!(walk(store, &query, page_size).await, expected, "{query:?}");
        assert_eq!(count(store, &query).await, expected.len(), "{query:?}");
        found += usize::from(!expected.is_empty());
    }
    assert!(
        found > 50,
        "too few of the questions have an answer: {found}"
    );
}
