//! Upload claims: what they protect, and what invalidates them.

use chrono::TimeDelta;

use super::{
    MICROSECOND, all, assert_claim_lost, assert_contended, claim, claim_removal, forget, is_known,
    key, known_tagging, new, register, tagging,
};
use crate::{at, image, tags};
use domain::{ImageFacts, ImageQuery, MediaType, NewImage, ports::Database};

chapter!(
    a_claim_makes_the_facts_known,
    a_later_claim_brings_its_facts_up_to_date,
    a_claim_protects_until_it_runs_out,
    the_longest_of_several_claims_counts,
    a_claim_waits_for_a_removal,
    a_claim_ends_a_removal_that_ran_out,
    recording_takes_a_claim,
    recording_takes_a_claim_that_no_removal_broke,
    a_claim_that_ran_out_serves_until_a_removal_comes,
    every_upload_under_a_claim_is_recorded,
    an_image_protects_its_original_for_good,
);

/// From the claim on, other uploads see the facts.
async fn a_claim_makes_the_facts_known(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    claim(store, &image).await;
    let known = store.known(&key(&image.digest)).await.unwrap();
    assert_eq!(known.facts, Some(image.facts));
    assert_eq!(known.tagging, None);
}

/// The facts are those of the latest claim.
async fn a_later_claim_brings_its_facts_up_to_date(store: &dyn Database) {
    let mut image = image(b"a", at(0), &[]);
    register(store, &image).await;
    image.facts = ImageFacts {
        media_type: MediaType::Png,
        width: 480,
        height: 640,
        byte_size: 2,
    };
    claim(store, &image).await;
    let known = store.known(&key(&image.digest)).await.unwrap();
    assert_eq!(known.facts, Some(image.facts));
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

/// A claim expires exactly at its time, not a microsecond earlier.
async fn a_claim_protects_until_it_runs_out(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    store
        .claim(&image.digest, &image.facts, at(0), at(100))
        .await
        .unwrap();
    assert!(!claim_removal(store, &image.digest, at(100) - MICROSECOND).await);
    assert!(claim_removal(store, &image.digest, at(100)).await);
}

/// Several uploads claim the same bytes; a shorter claim does not end a longer one.
async fn the_longest_of_several_claims_counts(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    for until in [50, 100, 20] {
        store
            .claim(&image.digest, &image.facts, at(0), at(until))
            .await
            .unwrap();
    }
    assert!(!claim_removal(store, &image.digest, at(99)).await);
    assert!(claim_removal(store, &image.digest, at(100)).await);
}

/// While bytes are being removed, no upload may put them; a refused claim leaves the removal in force.
async fn a_claim_waits_for_a_removal(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let (digest, facts) = (&image.digest, &image.facts);
    store.claim(digest, facts, at(0), at(100)).await.unwrap();
    assert!(claim_removal(store, digest, at(100)).await);
    let just_before = at(160) - MICROSECOND;
    assert_contended(&store.claim(digest, facts, at(100), at(200)).await);
    assert_contended(&store.claim(digest, facts, just_before, at(200)).await);
    forget(store, digest).await;
    assert!(!is_known(store, digest).await);
    store.claim(digest, facts, at(101), at(200)).await.unwrap();
    store.record(&new(&image)).await.unwrap();
}

/// A killed removal does not hold the original forever, and has no effect afterwards.
async fn a_claim_ends_a_removal_that_ran_out(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    let (digest, facts) = (&image.digest, &image.facts);
    store.claim(digest, facts, at(0), at(100)).await.unwrap();
    assert!(claim_removal(store, digest, at(100)).await);
    store.claim(digest, facts, at(160), at(200)).await.unwrap();
    forget(store, digest).await;
    assert!(is_known(store, digest).await);
    assert!(!claim_removal(store, digest, at(199)).await);
    store.record(&new(&image)).await.unwrap();
}

/// Nothing is recorded without a claim.
async fn recording_takes_a_claim(store: &dyn Database) {
    let image = image(b"a", at(0), &[("car", 90.0)]);
    let key = key(&image.digest);
    let answer = tagging(tags(&[("car", 90.0), ("cab", 10.0)]));
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image,
        said: None,
        taggings: vec![(key.clone(), answer)],
    };
    assert_claim_lost(&store.record(&new).await);
    assert_eq!(store.find(&new.image.id).await.unwrap(), None);
    assert!(all(store, &ImageQuery::default()).await.is_empty());
    assert_eq!(known_tagging(store, &key).await, None);
    assert!(!is_known(store, &new.image.digest).await);
}

/// A removal breaks the claim even if it was interrupted: the bytes may be gone.
async fn recording_takes_a_claim_that_no_removal_broke(store: &dyn Database) {
    let mut image = image(b"a", at(0), &[]);
    let (digest, facts) = (image.digest, image.facts);
    store.claim(&digest, &facts, at(0), at(100)).await.unwrap();
    assert!(claim_removal(store, &digest, at(100)).await);
    assert_claim_lost(&store.record(&new(&image)).await);
    image.registered_at = at(100) + TimeDelta::hours(1);
    assert_claim_lost(&store.record(&new(&image)).await);
    forget(store, &digest).await;
    assert_claim_lost(&store.record(&new(&image)).await);
}

/// A slow upload succeeds unless a removal intervened.
async fn a_claim_that_ran_out_serves_until_a_removal_comes(store: &dyn Database) {
    let image = image(b"a", at(500), &[]);
    store
        .claim(&image.digest, &image.facts, at(0), at(100))
        .await
        .unwrap();
    store.record(&new(&image)).await.unwrap();
    assert!(!claim_removal(store, &image.digest, at(1000)).await);
}

/// The first of several uploads to record does not take the claim away from the others.
async fn every_upload_under_a_claim_is_recorded(store: &dyn Database) {
    let images = [1, 2, 3].map(|second| image(b"a", at(second), &[("car", 90.0)]));
    for image in &images {
        claim(store, image).await;
    }
    for image in &images {
        store.record(&new(image)).await.unwrap();
    }
    assert_eq!(all(store, &ImageQuery::default()).await.len(), 3);
}

/// Neither time nor a further claim that expires makes an original in use removable.
async fn an_image_protects_its_original_for_good(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    register(store, &image).await;
    assert!(!claim_removal(store, &image.digest, at(1_000_000)).await);
    claim(store, &image).await;
    assert!(!claim_removal(store, &image.digest, at(1_000_000)).await);
    forget(store, &image.digest).await;
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}
