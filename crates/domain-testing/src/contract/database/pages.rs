//! Lists: their order, their pages, their filters.

use super::{
    MICROSECOND, all, carrying, newest_first, page, page_key, register, register_all, unique, walk,
};
use crate::{at, image, label};
use chrono::{DateTime, Utc};
use domain::{Image, ImageId, ImageOrder, ImageQuery, Label, PageKey, TimeWindow, ports::Database};

chapter!(
    pages_are_newest_first,
    images_of_one_time_come_by_greatest_id,
    pages_join_without_gap_or_overlap,
    a_page_begins_after_a_place_that_no_image_has,
    windows_are_exact_to_the_microsecond,
    an_image_must_carry_all_labels,
    unknown_label_finds_nothing,
    a_rare_label_is_found_among_common_ones,
);

/// By registration time, not by order of insertion.
async fn pages_are_newest_first(store: &dyn Database) {
    let images: Vec<Image> = (0..)
        .zip([30, 10, 50, 20, 40])
        .map(|(n, second)| unique(n, at(second), &["car"]))
        .collect();
    register_all(store, &images).await;
    let seconds = |images: Vec<Image>| -> Vec<_> {
        images
            .into_iter()
            .map(|image| image.registered_at)
            .collect()
    };
    let expected = [50, 40, 30, 20, 10].map(at);
    assert_eq!(seconds(all(store, &ImageQuery::default()).await), expected);
    let cars = carrying(&[&label("car")]);
    assert_eq!(seconds(all(store, &cars).await), expected);
}

/// Ids are compared as unsigned bytes, the first one first.
async fn images_of_one_time_come_by_greatest_id(store: &dyn Database) {
    let firsts = [0x7f, 0x00, 0xff, 0x80, 0x01];
    for first in firsts {
        let mut image = image(&[first], at(0), &[("car", 90.0)]);
        let mut bytes = [!first; 16];
        bytes[0] = first;
        image.id = ImageId::from_bytes(bytes);
        register(store, &image).await;
    }
    for query in [ImageQuery::default(), carrying(&[&label("car")])] {
        for page_size in [1, 2, 100] {
            let walked = walk(store, &query, page_size).await;
            let found: Vec<u8> = walked.iter().map(|image| image.id.as_bytes()[0]).collect();
            assert_eq!(found, [0xff, 0x80, 0x7f, 0x01, 0x00]);
        }
    }
}

/// For any page size, and however many images share a time.
async fn pages_join_without_gap_or_overlap(store: &dyn Database) {
    let images: Vec<Image> = (0..23)
        .map(|n| unique(n, at(i64::from(n / 5)), &["car"]))
        .collect();
    register_all(store, &images).await;
    let expected = newest_first(images);
    for query in [ImageQuery::default(), carrying(&[&label("car")])] {
        for page_size in [1, 2, 4, 5, 22, 23, 24] {
            let walked = walk(store, &query, page_size).await;
            assert_eq!(walked, expected, "pages of {page_size}");
        }
    }
}

/// A cursor is a time and an id, not an image.
async fn a_page_begins_after_a_place_that_no_image_has(store: &dyn Database) {
    let (older, newer) = (unique(1, at(10), &["car"]), unique(2, at(20), &["car"]));
    register_all(store, &[older.clone(), newer.clone()]).await;
    let after = |time: DateTime<Utc>, byte| {
        Some(PageKey {
            order: ImageOrder::Registered,
            time: time.naive_utc(),
            id: ImageId::from_bytes([byte; 16]),
        })
    };
    for query in [ImageQuery::default(), carrying(&[&label("car")])] {
        for (place, expected) in [
            (after(at(20), 0xff), vec![newer.clone(), older.clone()]),
            (after(at(20), 0), vec![older.clone()]),
            (after(at(15), 0xff), vec![older.clone()]),
            (after(at(10), 0), vec![]),
            (after(at(5), 0xff), vec![]),
        ] {
            let page = page(store, &query, place, 10).await;
            assert_eq!(page, expected, "{place:?}");
        }
    }
}

