//! Recorded images are read back unchanged.

use chrono::{DateTime, TimeDelta};

use super::{abandoned, all, claim, key, new, register};
use crate::{at, image, tag};
use domain::{
    Image, ImageFacts, ImageId, ImageQuery, MediaType, TimeWindow,
    ports::{Database, ImageStoreError, Known},
};

chapter!(
    an_empty_store_is_ready_and_knows_nothing,
    an_image_comes_back_as_it_was_recorded,
    every_media_type_comes_back,
    large_numbers_come_back,
    confidences_come_back_to_the_last_bit,
    times_come_back_to_the_microsecond,
    ids_of_any_version_come_back,
    an_image_without_tags_comes_back,
    an_image_with_many_tags_comes_back,
    images_of_the_same_bytes_are_apart,
    an_id_is_recorded_once,
);

/// Registers an image and reads it back, by id and in a list.
async fn assert_comes_back(store: &dyn Database, image: &Image) {
    register(store, image).await;
    let found = store.find(&image.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(image));
    let listed = all(store, &ImageQuery::default()).await;
    assert!(listed.contains(image), "{image:?} is not among {listed:?}");
}

/// Reads of an empty store succeed and find nothing.
async fn an_empty_store_is_ready_and_knows_nothing(store: &dyn Database) {
    store.ready().await.unwrap();
    let image = image(b"a", at(0), &[("car", 90.0)]);
    let known = store.known(&key(&image.digest)).await.unwrap();
    assert_eq!(known, Known::default());
    assert_eq!(store.find(&image.id).await.unwrap(), None);
    assert!(all(store, &ImageQuery::default()).await.is_empty());
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert!(summaries.is_empty());
    assert!(abandoned(store, at(1_000_000)).await.is_empty());
}

/// Every field, and the tags in their order.
async fn an_image_comes_back_as_it_was_recorded(store: &dyn Database) {
    let tags = [("car", 61.4), ("auto", 61.4), ("motor vehicle", 99.5)];
    assert_comes_back(store, &image(b"some bytes", at(7), &tags)).await;
    let unknown = ImageId::new(at(7));
    assert_eq!(store.find(&unknown).await.unwrap(), None);
}

/// No media type is mistaken for another.
async fn every_media_type_comes_back(store: &dyn Database) {
    for media_type in MediaType::ALL {
        let mut image = image(media_type.as_str().as_bytes(), at(0), &[]);
        image.facts.media_type = media_type;
        assert_comes_back(store, &image).await;
    }
}

/// Sides up to 32 bits, sizes beyond 32 bits.
async fn large_numbers_come_back(store: &dyn Database) {
    let mut image = image(b"a", at(0), &[]);
    image.facts = ImageFacts {
        width: u32::MAX,
        height: 1,
        byte_size: 1 << 40,
        ..image.facts
    };
    assert_comes_back(store, &image).await;
}

/// Numbers that a decimal detour or single precision would change.
async fn confidences_come_back_to_the_last_bit(store: &dyn Database) {
    let odd = [
        0.0,
        5e-324,
        f64::MIN_POSITIVE,
        1e-17,
        0.1 + 0.2,
        1.0 / 3.0,
        2.0 / 3.0 * 100.0,
        69.437_355_041_503_9,
        61.400_001_525_878_906,
        99.999_999_999_999_99,
        100.0,
    ];
    let mut image = image(b"a", at(0), &[]);
    image.tags = (0..)
        .zip(odd)
        .map(|(n, confidence)| tag(&format!("label {n}"), confidence))
        .collect();
    register(store, &image).await;
    let found = store.find(&image.id).await.unwrap().unwrap();
    let bits = |image: &Image| -> Vec<u64> {
        let confidences = image.tags.iter().map(|tag| tag.confidence.get());
        confidences.map(f64::to_bits).collect()
    };
    assert_eq!(bits(&found), bits(&image));
}

/// Before 1970 and far from it too, and across daylight-saving changes.
async fn times_come_back_to_the_microsecond(store: &dyn Database) {
    let micros = [
        -1,
        0,
        1,
        1_711_846_799_999_999,
        1_711_846_800_000_000,
        253_402_300_799_999_999,
        -62_135_596_800_000_000,
    ];
    for micros in micros {
        let registered_at = DateTime::from_timestamp_micros(micros).unwrap();
        let mut image = image(&micros.to_be_bytes(), at(0), &[("car", 1.0)]);
        image.registered_at = registered_at;
        image.taken_order = registered_at.naive_utc();
        assert_comes_back(store, &image).await;
    }
}

/// An id is any sixteen bytes.
async fn ids_of_any_version_come_back(store: &dyn Database) {
    for byte in [0, b' ', b'\\', b'\'', 0x80, 0xff] {
        let mut image = image(&[byte], at(0), &[("car", 1.0)]);
        image.id = ImageId::from_bytes([byte; 16]);
        assert_comes_back(store, &image).await;
    }
}

/// An image without tags is an image.
async fn an_image_without_tags_comes_back(store: &dyn Database) {
    assert_comes_back(store, &image(b"", at(0), &[])).await;
}

/// Eighty, some known from an earlier image.
async fn an_image_with_many_tags_comes_back(store: &dyn Database) {
    for (content, labels) in [(b"a", 0..50_u32), (b"b", 30..110)] {
        let mut image = image(content, at(0), &[]);
        image.tags = labels
            .map(|n| tag(&format!("label {n}"), f64::from(n % 7) + 0.1))
            .collect();
        assert_comes_back(store, &image).await;
    }
}

/// They share only the original.
async fn images_of_the_same_bytes_are_apart(store: &dyn Database) {
    let first = image(b"a", at(0), &[("car", 90.0), ("cab", 20.0)]);
    let second = image(b"a", at(0) + TimeDelta::days(400), &[("car", 90.0)]);
    assert_comes_back(store, &first).await;
    assert_comes_back(store, &second).await;
    assert_eq!(all(store, &ImageQuery::default()).await, [second, first]);
}

/// A second image under the same id is refused, and the first one stays unchanged.
async fn an_id_is_recorded_once(store: &dyn Database) {
    let first = image(b"a", at(0), &[("car", 90.0)]);
    register(store, &first).await;
    let mut second = image(b"b", at(1), &[("cab", 80.0)]);
    second.id = first.id;
    claim(store, &second).await;
    let outcome = store.record(&new(&second)).await;
    assert!(
        matches!(outcome, Err(ImageStoreError::Failed(_))),
        "{outcome:?}"
    );
    assert_eq!(all(store, &ImageQuery::default()).await, [first]);
}
