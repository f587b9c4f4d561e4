//! Removal claims, and abandoned originals.

use super::{MICROSECOND, abandoned, claim, claim_removal, forget, is_known, limit, register};
use crate::{at, image};
use domain::{ContentDigest, ports::Database};

chapter!(
    only_one_removal_holds_an_original,
    unknown_originals_are_not_removed,
    forgetting_ends_a_removal,
    forgetting_leaves_alone_what_is_not_being_removed,
    abandoned_are_the_originals_whose_claims_ran_out,
    abandoned_come_oldest_first_and_not_too_many,
);

async fn claim_until(store: &dyn Database, content: &[u8], until: i64) -> ContentDigest {
    let image = image(content, at(0), &[]);
    store
        .claim(&image.digest, &image.facts, at(0), at(until))
        .await
        .unwrap();
    image.digest
}

/// A removal claim is exclusive until it expires, exactly at its time.
async fn only_one_removal_holds_an_original(store: &dyn Database) {
    let digest = claim_until(store, b"a", 100).await;
    assert!(claim_removal(store, &digest, at(100)).await);
    assert!(!claim_removal(store, &digest, at(100)).await);
    assert!(!claim_removal(store, &digest, at(160) - MICROSECOND).await);
    assert!(claim_removal(store, &digest, at(160)).await);
}

/// Neither before a claim nor after it was forgotten.
async fn unknown_originals_are_not_removed(store: &dyn Database) {
    assert!(!claim_removal(store, &ContentDigest::of(b"a"), at(0)).await);
    let digest = claim_until(store, b"a", 100).await;
    assert!(claim_removal(store, &digest, at(100)).await);
    forget(store, &digest).await;
    assert!(!claim_removal(store, &digest, at(1000)).await);
}

/// The original becomes unknown; forgetting it twice has no effect.
async fn forgetting_ends_a_removal(store: &dyn Database) {
    let (digest, other) = (
        claim_until(store, b"a", 100).await,
        claim_until(store, b"b", 100).await,
    );
    assert!(claim_removal(store, &digest, at(100)).await);
    for is_first in [true, false] {
        assert_eq!(forget(store, &digest).await, is_first);
        assert!(!is_known(store, &digest).await);
    }
    assert_eq!(abandoned(store, at(1000)).await, [other]);
}

/// An original that is unclaimed, claimed for an upload, or in use stays.
async fn forgetting_leaves_alone_what_is_not_being_removed(store: &dyn Database) {
    assert!(!forget(store, &ContentDigest::of(b"none")).await);
    let claimed = claim_until(store, b"a", 100).await;
    assert!(!forget(store, &claimed).await);
    assert!(is_known(store, &claimed).await);
    let used = image(b"b", at(0), &[]);
    register(store, &used).await;
    assert!(!forget(store, &used.digest).await);
    assert_eq!(store.find(&used.id).await.unwrap(), Some(used));
}

/// Originals in use are not among them; those that a killed removal left behind are.
async fn abandoned_are_the_originals_whose_claims_ran_out(store: &dyn Database) {
    let digest = claim_until(store, b"a", 100).await;
    let used = image(b"b", at(0), &[]);
    register(store, &used).await;
    claim(store, &used).await;
    assert!(abandoned(store, at(100)).await.is_empty());
    assert_eq!(abandoned(store, at(100) + MICROSECOND).await, [digest]);
    assert!(claim_removal(store, &digest, at(200)).await);
    assert_eq!(abandoned(store, at(1_000_000)).await, [digest]);
}

/// The one whose claim expired first comes first.
async fn abandoned_come_oldest_first_and_not_too_many(store: &dyn Database) {
    let mut digests = Vec::new();
    for until in [30, 10, 50, 20, 40] {
        let content = format!("content {until}");
        let digest = claim_until(store, content.as_bytes(), until).await;
        digests.push((until, digest));
    }
    digests.sort_unstable();
    let oldest: Vec<_> = digests.into_iter().map(|(_, digest)| digest).collect();
    assert_eq!(abandoned(store, at(100)).await, oldest);
    assert_eq!(abandoned(store, at(40)).await, oldest[..3]);
    let first = store.abandoned(at(100), limit(2)).await.unwrap();
    assert_eq!(first, oldest[..2]);
}
