//! The contract of [`OriginalStore`].

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future;

use super::{
    database_registry, original_removal,
    originals::{collect, content, listed, put, put_as, read, take_away},
};
use domain::{
    ContentDigest,
    ports::{DatabaseRegistry, Fate, Fingerprint, OriginalRemoval, OriginalStore, PutMode},
};

/// The whole suite; `empty` makes a new, empty store for each part of it.
pub async fn suite<S>(empty: impl AsyncFn() -> Arc<S>)
where
    S: OriginalStore + OriginalRemoval + DatabaseRegistry,
{
    is_ready(&*empty().await).await;
    gives_back_what_was_put(&*empty().await).await;
    gives_back_ranges(&*empty().await).await;
    knows_nothing_that_was_not_put(&*empty().await).await;
    keeps_the_same_bytes_once(&*empty().await).await;
    overwrites_what_is_there(&*empty().await).await;
    shows_no_part_of_an_original(&*empty().await).await;
    never_ends_a_stream_early(&*empty().await).await;
    lists_many(&*empty().await).await;
    sweeps_no_original(&*empty().await).await;
    measures_what_is_there(&*empty().await).await;
    original_removal::run(&empty).await;
    database_registry::run(&empty).await;
}

/// An empty store is ready, repeatedly.
pub async fn is_ready(store: &dyn OriginalStore) {
    store.ready().await.expect("ready");
    store.ready().await.expect("still ready");
    assert_eq!(listed(store).await, BTreeMap::new());
}

/// Originals of any length are read back byte for byte.
pub async fn gives_back_what_was_put(store: &dyn OriginalStore) {
    for len in [0, 1, 4096, 300_000, 3_000_001] {
        let bytes = content(len, 1);
        let digest = put(store, &bytes).await;
        assert_eq!(read(store, &digest).await, Some(bytes), "{len} bytes");
    }
}

/// A range comes back byte for byte, and as much of it as there is; the length is that of the original.
pub async fn gives_back_ranges(store: &dyn OriginalStore) {
    let bytes = content(300_000, 3);
    let digest = put(store, &bytes).await;
    for range in [
        0..1,
        0..300_000,
        1..299_999,
        48_000..250_000,
        299_999..300_000,
    ] {
        let expected = bytes.slice(range.clone());
        assert_eq!(part(store, &digest, &range).await, expected, "{range:?}");
    }
    for range in [0..300_001, 299_990..usize::MAX] {
        let expected = bytes.slice(range.start..);
        assert_eq!(part(store, &digest, &range).await, expected, "{range:?}");
    }
    for range in [300_000..300_001, 400_000..500_000] {
        assert_eq!(part(store, &digest, &range).await, "", "{range:?}");
    }
    let missing = store
        .get(&ContentDigest::of(b"never put"), Some(0..1))
        .await;
    assert!(missing.expect("asked").is_none());
}

async fn part(store: &dyn OriginalStore, digest: &ContentDigest, range: &Range<usize>) -> Bytes {
    let range = range.start as u64..range.end as u64;
    let opened = store.get(digest, Some(range)).await;
    let opened = opened.expect("opened").expect("there");
    assert_eq!(opened.len, 300_000);
    collect(opened).await.expect("read to its end")
}

/// An original that was not put is not found.
pub async fn knows_nothing_that_was_not_put(store: &dyn OriginalStore) {
    let digest = ContentDigest::of(b"never put");
    assert_eq!(read(store, &digest).await, None);
}

/// Putting the same digest twice, even concurrently, makes one original.
pub async fn keeps_the_same_bytes_once(store: &dyn OriginalStore) {
    let bytes = content(70_000, 2);
    let digest = put(store, &bytes).await;
    future::join_all((0..8).map(|_| put(store, &bytes))).await;
    assert_eq!(
        listed(store).await,
        BTreeMap::from([(digest, bytes.len() as u64)])
    );
    assert_eq!(read(store, &digest).await, Some(bytes));
}

