//! The contract of [`Inspector`], beside that of the [`ImageStore`] whose rows it looks at.

use std::{num::NonZeroU32, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ContentDigest, Image, NewImage, ProviderIdentity, Tagging, TaggingKey,
    ports::{ImageStore, ImageStoreError, Inspected, Inspector, RecordedOriginal, RowMark, Rows},
    testing::{at, image},
};

/// An empty store, and what looks at its rows.
type Pair = (Arc<dyn ImageStore>, Arc<dyn Inspector>);

/// Runs every rule, each on an empty store of its own, which `make` makes.
pub async fn run(make: &impl AsyncFn() -> Pair) {
    an_empty_store_has_no_rows(&make().await).await;
    every_row_is_walked_once(&make().await).await;
    what_can_be_read_is_not_told_of(&make().await).await;
    originals_are_walked_with_what_is_recorded_of_them(&make().await).await;
    recorded_are_those_that_are_known(&make().await).await;
    what_is_needed_is_no_stray(&make().await).await;
    a_stray_that_is_not_known_is_held(&make().await).await;
    a_stray_whose_claim_ran_out_is_held(&make().await).await;
}

const ROWS: [Rows; 4] = [Rows::Labels, Rows::Images, Rows::Taggings, Rows::Originals];

fn key(digest: ContentDigest) -> TaggingKey {
    TaggingKey {
        digest,
        provider: ProviderIdentity {
            name: "imagga".to_owned(),
            version: "v2".to_owned(),
            language: "en".to_owned(),
        },
        max_side: 1024,
    }
}

/// Registers an image of its own content with a label of its own, and its tagging.
async fn register(store: &dyn ImageStore, number: u32) -> Image {
    let label = format!("label {number}");
    let image = image(
        &number.to_be_bytes(),
        at(i64::from(number)),
        &[(&label, 90.0), ("car", 50.5)],
    );
    claim(store, &image, at(3600)).await;
    let tagging = Tagging {
        tags: image.tags.clone(),
        tagged_at: at(0),
    };
    let new = NewImage {
        tagging: Some((key(image.digest), tagging)),
        image,
    };
    store.record(&new).await.unwrap();
    new.image
}

async fn claim(store: &dyn ImageStore, image: &Image, until: DateTime<Utc>) {
    store
        .claim(&image.digest, &image.facts, at(0), until)
        .await
        .unwrap();
}

