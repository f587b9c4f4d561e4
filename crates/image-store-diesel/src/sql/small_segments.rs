//! The contract with segments so small that a few images make many of them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::QueryDsl;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    NewImage, TimeWindow,
    ports::{ImageStore, ImageStoreError},
    testing::{
        at,
        contract::image_store::{concurrency, condensing, summaries},
        image,
    },
};

use super::{
    super::place::Place,
    Connection, Sizes,
    sealing::is_due,
    segments::{begin_recording, highest, sealed_until},
    summaries::begin,
};
use crate::{schema::summary_segment as segment, values::micros};

const SMALL: [Sizes; 2] = [
    Sizes {
        images: 3,
        segments: 2,
    },
    Sizes {
        images: 1,
        segments: 3,
    },
];

async fn register(store: &dyn ImageStore, number: u8) {
    let image = image(&[number], at(i64::from(number)), &[("car", 50.0)]);
    let (now, until) = (at(0), at(1000));
    store
        .claim(&image.digest, &image.facts, now, until)
        .await
        .unwrap();
    let new = NewImage {
        fence: None,
        image,
        tagging: None,
    };
    store.record(&new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_kept() {
    for sizes in SMALL {
        let places = Mutex::new(Vec::new());
        let make = async || -> Arc<dyn ImageStore> {
            let place = Place::create().await;
            let store = place.store(sizes);
            places.lock().unwrap().push(place);
            store
        };
        summaries::run(&make).await;
        condensing::run(&make).await;
        concurrency::run(&make).await;
        for place in places.into_inner().unwrap() {
            place.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_condense_at_once() {
    for sizes in SMALL {
        let place = Place::create().await;
        let (one, other) = (place.store(sizes), place.store(sizes));
        condensing::run_on_two(&*one, &*other).await;
        place.remove().await;
    }
}

/// How many segments each level has.
async fn levels(connection: &mut Connection) -> Vec<i64> {
    let levels = segment::table
        .group_by(segment::level)
        .order(segment::level)
        .select(diesel::dsl::count_star());
    levels.load(connection).await.unwrap()
}

/// Sixteen of seventeen images: the last one could be followed by others of its time.
#[tokio::test(flavor = "multi_thread")]
async fn levels_are_put_together_as_they_are_complete() {
    let place = Place::create().await;
    let sizes = Sizes {
        images: 2,
        segments: 2,
    };
    let store = place.store(sizes);
    for number in 0..17 {
        register(&*store, number).await;
    }
    // The last one is too young.
    assert!(store.condense(at(11)).await.is_ok_and(|is_more| !is_more));
    while store.condense(at(26)).await.unwrap() {}
    let mut connection = place.connection().await;
    assert_eq!(levels(&mut connection).await, [7, 3, 1]);
    while store.condense(at(27)).await.unwrap() {}
    assert_eq!(levels(&mut connection).await, [8, 4, 2, 1]);
    let before = micros(at(1000));
    assert!(!is_due(&mut connection, before, sizes).await.unwrap());
    place.remove().await;
}

/// Who counts is not confused by what is sealed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_from_one_state_of_the_database() {
    let place = Place::create().await;
    let store = place.store(SMALL[0]);
    for number in 0..10 {
        register(&*store, number).await;
    }
    let mut connection = place.connection().await;
    begin(&mut connection).await.unwrap();
    assert_eq!(sealed_until(&mut connection).await.unwrap(), i64::MIN);
    while store.condense(at(1000)).await.unwrap() {}
    assert_eq!(sealed_until(&mut connection).await.unwrap(), i64::MIN);
    assert_eq!(highest(&mut connection).await.unwrap(), None);
    connection.batch_execute("COMMIT").await.unwrap();
    assert!(sealed_until(&mut connection).await.unwrap() > i64::MIN);
    assert!(highest(&mut connection).await.unwrap().is_some());
    place.remove().await;
}

/// Nothing is sealed while somebody records, who was told that it is not.
#[tokio::test(flavor = "multi_thread")]
async fn who_seals_waits_for_who_records() {
    let place = Place::create().await;
    let store = place.store(SMALL[0]);
    for number in 0..10 {
        register(&*store, number).await;
    }
    let mut connection = place.connection().await;
    let is_sealed = begin_recording(&mut connection, micros(at(0))).await;
    assert!(!is_sealed.unwrap());
    let mut sealing = store.condense(at(1000));
    let soon = Duration::from_millis(300);
    let waited = tokio::time::timeout(soon, &mut sealing).await;
    assert!(waited.is_err(), "{waited:?}");
    connection.batch_execute("COMMIT").await.unwrap();
    assert!(sealing.await.unwrap());
    let is_sealed = begin_recording(&mut connection, micros(at(0))).await;
    assert!(is_sealed.unwrap());
    connection.batch_execute("ROLLBACK").await.unwrap();
    place.remove().await;
}

/// As by a crash: it is done wholly or not at all, and nobody is held up by what it left.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_cut_off_spoils_nothing() {
    let place = Place::create().await;
    let store = place.store(SMALL[0]);
    for number in 0..60 {
        register(&*store, number).await;
        let time = Duration::from_micros(100 * u64::from(number));
        let _ = tokio::time::timeout(time, store.condense(at(1000))).await;
        let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
        assert_eq!(found[0].images, u64::from(number) + 1);
    }
    while store.condense(at(1000)).await.unwrap() {}
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 60);
    place.remove().await;
}

/// What is broken is told, and nobody is given numbers that are made of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_segment_is_told() {
    let place = Place::create().await;
    let store = place.store(SMALL[0]);
    for number in 0..10 {
        register(&*store, number).await;
    }
    while store.condense(at(100)).await.unwrap() {}
    let mut connection = place.connection().await;
    diesel::update(segment::table)
        .set(diesel::ExpressionMethods::eq(segment::content, vec![9_u8]))
        .execute(&mut connection)
        .await
        .unwrap();
    let found = store.tag_summaries(&TimeWindow::default()).await;
    assert!(
        matches!(found, Err(ImageStoreError::Corrupt(_))),
        "{found:?}"
    );
    place.remove().await;
}
