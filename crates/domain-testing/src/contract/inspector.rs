//! The contract of [`Inspector`](domain::ports::Inspector).

use std::{num::NonZeroU32, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{at, image};
use domain::{
    ContentDigest, Fence, Image, NewImage, ProviderIdentity, Tagging, TaggingKey,
    ports::{Database, Inspected, RecordedOriginal, RowMark, Rows},
};

/// Runs every rule, each on a new empty store from `make`.
pub async fn run(make: &impl AsyncFn() -> Arc<dyn Database>) {
    an_empty_store_has_no_rows(&*make().await).await;
    every_row_is_walked_once(&*make().await).await;
    readable_rows_are_not_reported(&*make().await).await;
    originals_are_read_with_their_records(&*make().await).await;
    recorded_are_those_that_are_known(&*make().await).await;
    the_claim_that_expires_last_is_recorded(&*make().await).await;
}

const ROWS: [Rows; 4] = [Rows::Labels, Rows::Images, Rows::Taggings, Rows::Originals];

fn key(digest: ContentDigest) -> TaggingKey {
    TaggingKey {
        digest,
        provider: ProviderIdentity::parse("imagga", "v2", "en").unwrap(),
        max_side: 1024,
    }
}

/// Registers an image with unique content and a unique label, and its tagging.
async fn register(store: &dyn Database, number: u32) -> Image {
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
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        said: None,
        taggings: vec![(key(image.digest), tagging)],
        image,
    };
    store.record(&new).await.unwrap();
    new.image
}

async fn claim(store: &dyn Database, image: &Image, until: DateTime<Utc>) {
    store
        .claim(&image.digest, &image.facts, at(0), until)
        .await
        .unwrap();
}

async fn pages(store: &dyn Database, rows: Rows, limit: u32) -> Vec<Inspected> {
    let limit = NonZeroU32::new(limit).unwrap();
    let mut pages: Vec<Inspected> = Vec::new();
    let mut after: Option<RowMark> = None;
    loop {
        let page = store.inspect(rows, after.take(), limit).await.unwrap();
        assert!(page.rows <= u64::from(limit.get()), "a page is too long");
        after.clone_from(&page.next);
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

/// All originals, in the order of their digests.
async fn originals(store: &dyn Database, limit: u32) -> Vec<RecordedOriginal> {
    let pages = pages(store, Rows::Originals, limit).await;
    let mut all: Vec<_> = pages.into_iter().flat_map(|page| page.originals).collect();
    all.sort_unstable_by_key(|original| original.digest);
    all
}

async fn recorded(store: &dyn Database, digest: ContentDigest) -> Option<RecordedOriginal> {
    let mut known = store.recorded(&[digest]).await.unwrap();
    assert!(known.len() <= 1, "{known:?}");
    known.pop()
}

/// Claims as an orphan at `now`, for a minute.
async fn claim_orphan(store: &dyn Database, digest: &ContentDigest, now: DateTime<Utc>) -> bool {
    let until = now + TimeDelta::minutes(1);
    let claimed = store.claim_orphan(digest, Fence::random(), now, until);
    claimed.await.unwrap()
}

async fn an_empty_store_has_no_rows(store: &dyn Database) {
    for rows in ROWS {
        assert_eq!(store.count(rows).await.unwrap(), 0);
        let pages = pages(store, rows, 10).await;
        assert_eq!(pages.iter().map(|page| page.rows).sum::<u64>(), 0);
    }
    assert!(store.recorded(&[]).await.unwrap().is_empty());
}

/// For any batch size.
async fn every_row_is_walked_once(store: &dyn Database) {
    for number in 0..7 {
        register(store, number).await;
    }
    // A label for each image, and one shared.
    let expected = [8, 7, 7, 7];
    for (rows, expected) in ROWS.into_iter().zip(expected) {
        assert_eq!(store.count(rows).await.unwrap(), expected, "{rows:?}");
        for limit in [1, 2, 7, 8, 100] {
            let pages = pages(store, rows, limit).await;
            let walked: u64 = pages.iter().map(|page| page.rows).sum();
            assert_eq!(walked, expected, "{rows:?} by {limit}");
        }
    }
    assert_eq!(originals(store, 2).await, originals(store, 100).await);
}

async fn readable_rows_are_not_reported(store: &dyn Database) {
    register(store, 1).await;
    let untagged = image(b"untagged", at(0), &[]);
    claim(store, &untagged, at(100)).await;
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image: untagged,
        said: None,
        taggings: Vec::new(),
    };
    store.record(&new).await.unwrap();
    assert!(claim_orphan(store, &ContentDigest::of(b"orphan"), at(0)).await);
    for rows in ROWS {
        for page in pages(store, rows, 10).await {
            assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        }
    }
}

/// Used by images, of which the first is reported, or claimed.
async fn originals_are_read_with_their_records(store: &dyn Database) {
    let first = register(store, 1).await;
    let mut second = first.clone();
    second.id = domain::ImageId::new(at(500));
    second.registered_at = at(500);
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image: second,
        said: None,
        taggings: Vec::new(),
    };
    store.record(&new).await.unwrap();
    let claimed = image(b"claimed", at(0), &[]);
    claim(store, &claimed, at(100)).await;
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
    assert_eq!(originals(store, 10).await, expected);
}

async fn recorded_are_those_that_are_known(store: &dyn Database) {
    let mut digests = vec![ContentDigest::of(b"unknown")];
    let mut expected = Vec::new();
    for number in 0..5 {
        let image = register(store, number).await;
        digests.push(image.digest);
        expected.push((image.digest, Some(image.id)));
    }
    let known = store.recorded(&digests).await.unwrap();
    let mut known: Vec<_> = known.iter().map(|r| (r.digest, r.image)).collect();
    known.sort_unstable();
    expected.sort_unstable();
    assert_eq!(known, expected);
    // More than fit into one statement.
    digests.extend((0..3000_u32).map(|n| ContentDigest::of(&(1000 + n).to_be_bytes())));
    assert_eq!(store.recorded(&digests).await.unwrap().len(), 5);
}

/// Of an upload or a removal; an original that only a removal ever claimed has no facts.
async fn the_claim_that_expires_last_is_recorded(store: &dyn Database) {
    let claimed = image(b"claimed", at(0), &[]);
    claim(store, &claimed, at(100)).await;
    assert!(claim_orphan(store, &claimed.digest, at(100)).await);
    let held = recorded(store, claimed.digest).await.unwrap();
    assert_eq!(held.claimed_until, Some(at(160)));
    let orphan = ContentDigest::of(b"orphan");
    assert!(claim_orphan(store, &orphan, at(0)).await);
    let held = recorded(store, orphan).await.unwrap();
    assert_eq!((held.facts, held.is_used), (None, false));
    assert_eq!(held.claimed_until, Some(at(60)));
}
