//! The contract of [`RenditionStore`].

use std::sync::Arc;

use bytes::Bytes;
use domain::{ContentDigest, RenditionKey, RenditionSize, ports::RenditionStore};

/// The whole suite; `empty` makes a new, empty store for each part of it.
pub async fn suite<S: RenditionStore>(empty: impl AsyncFn() -> Arc<S>) {
    gives_back_what_was_put(&*empty().await).await;
    replaces_what_is_there(&*empty().await).await;
    removes_those_of_one_original(&*empty().await).await;
    prunes_to_the_limit(&*empty().await).await;
}

fn key(content: &[u8], size: RenditionSize) -> RenditionKey {
    RenditionKey {
        digest: ContentDigest::of(content),
        size,
    }
}

fn bytes(len: usize, seed: u8) -> Bytes {
    vec![seed; len].into()
}

/// Renditions of any size come back byte for byte; what was not put is not there.
async fn gives_back_what_was_put(store: &dyn RenditionStore) {
    for (seed, size) in (1..).zip(RenditionSize::ALL) {
        let key = key(b"a", size);
        assert_eq!(store.get(&key).await.expect("asked"), None);
        let bytes = bytes(100_000 * usize::from(seed), seed);
        store.put(&key, bytes.clone()).await.expect("kept");
        assert_eq!(store.get(&key).await.expect("asked"), Some(bytes));
    }
}

/// The last put counts.
async fn replaces_what_is_there(store: &dyn RenditionStore) {
    let key = key(b"a", RenditionSize::default());
    for seed in [1, 2] {
        store.put(&key, bytes(10, seed)).await.expect("kept");
    }
    assert_eq!(store.get(&key).await.expect("asked"), Some(bytes(10, 2)));
    assert_eq!(store.prune(u64::MAX).await.expect("measured"), 10);
}

/// All sizes of one original go, and no other's; where there are none nothing happens.
async fn removes_those_of_one_original(store: &dyn RenditionStore) {
    let other = key(b"b", RenditionSize::default());
    store.put(&other, bytes(1, 1)).await.expect("kept");
    for size in RenditionSize::ALL {
        store
            .put(&key(b"a", size), bytes(1, 1))
            .await
            .expect("kept");
    }
    for _ in 0..2 {
        let removed = store.remove(&ContentDigest::of(b"a")).await;
        removed.expect("removed");
    }
    assert_eq!(store.prune(u64::MAX).await.expect("measured"), 1);
    assert!(store.get(&other).await.expect("asked").is_some());
}

/// At most as many bytes stay as the limit says, and only as few go as must.
async fn prunes_to_the_limit(store: &dyn RenditionStore) {
    assert_eq!(store.prune(0).await.expect("measured"), 0);
    for size in RenditionSize::ALL {
        store
            .put(&key(b"a", size), bytes(10, 1))
            .await
            .expect("kept");
    }
    assert_eq!(store.prune(50).await.expect("measured"), 50);
    assert_eq!(store.prune(29).await.expect("pruned"), 20);
    let mut left = 0;
    for size in RenditionSize::ALL {
        let found = store.get(&key(b"a", size)).await.expect("asked");
        left += usize::from(found.is_some());
    }
    assert_eq!(left, 2);
    assert_eq!(store.prune(0).await.expect("pruned"), 0);
}
