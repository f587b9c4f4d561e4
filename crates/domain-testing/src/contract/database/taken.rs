//! Lists in the order of taking.

use chrono::{NaiveDateTime, TimeDelta};

use super::{MICROSECOND, all, in_order, page, register_with, unique, walk};
use crate::{at, label};
use domain::{
    CameraData, Image, ImageId, ImageInfo, ImageOrder, ImageQuery, LocalWindow, PageKey,
    TimeWindow, ports::Database,
};

chapter!(
    lists_come_by_the_clocks_of_cameras,
    an_unknown_time_is_that_of_registration,
    images_taken_at_one_time_join_without_gap_or_overlap,
    windows_of_taking_are_exact,
    a_page_begins_after_a_time_that_no_image_has,
);

fn local(seconds: i64) -> NaiveDateTime {
    at(seconds).naive_utc()
}

/// Registers an image that was taken then, if that is known.
async fn register(
    store: &dyn Database,
    mut image: Image,
    taken_at: Option<NaiveDateTime>,
    registered_local: Option<NaiveDateTime>,
) -> Image {
    let info = ImageInfo {
        camera: CameraData {
            taken_at,
            ..CameraData::default()
        },
        registered_local,
        ..ImageInfo::default()
    };
    register_with(store, &image, &info).await;
    image.taken_order = info.taken_order(image.registered_at);
    image
}

fn by_taking() -> ImageQuery {
    ImageQuery {
        order: ImageOrder::Taken,
        ..ImageQuery::default()
    }
}

/// Queries that read the same images in several ways.
fn in_every_way() -> [ImageQuery; 4] {
    let of_labels = |all_of: &[&str], any_of: &[&str]| ImageQuery {
        all_of: all_of.iter().map(|name| label(name)).collect(),
        any_of: any_of.iter().map(|name| label(name)).collect(),
        ..by_taking()
    };
    let all_times = TimeWindow {
        from: Some(at(-1_000_000)),
        until: Some(at(1_000_000)),
    };
    [
        by_taking(),
        of_labels(&["car"], &[]),
        of_labels(&[], &["car", "road"]),
        ImageQuery {
            window: all_times,
            ..by_taking()
        },
    ]
}

/// Also of those that were set to a time before 1970.
async fn lists_come_by_the_clocks_of_cameras(store: &dyn Database) {
    let mut images = Vec::new();
    for (n, taken) in (0..).zip([50, -3_000_000_000, 10, 99]) {
        let image = unique(n, at(i64::from(n)), &["car", "road"]);
        images.push(register(store, image, Some(local(taken)), Some(local(7))).await);
    }
    let expected = [3, 0, 2, 1].map(|n: usize| images[n].clone());
    for query in in_every_way() {
        assert_eq!(all(store, &query).await, expected, "{query:?}");
        assert_eq!(walk(store, &query, 1).await, expected, "{query:?}");
    }
    let found = store.find(&images[1].id).await.unwrap().unwrap();
    assert_eq!(found, images[1]);
}

/// By the server's clock, or, where a server from before that was kept registered it, in UTC.
async fn an_unknown_time_is_that_of_registration(store: &dyn Database) {
    let hour = 3600;
    let mut images = Vec::new();
    for (n, registered, taken, shown) in [
        (0, 0, None, Some(2 * hour)),
        (1, 1, None, None),
        (2, 2, Some(hour), None),
        (3, 3, Some(3 * hour), Some(2 * hour)),
        // Registered later, but by a clock that was put back in between.
        (4, hour, None, Some(2 * hour - 1)),
    ] {
        let image = unique(n, at(registered), &["car", "road"]);
        let (taken, shown) = (taken.map(local), shown.map(local));
        images.push(register(store, image, taken, shown).await);
    }
    let expected = [3, 0, 4, 2, 1].map(|n: usize| images[n].clone());
    for query in in_every_way() {
        assert_eq!(walk(store, &query, 2).await, expected, "{query:?}");
    }
}

/// For any page size: cameras whose clock was never set show one time again and again.
async fn images_taken_at_one_time_join_without_gap_or_overlap(store: &dyn Database) {
    let mut images = Vec::new();
    for n in 0..23 {
        let image = unique(n, at(i64::from(n)), &["car", "road"]);
        let taken = (n % 4 > 0).then(|| local(i64::from(n / 9)));
        images.push(register(store, image, taken, Some(local(1))).await);
    }
    let expected = in_order(ImageOrder::Taken, images);
    for query in in_every_way() {
        for page_size in [1, 2, 4, 5, 22, 23, 24] {
            let walked = walk(store, &query, page_size).await;
            assert_eq!(walked, expected, "pages of {page_size}: {query:?}");
        }
    }
}

/// In both orders, and together with times of registration.
async fn windows_of_taking_are_exact(store: &dyn Database) {
    let mut images = Vec::new();
    for n in 0..5 {
        let taken = (n > 0).then(|| local(10 * i64::from(n)));
        let image = unique(n, at(100 - i64::from(n)), &["car", "road"]);
        let shown = local(0) + MICROSECOND;
        images.push(register(store, image, taken, Some(shown)).await);
    }
    let bound = |n: i64| Some(local(0) + TimeDelta::microseconds(n));
    for (from, until) in [
        (None, bound(1)),
        (bound(0), bound(2)),
        (bound(1), None),
        (bound(2), bound(20_000_001)),
        (bound(10_000_000), bound(30_000_000)),
        (bound(40_000_000), None),
        (bound(40_000_001), None),
    ] {
        let taken = LocalWindow { from, until };
        for (order, query) in [ImageOrder::Registered, ImageOrder::Taken]
            .into_iter()
            .flat_map(|order| in_every_way().map(|query| (order, query)))
        {
            let query = ImageQuery {
                order,
                taken,
                ..query
            };
            let inside = images.iter().filter(|i| taken.contains(i.taken_order));
            let expected = in_order(order, inside.cloned().collect());
            assert_eq!(all(store, &query).await, expected, "{query:?}");
            assert_eq!(walk(store, &query, 1).await, expected, "{query:?}");
        }
    }
}

/// A cursor is a time and an id, not an image.
async fn a_page_begins_after_a_time_that_no_image_has(store: &dyn Database) {
    let image = |n| unique(n, at(i64::from(n)), &["car", "road"]);
    let older = register(store, image(1), Some(local(10)), None).await;
    let newer = register(store, image(2), Some(local(20)), None).await;
    let after = |seconds, byte| {
        Some(PageKey {
            order: ImageOrder::Taken,
            time: local(seconds),
            id: ImageId::from_bytes([byte; 16]),
        })
    };
    for query in in_every_way() {
        for (place, expected) in [
            (after(20, 0xff), vec![newer.clone(), older.clone()]),
            (after(20, 0), vec![older.clone()]),
            (after(15, 0xff), vec![older.clone()]),
            (after(10, 0), vec![]),
            (after(-5, 0xff), vec![]),
        ] {
            let page = page(store, &query, place, 10).await;
            assert_eq!(page, expected, "{place:?}, {query:?}");
        }
    }
}
