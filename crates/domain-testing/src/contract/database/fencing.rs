//! Fences: what a later claim invalidates.

use super::{MICROSECOND, abandoned, assert_claim_lost, claim_removal_by, is_known, new};
use crate::{at, image};
use domain::{
    ContentDigest, Fence, Image, NewImage,
    ports::{Claimed, Database},
};

chapter!(
    uploads_that_follow_a_removal_are_rewritten,
    uploads_share_a_fence_until_a_removal_comes,
    superseded_removal_is_not_ended,
    a_removal_that_ran_out_is_ended_until_a_claim_comes,
    a_removal_is_not_ended_by_an_older_one,
    an_upload_from_before_a_removal_is_not_recorded,
    an_upload_from_before_a_removal_is_not_recorded_under_the_claim_of_a_later_one,
    orphans_are_claimed_unless_they_are_needed,
    an_orphan_that_is_not_known_is_held,
    an_orphan_whose_claim_ran_out_is_held,
    needed_are_those_in_use_and_those_being_uploaded,
    a_postponed_original_is_abandoned_later,
    only_the_latest_removal_postpones,
    the_database_keeps_its_id,
);

const ONE: Fence = Fence::from_i64(1);
const TWO: Fence = Fence::from_i64(2);

/// Claims for an upload at a time, for a hundred seconds.
async fn upload(store: &dyn Database, image: &Image, second: i64) -> Claimed {
    let (now, until) = (at(second), at(second + 100));
    let claimed = store.claim(&image.digest, &image.facts, now, until);
    claimed.await.unwrap()
}

fn under(image: &Image, claimed: Claimed) -> NewImage {
    NewImage {
        fence: Some(claimed.fence),
        ..new(image)
    }
}

async fn claim_orphan(
    store: &dyn Database,
    digest: &ContentDigest,
    fence: Fence,
    second: i64,
) -> bool {
    let (now, until) = (at(second), at(second + 60));
    store.claim_orphan(digest, fence, now, until).await.unwrap()
}

/// Even if the bytes exist: a late removal may take them away.
async fn uploads_that_follow_a_removal_are_rewritten(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    assert!(upload(store, &image, 0).await.rewrite);
    assert!(!upload(store, &image, 0).await.rewrite);
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert!(store.forget(&image.digest, ONE).await.unwrap());
    assert!(upload(store, &image, 110).await.rewrite, "it is forgotten");
    assert!(claim_removal_by(store, &image.digest, TWO, at(210)).await);
    assert!(
        upload(store, &image, 270).await.rewrite,
        "it was taken over"
    );
}

async fn uploads_share_a_fence_until_a_removal_comes(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let first = upload(store, &image, 0).await;
    let second = upload(store, &image, 50).await;
    assert_eq!(first.fence, second.fence);
    assert!(claim_removal_by(store, &image.digest, ONE, at(150)).await);
    let third = upload(store, &image, 210).await;
    assert_ne!(third.fence, first.fence);
    assert_ne!(third.fence, ONE);
    store.record(&under(&image, third)).await.unwrap();
    let fourth = upload(store, &image, 300).await;
    assert_eq!(fourth.fence, third.fence, "an image protects it");
}