/// An existing original of the same digest is replaced on request, and otherwise only if its length is
/// wrong.
pub async fn overwrites_what_is_there(store: &dyn OriginalStore) {
    let bytes = content(70_000, 10);
    let digest = ContentDigest::of(&bytes);
    let altered = content(70_000, 11);
    put_as(store, &digest, &altered, PutMode::Overwrite).await;
    put_as(store, &digest, &bytes, PutMode::KeepExisting).await;
    assert_eq!(read(store, &digest).await, Some(altered.clone()));
    put_as(store, &digest, &bytes, PutMode::Overwrite).await;
    assert_eq!(read(store, &digest).await, Some(bytes.clone()));
    for wrong in [altered.slice(1..), content(0, 12), content(70_001, 13)] {
        put_as(store, &digest, &wrong, PutMode::Overwrite).await;
        put_as(store, &digest, &bytes, PutMode::KeepExisting).await;
        assert_eq!(read(store, &digest).await, Some(bytes.clone()));
    }
    assert_eq!(listed(store).await, BTreeMap::from([(digest, 70_000)]));
}

/// Readers during a put of the same bytes find them whole or not at all.
pub async fn shows_no_part_of_an_original(store: &dyn OriginalStore) {
    for round in 0..8 {
        let bytes = content(1_000_003, 100 + round);
        let digest = ContentDigest::of(&bytes);
        let puts = future::join_all((0..3).map(|_| put(store, &bytes)));
        let gets = async {
            let mut seen = false;
            for _ in 0..20 {
                match read(store, &digest).await {
                    Some(read) => {
                        assert_eq!(read, bytes, "whole");
                        seen = true;
                    }
                    None => assert!(!seen, "what was found once stays"),
                }
            }
        };
        future::join(puts, gets).await;
        assert_eq!(read(store, &digest).await, Some(bytes));
    }
}

/// An original removed while it is read is read to its end, or the stream fails.
pub async fn never_ends_a_stream_early<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(5_000_000, 5);
    let digest = put(store, &bytes).await;
    let opened = store.get(&digest, None).await;
    let opened = opened.expect("opened").expect("there");
    assert!(take_away(store, &digest, Fate::Removal).await);
    let len = opened.len;
    if let Ok(read) = collect(opened).await {
        assert_eq!(read, bytes);
    }
    assert_eq!(len, bytes.len() as u64);
}

/// All originals are listed, each once.
pub async fn lists_many(store: &dyn OriginalStore) {
    let contents: Vec<_> = (0..50).map(|seed| content(10 + seed, seed)).collect();
    let mut expected = BTreeMap::new();
    for bytes in &contents {
        expected.insert(put(store, bytes).await, bytes.len() as u64);
    }
    assert_eq!(listed(store).await, expected);
}

/// Sweeping removes no original, however old.
pub async fn sweeps_no_original<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(1000, 6);
    let digest = put(store, &bytes).await;
    let swept = store.sweep(DateTime::<Utc>::MAX_UTC).await.expect("swept");
    assert_eq!(swept, 0, "nothing was cut off");
    assert_eq!(read(store, &digest).await, Some(bytes));
}

/// Length and digest are those of the bytes; a missing original has none.
pub async fn measures_what_is_there(store: &dyn OriginalStore) {
    for len in [0, 1, 2_000_001] {
        let bytes = content(len, 7);
        let digest = put(store, &bytes).await;
        let len = len as u64;
        assert_eq!(store.length(&digest).await.expect("asked"), Some(len));
        let found = store.fingerprint(&digest).await.expect("read");
        assert_eq!(found, Some(Fingerprint { len, digest }));
    }
    let digest = ContentDigest::of(b"never put");
    assert_eq!(store.length(&digest).await.expect("asked"), None);
    assert_eq!(store.fingerprint(&digest).await.expect("asked"), None);
}