/// The start is included, the end is not, and a cursor beyond the window does not widen it.
async fn windows_are_exact_to_the_microsecond(store: &dyn Database) {
    let times = [
        at(10) - MICROSECOND,
        at(10),
        at(10) + MICROSECOND,
        at(20) - MICROSECOND,
        at(20),
    ];
    let images: Vec<Image> = (0..)
        .zip(times)
        .map(|(n, time)| unique(n, time, &["car"]))
        .collect();
    register_all(store, &images).await;
    let bounds = times.map(Some).into_iter().chain([None]);
    for (from, until) in bounds
        .clone()
        .flat_map(|from| bounds.clone().map(move |until| (from, until)))
    {
        for labels in [vec![], vec![label("car")]] {
            let window = TimeWindow { from, until };
            let query = ImageQuery {
                window,
                all_of: labels,
                ..ImageQuery::default()
            };
            let inside = |image: &Image| window.contains(image.registered_at);
            let expected = newest_first(images.iter().filter(|i| inside(i)).cloned().collect());
            assert_eq!(all(store, &query).await, expected, "{query:?}");
            let after = Some(page_key(images.last().unwrap()));
            let page = page(store, &query, after, 10).await;
            let rest: Vec<_> = expected
                .into_iter()
                .filter(|i| i.registered_at < at(20))
                .collect();
            assert_eq!(page, rest, "{query:?}");
        }
    }
}

/// One or two of three do not suffice.
async fn an_image_must_carry_all_labels(store: &dyn Database) {
    let images = [
        unique(0, at(0), &["car", "cab", "road"]),
        unique(1, at(1), &["car", "cab"]),
        unique(2, at(2), &["car"]),
        unique(3, at(3), &["cab", "road"]),
        unique(4, at(4), &[]),
    ];
    register_all(store, &images).await;
    for (labels, expected) in [
        (vec!["car"], vec![2, 1, 0]),
        (vec!["cab", "car"], vec![1, 0]),
        (vec!["cab", "car", "road"], vec![0]),
        (vec!["car", "road"], vec![0]),
        (vec![], vec![4, 3, 2, 1, 0]),
    ] {
        let labels: Vec<Label> = labels.into_iter().map(label).collect();
        let query = carrying(&labels.iter().collect::<Vec<_>>());
        let expected: Vec<Image> = expected
            .into_iter()
            .map(|n: usize| images[n].clone())
            .collect();
        assert_eq!(all(store, &query).await, expected, "{query:?}");
        assert_eq!(walk(store, &query, 1).await, expected, "{query:?}");
    }
}

/// Neither alone nor together with one that is carried.
async fn unknown_label_finds_nothing(store: &dyn Database) {
    register(store, &unique(0, at(0), &["car"])).await;
    let (car, plane) = (label("car"), label("plane"));
    assert!(all(store, &carrying(&[&plane])).await.is_empty());
    assert!(all(store, &carrying(&[&car, &plane])).await.is_empty());
}

/// Whether the rare one is the newest, the oldest or in between.
async fn a_rare_label_is_found_among_common_ones(store: &dyn Database) {
    let mut images = Vec::new();
    for n in 0..60 {
        let mut labels = vec!["common", "frequent"];
        labels.extend((n == 0).then_some("oldest"));
        labels.extend((n == 30).then_some("middle"));
        labels.extend((n == 59).then_some("newest"));
        images.push(unique(n, at(i64::from(n)), &labels));
    }
    register_all(store, &images).await;
    for (rare, position) in [("oldest", 0), ("middle", 30), ("newest", 59)] {
        let labels = [label("common"), label("frequent"), label(rare)];
        let query = carrying(&labels.iter().collect::<Vec<_>>());
        let found = page(store, &query, None, 2).await;
        assert_eq!(found, [images[position].clone()], "{rare}");
    }
}