/// Not even by the removal itself, once it resumes.
async fn superseded_removal_is_not_ended(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    let claimed = upload(store, &image, 160).await;
    assert!(!store.forget(&image.digest, ONE).await.unwrap());
    assert!(is_known(store, &image.digest).await);
    store.record(&under(&image, claimed)).await.unwrap();
    assert!(!store.forget(&image.digest, ONE).await.unwrap());
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

/// A removal may be slow while the original is not claimed again.
async fn a_removal_that_ran_out_is_ended_until_a_claim_comes(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert_eq!(abandoned(store, at(1_000_000)).await, [image.digest]);
    assert!(store.forget(&image.digest, ONE).await.unwrap());
    assert!(!is_known(store, &image.digest).await);
}

async fn a_removal_is_not_ended_by_an_older_one(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert!(claim_removal_by(store, &image.digest, TWO, at(160)).await);
    assert!(!store.forget(&image.digest, ONE).await.unwrap());
    assert!(is_known(store, &image.digest).await);
    assert!(store.forget(&image.digest, TWO).await.unwrap());
}

/// The removal may have taken the bytes.
async fn an_upload_from_before_a_removal_is_not_recorded(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let late = upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert_claim_lost(&store.record(&under(&image, late)).await);
    let taken_over = upload(store, &image, 160).await;
    assert_claim_lost(&store.record(&under(&image, late)).await);
    assert_eq!(store.find(&image.id).await.unwrap(), None);
    store.record(&under(&image, taken_over)).await.unwrap();
}

/// The later one may not have put anything yet.
async fn an_upload_from_before_a_removal_is_not_recorded_under_the_claim_of_a_later_one(
    store: &dyn Database,
) {
    let image = image(b"a", at(0), &[]);
    let late = upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert!(store.forget(&image.digest, ONE).await.unwrap());
    assert_claim_lost(&store.record(&under(&image, late)).await);
    let later = upload(store, &image, 110).await;
    assert_claim_lost(&store.record(&under(&image, late)).await);
    assert_eq!(store.find(&image.id).await.unwrap(), None);
    store.record(&under(&image, later)).await.unwrap();
}

/// Needed by an image, an upload or another removal.
async fn orphans_are_claimed_unless_they_are_needed(store: &dyn Database) {
    let (used, claimed) = (image(b"used", at(0), &[]), image(b"claimed", at(0), &[]));
    let claim = upload(store, &used, 0).await;
    store.record(&under(&used, claim)).await.unwrap();
    assert!(!claim_orphan(store, &used.digest, ONE, 1_000_000).await);
    upload(store, &claimed, 0).await;
    assert!(!claim_orphan(store, &claimed.digest, ONE, 99).await);
    assert!(claim_removal_by(store, &claimed.digest, ONE, at(100)).await);
    assert!(!claim_orphan(store, &claimed.digest, TWO, 100).await);
    assert!(claim_orphan(store, &claimed.digest, TWO, 160).await);
    assert!(!store.forget(&claimed.digest, ONE).await.unwrap());
    assert!(store.forget(&claimed.digest, TWO).await.unwrap());
}

/// It becomes known, without facts. Uploads wait; it is never abandoned.
async fn an_orphan_that_is_not_known_is_held(store: &dyn Database) {
    let image = image(b"orphan", at(0), &[]);
    let digest = &image.digest;
    assert!(claim_orphan(store, digest, ONE, 0).await);
    assert!(!claim_orphan(store, digest, TWO, 59).await);
    assert!(!is_known(store, digest).await);
    let refused = store.claim(digest, &image.facts, at(59), at(500)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(abandoned(store, at(1_000_000)).await.is_empty());
    assert!(store.forget(digest, ONE).await.unwrap());
    // Killed before it forgot: an upload of the bytes takes it over.
    assert!(claim_orphan(store, digest, TWO, 0).await);
    let claimed = upload(store, &image, 60).await;
    assert!(claimed.rewrite);
    assert!(is_known(store, digest).await);
    store.record(&under(&image, claimed)).await.unwrap();
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

/// It stays abandoned, so that upkeep removes what a killed check held.
async fn an_orphan_whose_claim_ran_out_is_held(store: &dyn Database) {
    let image = image(b"orphan", at(0), &[]);
    let late = upload(store, &image, 0).await;
    assert!(claim_orphan(store, &image.digest, ONE, 100).await);
    assert_claim_lost(&store.record(&under(&image, late)).await);
    assert_eq!(abandoned(store, at(200)).await, [image.digest]);
    assert!(store.forget(&image.digest, ONE).await.unwrap());
    assert!(abandoned(store, at(200)).await.is_empty());
}

async fn needed_are_those_in_use_and_those_being_uploaded(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let is_needed = async |second| store.is_needed(&image.digest, at(second)).await.unwrap();
    assert!(!is_needed(0).await);
    let claimed = upload(store, &image, 0).await;
    assert!(
        store
            .is_needed(&image.digest, at(100) - MICROSECOND)
            .await
            .unwrap()
    );
    assert!(!is_needed(100).await);
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    assert!(!is_needed(110).await, "it is being removed");
    let taken_over = upload(store, &image, 160).await;
    assert!(is_needed(170).await);
    assert_ne!(claimed.fence, taken_over.fence);
    store.record(&under(&image, taken_over)).await.unwrap();
    assert!(is_needed(1_000_000).await);
}

async fn a_postponed_original_is_abandoned_later(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    upload(store, &image, 0).await;
    assert!(claim_removal_by(store, &image.digest, ONE, at(100)).await);
    store.postpone(&image.digest, ONE, at(500)).await.unwrap();
    assert!(abandoned(store, at(500)).await.is_empty());
    assert!(!claim_removal_by(store, &image.digest, TWO, at(499)).await);
    assert_eq!(abandoned(store, at(501)).await, [image.digest]);
    // An upload need not wait for that.
    let claimed = upload(store, &image, 160).await;
    store.record(&under(&image, claimed)).await.unwrap();
}

async fn only_the_latest_removal_postpones(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    store.postpone(&image.digest, ONE, at(500)).await.unwrap();
    assert!(!is_known(store, &image.digest).await);
    upload(store, &image, 0).await;
    store.postpone(&image.digest, ONE, at(500)).await.unwrap();
    assert!(claim_removal_by(store, &image.digest, TWO, at(100)).await);
    store.postpone(&image.digest, ONE, at(500)).await.unwrap();
    assert_eq!(abandoned(store, at(101)).await, [image.digest]);
    let claimed = upload(store, &image, 160).await;
    store.record(&under(&image, claimed)).await.unwrap();
    store.postpone(&image.digest, TWO, at(500)).await.unwrap();
    assert!(
        abandoned(store, at(1_000_000)).await.is_empty(),
        "it is used"
    );
}

async fn the_database_keeps_its_id(store: &dyn Database) {
    let id = store.database_id().await.unwrap();
    assert_eq!(store.database_id().await.unwrap(), id);
}
