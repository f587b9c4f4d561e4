//! The contract of [`UploadStore`].

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    UploadId,
    ports::{KeptUploads, UploadStore},
};
use futures_util::TryStreamExt;

use crate::at;

/// The whole suite; `empty` makes a new, empty store for each part of it.
pub async fn suite<S: UploadStore>(empty: impl AsyncFn() -> Arc<S>) {
    gives_back_what_was_put(&*empty().await).await;
    removes_one(&*empty().await).await;
    sweeps_what_is_not_alive(&*empty().await).await;
}

fn all() -> Range<DateTime<Utc>> {
    at(0)..at(1_000_000)
}

async fn read(store: &dyn UploadStore, id: &UploadId) -> Option<Bytes> {
    let content = store.get(id).await.expect("asked")?;
    let pieces: Vec<Bytes> = content.stream.try_collect().await.expect("read");
    let bytes = Bytes::from(pieces.concat());
    assert_eq!(content.len, bytes.len() as u64);
    Some(bytes)
}

/// Uploads of any size come back byte for byte; what was not put is not there.
async fn gives_back_what_was_put(store: &dyn UploadStore) {
    let ids = [1, 2, 3].map(|second| UploadId::new(at(second)));
    for (id, len) in ids.iter().zip([1, 1000, 500_000]) {
        assert_eq!(read(store, id).await, None);
        let bytes = Bytes::from(vec![7; len]);
        store.put(id, bytes.clone()).await.expect("kept");
        assert_eq!(read(store, id).await, Some(bytes));
    }
    let kept = store.sweep(all()).await.expect("counted");
    let expected = KeptUploads {
        count: 3,
        bytes: 501_001,
        removed: 0,
    };
    assert_eq!(kept, expected);
}

/// One goes, once, and no other.
async fn removes_one(store: &dyn UploadStore) {
    let [one, other] = [1, 2].map(|second| UploadId::new(at(second)));
    for id in [&one, &other] {
        store.put(id, Bytes::from_static(b"x")).await.expect("kept");
    }
    assert!(store.remove(&one).await.expect("removed"));
    assert!(!store.remove(&one).await.expect("asked"));
    assert_eq!(read(store, &one).await, None);
    assert!(read(store, &other).await.is_some());
    assert_eq!(store.sweep(all()).await.expect("counted").count, 1);
}

/// What was made before the span or after it goes; its ends are half open.
async fn sweeps_what_is_not_alive(store: &dyn UploadStore) {
    assert_eq!(
        store.sweep(all()).await.expect("swept"),
        KeptUploads::default()
    );
    let ids = [9, 10, 11, 19, 20, 500_000].map(|second| UploadId::new(at(second)));
    for id in &ids {
        store
            .put(id, Bytes::from_static(b"xy"))
            .await
            .expect("kept");
    }
    let alive = at(10)..at(10) + TimeDelta::seconds(10);
    let swept = store.sweep(alive.clone()).await.expect("swept");
    let expected = KeptUploads {
        count: 3,
        bytes: 6,
        removed: 3,
    };
    assert_eq!(swept, expected);
    let mut left = Vec::new();
    for id in &ids {
        left.push(read(store, id).await.is_some());
    }
    assert_eq!(left, [false, true, true, true, false, false]);
    assert_eq!(store.sweep(alive).await.expect("swept").removed, 0);
}