async fn pages(inspector: &dyn Inspector, rows: Rows, limit: u32) -> Vec<Inspected> {
    let limit = NonZeroU32::new(limit).unwrap();
    let mut pages: Vec<Inspected> = Vec::new();
    let mut after: Option<RowMark> = None;
    loop {
        let page = inspector.inspect(rows, after.take(), limit).await.unwrap();
        assert!(page.rows <= u64::from(limit.get()), "a page is too long");
        after.clone_from(&page.next);
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

/// All originals, in the order of their digests.
async fn originals(inspector: &dyn Inspector, limit: u32) -> Vec<RecordedOriginal> {
    let pages = pages(inspector, Rows::Originals, limit).await;
    let mut all: Vec<_> = pages.into_iter().flat_map(|page| page.originals).collect();
    all.sort_unstable_by_key(|original| original.digest);
    all
}

async fn recorded(inspector: &dyn Inspector, digest: ContentDigest) -> Option<RecordedOriginal> {
    let mut known = inspector.recorded(&[digest]).await.unwrap();
    assert!(known.len() <= 1, "{known:?}");
    known.pop()
}

/// Claims as a stray at a time, for a minute.
async fn claim_stray(
    inspector: &dyn Inspector,
    digest: &ContentDigest,
    now: DateTime<Utc>,
) -> bool {
    let until = now + TimeDelta::minutes(1);
    inspector.claim_stray(digest, now, until).await.unwrap()
}

async fn an_empty_store_has_no_rows((_, inspector): &Pair) {
    for rows in ROWS {
        assert_eq!(inspector.count(rows).await.unwrap(), 0);
        let pages = pages(&**inspector, rows, 10).await;
        assert_eq!(pages.iter().map(|page| page.rows).sum::<u64>(), 0);
    }
    assert!(inspector.recorded(&[]).await.unwrap().is_empty());
}

/// However long the pages are.
async fn every_row_is_walked_once((store, inspector): &Pair) {
    for number in 0..7 {
        register(&**store, number).await;
    }
    // A label for each image, and one for all.
    let expected = [8, 7, 7, 7];
    for (rows, expected) in ROWS.into_iter().zip(expected) {
        assert_eq!(inspector.count(rows).await.unwrap(), expected, "{rows:?}");
        for limit in [1, 2, 7, 8, 100] {
            let pages = pages(&**inspector, rows, limit).await;
            let walked: u64 = pages.iter().map(|page| page.rows).sum();
            assert_eq!(walked, expected, "{rows:?} by {limit}");
        }
    }
    assert_eq!(
        originals(&**inspector, 2).await,
        originals(&**inspector, 100).await
    );
}

async fn what_can_be_read_is_not_told_of((store, inspector): &Pair) {
    register(&**store, 1).await;
    let untagged = image(b"untagged", at(0), &[]);
    claim(&**store, &untagged, at(100)).await;
    let new = NewImage {
        image: untagged,
        tagging: None,
    };
    store.record(&new).await.unwrap();
    assert!(claim_stray(&**inspector, &ContentDigest::of(b"stray"), at(0)).await);
    for rows in ROWS {
        for page in pages(&**inspector, rows, 10).await {
            assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        }
    }
}

/// Used by images, of which the first is told, or claimed.
async fn originals_are_walked_with_what_is_recorded_of_them((store, inspector): &Pair) {
    let first = register(&**store, 1).await;
    let mut second = first.clone();
    second.id = crate::ImageId::new(at(500));
    second.registered_at = at(500);
    let new = NewImage {
        image: second,
        tagging: None,
    };
    store.record(&new).await.unwrap();
    let claimed = image(b"claimed", at(0), &[]);
    claim(&**store, &claimed, at(100)).await;
    let mut expected = vec![
        RecordedOriginal {
            digest: first.digest,
            facts: Some(first.facts),
            is_used: true,
            image: Some(first.id),
            claimed_until: None,
        },
        RecordedOriginal {
            digest: claimed.digest,
            facts: Some(claimed.facts),
            is_used: false,
            image: None,
            claimed_until: Some(at(100)),
        },
    ];
    expected.sort_unstable_by_key(|original| original.digest);
    assert_eq!(originals(&**inspector, 10).await, expected);
}

async fn recorded_are_those_that_are_known((store, inspector): &Pair) {
    let mut digests = vec![ContentDigest::of(b"unknown")];
    let mut expected = Vec::new();
    for number in 0..5 {
        let image = register(&**store, number).await;
        digests.push(image.digest);
        expected.push((image.digest, Some(image.id)));
    }
    let known = inspector.recorded(&digests).await.unwrap();
    let mut known: Vec<_> = known.iter().map(|r| (r.digest, r.image)).collect();
    known.sort_unstable();
    expected.sort_unstable();
    assert_eq!(known, expected);
    // More than fit into one statement.
    digests.extend((0..3000_u32).map(|n| ContentDigest::of(&(1000 + n).to_be_bytes())));
    assert_eq!(inspector.recorded(&digests).await.unwrap().len(), 5);
}

/// By an image, by an upload, by another removal.
async fn what_is_needed_is_no_stray((store, inspector): &Pair) {
    let used = register(&**store, 1).await;
    assert!(!claim_stray(&**inspector, &used.digest, at(1_000_000)).await);
    let claimed = image(b"claimed", at(0), &[]);
    claim(&**store, &claimed, at(100)).await;
    let just_before = at(100) - TimeDelta::microseconds(1);
    assert!(!claim_stray(&**inspector, &claimed.digest, just_before).await);
    let until = at(160);
    assert!(
        store
            .claim_for_removal(&claimed.digest, at(100), until)
            .await
            .unwrap()
    );
    assert!(!claim_stray(&**inspector, &claimed.digest, at(100)).await);
    let held = recorded(&**inspector, claimed.digest).await.unwrap();
    assert_eq!(held.claimed_until, Some(until), "the later of both");
    assert!(claim_stray(&**inspector, &claimed.digest, until).await);
}

/// It is known from then on, without facts. Uploads wait; no upkeep removes it, not even later.
async fn a_stray_that_is_not_known_is_held((store, inspector): &Pair) {
    let image = image(b"stray", at(0), &[]);
    let digest = &image.digest;
    assert!(claim_stray(&**inspector, digest, at(0)).await);
    assert!(!claim_stray(&**inspector, digest, at(59)).await);
    let held = recorded(&**inspector, *digest).await.unwrap();
    assert_eq!((held.facts, held.is_used), (None, false));
    assert_eq!(held.claimed_until, Some(at(60)));
    let known = store.known(&key(*digest)).await.unwrap();
    assert_eq!(known.facts, None);
    let refused = store.claim(digest, &image.facts, at(59), at(500)).await;
    assert!(matches!(refused, Err(ImageStoreError::Contended(_))));
    let limit = NonZeroU32::new(10).unwrap();
    let abandoned = store.abandoned(at(1_000_000), limit).await.unwrap();
    assert!(abandoned.is_empty(), "{abandoned:?}");
    store.forget(digest).await.unwrap();
    assert_eq!(recorded(&**inspector, *digest).await, None);
    // Killed before it forgot: who uploads the bytes takes it over.
    assert!(claim_stray(&**inspector, digest, at(0)).await);
    store
        .claim(digest, &image.facts, at(60), at(500))
        .await
        .unwrap();
    let known = store.known(&key(*digest)).await.unwrap();
    assert_eq!(known.facts, Some(image.facts));
    let new = NewImage {
        image: image.clone(),
        tagging: None,
    };
    store.record(&new).await.unwrap();
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
}

/// It stays abandoned, so that upkeep removes what a check that was killed held.
async fn a_stray_whose_claim_ran_out_is_held((store, inspector): &Pair) {
    let image = image(b"stray", at(0), &[]);
    claim(&**store, &image, at(100)).await;
    assert!(claim_stray(&**inspector, &image.digest, at(100)).await);
    let new = NewImage {
        image: image.clone(),
        tagging: None,
    };
    let lost = store.record(&new).await;
    assert!(matches!(lost, Err(ImageStoreError::ClaimLost)), "{lost:?}");
    let limit = NonZeroU32::new(10).unwrap();
    let abandoned = store.abandoned(at(200), limit).await.unwrap();
    assert_eq!(abandoned, [image.digest]);
    store.forget(&image.digest).await.unwrap();
    assert_eq!(recorded(&**inspector, image.digest).await, None);
}
