//! Helpers shared by the suites of originals.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{
    ContentDigest, Fence,
    ports::{
        Fate, OriginalContent, OriginalRemoval, OriginalStore, OriginalStoreError, PutMode,
        StoredObject,
    },
};
use futures_util::TryStreamExt;

/// Sets an original aside and finishes it. Whether it existed.
pub(super) async fn take_away(
    store: &dyn OriginalRemoval,
    digest: &ContentDigest,
    fate: Fate,
) -> bool {
    let aside = store.set_aside(digest, Fence::random(), fate).await;
    match aside.expect("set aside") {
        Some(aside) => store.finish(&aside).await.map(|()| true).expect("done"),
        None => false,
    }
}

pub(super) async fn put(store: &dyn OriginalStore, bytes: &Bytes) -> ContentDigest {
    let digest = ContentDigest::of(bytes);
    put_as(store, &digest, bytes, PutMode::KeepExisting).await;
    digest
}

pub(super) async fn put_as(
    store: &dyn OriginalStore,
    digest: &ContentDigest,
    bytes: &Bytes,
    mode: PutMode,
) {
    let put = store.put(digest, bytes.clone(), mode).await;
    put.expect("kept");
}

pub(super) async fn read(store: &dyn OriginalStore, digest: &ContentDigest) -> Option<Bytes> {
    let opened = store.get(digest, None).await.expect("the store answers")?;
    let len = opened.len;
    let bytes = collect(opened).await.expect("read to its end");
    assert_eq!(len, bytes.len() as u64, "as long as it said");
    Some(bytes)
}

pub(super) async fn collect(opened: OriginalContent) -> Result<Bytes, OriginalStoreError> {
    let pieces: Vec<Bytes> = opened.stream.try_collect().await?;
    Ok(pieces.concat().into())
}

pub(super) async fn listed(store: &dyn OriginalStore) -> BTreeMap<ContentDigest, u64> {
    let objects: Vec<_> = store.list().try_collect().await.expect("a list");
    let count = objects.len();
    let listed: BTreeMap<_, _> = objects
        .into_iter()
        .map(|object| match object {
            StoredObject::Original(original) => (original.digest, original.len),
            StoredObject::Foreign(name) => panic!("{name} is the store's own"),
        })
        .collect();
    assert_eq!(listed.len(), count, "each once");
    listed
}

/// Bytes of that length that differ from those of any other seed.
pub(super) fn content(len: usize, seed: usize) -> Bytes {
    let byte = |at: usize| ((at * 31 + seed * 7) >> 3).to_le_bytes()[0];
    let mut bytes: Vec<u8> = seed.to_le_bytes().into_iter().collect();
    bytes.extend((0..len).map(byte));
    bytes.truncate(len);
    bytes.into()
}
