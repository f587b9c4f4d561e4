//! Damage notes: what sets them, their effect on uploads, and what clears them.

use super::{claim_removal, forget, new, register};
use crate::{at, image};
use domain::{
    Image,
    ports::{Claimed, Database},
};

chapter!(
    sound_originals_are_not_rewritten,
    a_damaged_original_is_rewritten_until_the_note_is_cleared,
    a_note_outlives_claims_and_records,
    damage_to_an_unknown_original_is_not_noted,
    taking_over_a_removal_rewrites,
    a_forgotten_original_has_no_note,
);

/// Claims at a time, for a hundred seconds. Returns whether the bytes must be rewritten.
async fn claim_at(store: &dyn Database, image: &Image, second: i64) -> bool {
    let (now, until) = (at(second), at(second + 100));
    let claimed = store.claim(&image.digest, &image.facts, now, until);
    let Claimed {
        rewrite,
        is_damaged,
        ..
    } = claimed.await.unwrap();
    assert!(rewrite || !is_damaged);
    is_damaged
}

/// Neither new ones, nor claimed ones, nor ones in use.
async fn sound_originals_are_not_rewritten(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    for _ in 0..2 {
        assert!(!claim_at(store, &image, 0).await);
    }
    store.record(&new(&image)).await.unwrap();
    assert!(!claim_at(store, &image, 500).await);
}

async fn a_damaged_original_is_rewritten_until_the_note_is_cleared(store: &dyn Database) {
    let (damaged, other) = (image(b"a", at(0), &[]), image(b"b", at(0), &[]));
    register(store, &damaged).await;
    register(store, &other).await;
    for second in [10, 20] {
        store
            .note_damage(&damaged.digest, at(second))
            .await
            .unwrap();
        assert!(claim_at(store, &damaged, second).await);
        assert!(!claim_at(store, &other, second).await);
    }
    store.clear_damage(&other.digest).await.unwrap();
    assert!(claim_at(store, &damaged, 30).await);
    for _ in 0..2 {
        store.clear_damage(&damaged.digest).await.unwrap();
        assert!(!claim_at(store, &damaged, 40).await);
    }
    store.note_damage(&damaged.digest, at(50)).await.unwrap();
    assert!(claim_at(store, &damaged, 50).await);
}

/// An upload that is killed, or did not rewrite, leaves it to the next one.
async fn a_note_outlives_claims_and_records(store: &dyn Database) {
    let mut image = image(b"a", at(0), &[]);
    assert!(!claim_at(store, &image, 0).await);
    store.note_damage(&image.digest, at(1)).await.unwrap();
    store.record(&new(&image)).await.unwrap();
    assert!(claim_at(store, &image, 10).await);
    image.id = domain::ImageId::new(at(10));
    store.record(&new(&image)).await.unwrap();
    assert!(claim_at(store, &image, 20).await);
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

async fn damage_to_an_unknown_original_is_not_noted(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    store.note_damage(&image.digest, at(0)).await.unwrap();
    store.clear_damage(&image.digest).await.unwrap();
    assert!(!claim_at(store, &image, 0).await);
}

/// The removal may be late rather than dead. An upload killed before it wrote passes that on.
async fn taking_over_a_removal_rewrites(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    assert!(!claim_at(store, &image, 0).await);
    assert!(claim_removal(store, &image.digest, at(100)).await);
    for second in [160, 170] {
        assert!(claim_at(store, &image, second).await);
    }
    store.record(&new(&image)).await.unwrap();
    store.clear_damage(&image.digest).await.unwrap();
    assert!(!claim_at(store, &image, 180).await);
}

async fn a_forgotten_original_has_no_note(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    assert!(!claim_at(store, &image, 0).await);
    store.note_damage(&image.digest, at(1)).await.unwrap();
    assert!(claim_removal(store, &image.digest, at(100)).await);
    assert!(forget(store, &image.digest).await);
    assert!(!claim_at(store, &image, 101).await);
}
