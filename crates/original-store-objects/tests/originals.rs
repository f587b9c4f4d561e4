//! The contract of the port on a folder and on S3, and what a folder must withstand besides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may fail loudly"
)]

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::{
    ContentDigest,
    ports::{OriginalStore, OriginalStoreError},
    testing::contract,
};
use futures_util::TryStreamExt;
use original_store_objects::open;
use tempfile::TempDir;

fn folder(path: &Path) -> Arc<dyn OriginalStore> {
    open(&format!("file:{}", path.display()).parse().unwrap()).unwrap()
}

async fn read(store: &dyn OriginalStore, digest: &ContentDigest) -> Option<Vec<u8>> {
    let content = store.get(digest).await.unwrap()?;
    let pieces: Vec<Bytes> = content.stream.try_collect().await.unwrap();
    Some(pieces.concat())
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let root = TempDir::new().unwrap();
    contract::original_store::suite(async || {
        let empty = root.path().join(uuid::Uuid::new_v4().to_string());
        folder(&empty)
    })
    .await;
}

/// Needs an S3 server: `ETIQUETA_TEST_S3_URL` (`s3://bucket/prefix`) and the `AWS_*` variables say where.
#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    let Ok(url) = std::env::var("ETIQUETA_TEST_S3_URL") else {
        eprintln!("not run: ETIQUETA_TEST_S3_URL names no bucket");
        return;
    };
    contract::original_store::suite(async || {
        let empty = format!("{}/{}", url.trim_end_matches('/'), uuid::Uuid::new_v4());
        open(&empty.parse().unwrap()).unwrap()
    })
    .await;
}

#[tokio::test]
async fn an_original_that_was_cut_short_is_put_anew() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let (bytes, digest) = (Bytes::from_static(b"whole"), ContentDigest::of(b"whole"));
    store.put(&digest, bytes.clone()).await.unwrap();
    let name = digest.to_string();
    let file = root.path().join(&name[..2]).join(&name[2..4]).join(&name);
    fs::write(&file, b"who").unwrap();
    store.put(&digest, bytes).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"whole");
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join(".gitignore"), b"*").unwrap();
    fs::write(root.path().join("holiday.jpg"), b"x").unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"ours");
    fs::write(
        root.path().join(digest.to_string()),
        b"ours, but not in its place",
    )
    .unwrap();
    store
        .put(&digest, Bytes::from_static(b"ours"))
        .await
        .unwrap();
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].digest, listed[0].len), (digest, 4));
}

#[tokio::test]
async fn a_folder_that_vanishes_comes_back() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("Images");
    let store = folder(&path);
    fs::remove_dir_all(&path).unwrap();
    let digest = ContentDigest::of(b"x");
    assert_eq!(read(&*store, &digest).await, None);
    store.put(&digest, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(read(&*store, &digest).await, Some(b"x".to_vec()));
    fs::remove_dir_all(&path).unwrap();
    store.ready().await.unwrap();
    assert!(path.is_dir());
}

#[tokio::test]
async fn a_place_that_is_no_folder_is_not_available() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("Images");
    let store = folder(&path);
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, b"a file").unwrap();
    let digest = ContentDigest::of(b"x");
    let refused = store
        .put(&digest, Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert!(matches!(refused, OriginalStoreError::Unavailable(_)));
    assert!(
        !refused.to_string().contains("Images"),
        "no path for clients: {refused}"
    );
    assert!(store.ready().await.is_err());
    fs::remove_file(&path).unwrap();
    store.put(&digest, Bytes::from_static(b"x")).await.unwrap();
}

#[tokio::test]
async fn what_was_cut_off_is_swept_when_it_is_old() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    store.put(&digest, Bytes::from_static(b"x")).await.unwrap();
    let name = digest.to_string();
    let remains = root
        .path()
        .join(&name[..2])
        .join(&name[2..4])
        .join(format!("{name}#1"));
    fs::write(&remains, b"half").unwrap();
    let now: chrono::DateTime<Utc> = std::time::SystemTime::now().into();
    assert_eq!(store.sweep(now - TimeDelta::hours(1)).await.unwrap(), 0);
    assert_eq!(store.sweep(now + TimeDelta::hours(1)).await.unwrap(), 1);
    assert!(!remains.exists());
    assert_eq!(read(&*store, &digest).await, Some(b"x".to_vec()));
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_with_its_name() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, b"x").unwrap();
    let url = format!("file:{}", file.join("Images").display())
        .parse()
        .unwrap();
    let Err(refused) = open(&url) else {
        panic!("a file is no folder")
    };
    assert!(refused.to_string().contains("Images"), "{refused}");
}
