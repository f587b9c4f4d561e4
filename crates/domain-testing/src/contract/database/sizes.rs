//! The bytes of the originals.

use chrono::TimeDelta;

use super::{FENCE, claim_removal, limit, register, unique};
use crate::at;
use domain::{
    ContentDigest, Image, ImageFacts,
    ports::{Database, StoredBytes},
};

chapter!(
    originals_are_summed_up_in_strides,
    claimed_originals_count_and_removed_ones_do_not,
    originals_without_facts_have_no_bytes,
);

/// An image with an original of that size.
fn sized(number: u32, bytes: u64) -> Image {
    let image = unique(number, at(i64::from(number)), &["a"]);
    Image {
        facts: ImageFacts {
            byte_size: bytes,
            ..image.facts
        },
        ..image
    }
}

async fn sum(store: &dyn Database, after: u64, most: u32) -> StoredBytes {
    store.stored_bytes(after, limit(most)).await.unwrap()
}

async fn originals_are_summed_up_in_strides(store: &dyn Database) {
    assert_eq!(sum(store, 0, 10).await, StoredBytes::default());
    for (number, bytes) in [(0, 1), (1, 20), (2, 300)] {
        register(store, &sized(number, bytes)).await;
    }
    let first = sum(store, 0, 2).await;
    assert_eq!((first.bytes, first.originals), (21, 2));
    let second = sum(store, first.until, 2).await;
    assert_eq!((second.bytes, second.originals), (300, 1));
    let none = sum(store, second.until, 2).await;
    let nothing = StoredBytes {
        until: second.until,
        ..StoredBytes::default()
    };
    assert_eq!(none, nothing);
    // Known bytes are not counted again, new ones are.
    register(store, &sized(0, 1)).await;
    register(store, &sized(3, 4000)).await;
    assert_eq!(sum(store, second.until, 2).await.bytes, 4000);
}

async fn claimed_originals_count_and_removed_ones_do_not(store: &dyn Database) {
    let image = sized(0, 7);
    super::claim(store, &image).await;
    assert_eq!(sum(store, 0, 10).await.bytes, 7);
    let later = image.registered_at + TimeDelta::hours(2);
    assert!(claim_removal(store, &image.digest, later).await);
    assert!(store.forget(&image.digest, FENCE).await.unwrap());
    assert_eq!(sum(store, 0, 10).await.bytes, 0);
}

async fn originals_without_facts_have_no_bytes(store: &dyn Database) {
    let digest = ContentDigest::of(b"orphan");
    let until = at(60);
    let claimed = store.claim_orphan(&digest, FENCE, at(0), until).await;
    assert!(claimed.unwrap());
    assert_eq!(sum(store, 0, 10).await.bytes, 0);
}
