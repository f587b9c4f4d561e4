//! The contract of [`OriginalRemoval`], beside that of its [`OriginalStore`].

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::originals::{content, listed, put, read, take_away};
use crate::at;
use domain::{
    ContentDigest, Fence,
    ports::{Fate, Fingerprint, OriginalRemoval, OriginalStore, SetAside},
};

/// Runs every rule, each on a new empty store.
pub(super) async fn run<S: OriginalStore + OriginalRemoval>(empty: &impl AsyncFn() -> Arc<S>) {
    finished_original_is_gone(&*empty().await).await;
    original_set_aside_is_still_read(&*empty().await).await;
    original_set_aside_is_put_back(&*empty().await).await;
    a_put_does_not_take_what_is_set_aside_for_there(&*empty().await).await;
    bytes_put_since_stay(&*empty().await).await;
    removals_of_one_original_are_independent(&*empty().await).await;
    missing_original_is_not_set_aside(&*empty().await).await;
}

async fn set_aside(store: &dyn OriginalRemoval, digest: &ContentDigest, fate: Fate) -> SetAside {
    let fence = Fence::random();
    let aside = store.set_aside(digest, fence, fate).await.expect("moved");
    let aside = aside.expect("it was there");
    assert_eq!(
        (aside.digest, aside.fence, aside.fate),
        (*digest, fence, fate)
    );
    assert!(aside.is_settled, "its removal knows that it is done");
    aside
}

/// What is set aside, by digest and fence.
async fn aside(store: &dyn OriginalRemoval) -> Vec<(ContentDigest, Fence, Fate)> {
    let all = store.list_set_aside(at(0)).await.expect("listed");
    all.iter().map(|o| (o.digest, o.fence, o.fate)).collect()
}

/// It is neither read, listed nor swept any more; it may be put again, and others stay.
async fn finished_original_is_gone<S: OriginalStore + OriginalRemoval>(store: &S) {
    let (one, two) = (content(1000, 3), content(2000, 4));
    let other = put(store, &two).await;
    for fate in [Fate::Removal, Fate::Quarantine] {
        for _ in 0..2 {
            let digest = put(store, &one).await;
            assert!(take_away(store, &digest, fate).await);
            assert!(!take_away(store, &digest, fate).await, "gone already");
            assert_eq!(read(store, &digest).await, None);
            assert_eq!(store.length(&digest).await.expect("asked"), None);
            assert_eq!(aside(store).await, []);
            assert_eq!(listed(store).await, BTreeMap::from([(other, 2000)]));
            let swept = store.sweep(DateTime::<Utc>::MAX_UTC).await.expect("swept");
            assert_eq!(swept, 0, "what is quarantined is not thrown away");
        }
    }
    assert_eq!(read(store, &other).await, Some(two));
}

/// An image recorded at the last moment has its bytes all the time.
async fn original_set_aside_is_still_read<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(100_000, 5);
    let digest = put(store, &bytes).await;
    let moved = set_aside(store, &digest, Fate::Removal).await;
    assert_eq!(aside(store).await, [(digest, moved.fence, moved.fate)]);
    assert_eq!(read(store, &digest).await, Some(bytes.clone()));
    let len = bytes.len() as u64;
    assert_eq!(store.length(&digest).await.expect("asked"), Some(len));
    let found = store.fingerprint(&digest).await.expect("read");
    assert_eq!(found, Some(Fingerprint { len, digest }));
    assert_eq!(listed(store).await, BTreeMap::new());
    assert_eq!(
        store.sweep(DateTime::<Utc>::MAX_UTC).await.expect("swept"),
        0
    );
    assert_eq!(read(store, &digest).await, Some(bytes));
}

async fn original_set_aside_is_put_back<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(1000, 6);
    let digest = put(store, &bytes).await;
    for fate in [Fate::Removal, Fate::Quarantine] {
        let moved = set_aside(store, &digest, fate).await;
        for _ in 0..2 {
            store.put_back(&moved).await.expect("put back");
            assert_eq!(aside(store).await, []);
            assert_eq!(listed(store).await, BTreeMap::from([(digest, 1000)]));
            assert_eq!(read(store, &digest).await, Some(bytes.clone()));
        }
        store.finish(&moved).await.expect("nothing is left to do");
        assert_eq!(read(store, &digest).await, Some(bytes.clone()));
    }
}

async fn a_put_does_not_take_what_is_set_aside_for_there<S: OriginalStore + OriginalRemoval>(
    store: &S,
) {
    let bytes = content(1000, 7);
    let digest = put(store, &bytes).await;
    let moved = set_aside(store, &digest, Fate::Removal).await;
    put(store, &bytes).await;
    store.finish(&moved).await.expect("removed");
    assert_eq!(listed(store).await, BTreeMap::from([(digest, 1000)]));
    assert_eq!(read(store, &digest).await, Some(bytes));
}

async fn bytes_put_since_stay<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(1000, 8);
    let digest = put(store, &bytes).await;
    let moved = set_aside(store, &digest, Fate::Removal).await;
    put(store, &bytes).await;
    store.put_back(&moved).await.expect("one is there");
    assert_eq!(aside(store).await, []);
    assert_eq!(read(store, &digest).await, Some(bytes));
}

/// A late one finishes only what it set aside itself.
async fn removals_of_one_original_are_independent<S: OriginalStore + OriginalRemoval>(store: &S) {
    let bytes = content(1000, 9);
    let digest = put(store, &bytes).await;
    let late = set_aside(store, &digest, Fate::Removal).await;
    put(store, &bytes).await;
    let other = set_aside(store, &digest, Fate::Quarantine).await;
    assert_eq!(aside(store).await.len(), 2);
    store.finish(&late).await.expect("removed");
    assert_eq!(aside(store).await, [(digest, other.fence, other.fate)]);
    store.put_back(&other).await.expect("put back");
    store.finish(&late).await.expect("done already");
    assert_eq!(read(store, &digest).await, Some(bytes));
}

async fn missing_original_is_not_set_aside<S: OriginalStore + OriginalRemoval>(store: &S) {
    let digest = ContentDigest::of(b"never put");
    let (fence, fate) = (Fence::random(), Fate::Removal);
    let moved = store.set_aside(&digest, fence, fate).await.expect("asked");
    assert_eq!(moved, None);
    let nothing = SetAside {
        digest,
        fence,
        fate,
        is_settled: true,
    };
    store.put_back(&nothing).await.expect("nothing to do");
    store.finish(&nothing).await.expect("nothing to do");
    assert_eq!(read(store, &digest).await, None);
    assert_eq!(aside(store).await, []);
}
