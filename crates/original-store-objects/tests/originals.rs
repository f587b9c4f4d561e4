//! The contract of the port on a folder and on S3, and failures specific to folders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may fail loudly"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::{
    ContentDigest, DatabaseId, Fence, RenditionKey, RenditionSize, UploadId,
    ports::{
        DatabaseRegistry, Fate, Fingerprint, OriginalRemoval, OriginalStore, OriginalStoreError,
        PutMode, StoredObject,
    },
};
use domain_testing::{at, contract};
use futures_util::TryStreamExt;
use original_store_objects::{Originals, open, open_existing};
use tempfile::TempDir;

fn folder(path: &Path) -> Arc<Originals> {
    open(&format!("file:{}", path.display()).parse().unwrap()).unwrap()
}

async fn read(store: &dyn OriginalStore, digest: &ContentDigest) -> Option<Vec<u8>> {
    let content = store.get(digest, None).await.unwrap()?;
    let pieces: Vec<Bytes> = content.stream.try_collect().await.unwrap();
    Some(pieces.concat())
}

/// Sets an original aside and finishes it. Whether it existed.
async fn take_away(store: &Originals, digest: &ContentDigest, fate: Fate) -> bool {
    let aside = store.set_aside(digest, Fence::random(), fate).await;
    match aside.unwrap() {
        Some(aside) => store.finish(&aside).await.map(|()| true).unwrap(),
        None => false,
    }
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

#[tokio::test]
async fn a_folder_keeps_renditions() {
    let root = TempDir::new().unwrap();
    contract::rendition_store::suite(async || {
        let empty = root.path().join(uuid::Uuid::new_v4().to_string());
        folder(&empty)
    })
    .await;
}

#[tokio::test]
async fn a_folder_keeps_uploads() {
    let root = TempDir::new().unwrap();
    contract::upload_store::suite(async || {
        let empty = root.path().join(uuid::Uuid::new_v4().to_string());
        folder(&empty)
    })
    .await;
}

/// A server that was killed while it put an upload leaves a part of it beside it.
#[tokio::test]
async fn halves_of_uploads_are_swept_and_nothing_else() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let now = at(10_000);
    let alive = now - TimeDelta::hours(1)..now + TimeDelta::hours(1);
    let (old, new) = (UploadId::new(now - TimeDelta::hours(2)), UploadId::new(now));
    let put = domain::ports::UploadStore::put(&*store, &new, "whole".into()).await;
    put.unwrap();
    let uploads = root.path().join(".etiqueta-uploads");
    for name in [format!("{old}#1"), format!("{new}#2"), "notes".to_owned()] {
        fs::write(uploads.join(name), b"half").unwrap();
    }
    let swept = domain::ports::UploadStore::sweep(&*store, alive)
        .await
        .unwrap();
    assert_eq!(swept.removed, 1);
    assert_eq!(fs::read_dir(&uploads).unwrap().count(), 3);
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn uploads_are_not_made_where_the_folder_is_gone() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    fs::remove_file(root.path().join(".etiqueta-originals")).unwrap();
    let id = UploadId::new(at(0));
    assert!(
        domain::ports::UploadStore::put(&*store, &id, "x".into())
            .await
            .is_err()
    );
    assert!(domain::ports::UploadStore::get(&*store, &id).await.is_err());
    assert!(!root.path().join(".etiqueta-uploads").exists());
}

#[tokio::test]
async fn renditions_in_a_folder_go_with_their_original_and_are_not_listed() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    let size = RenditionSize::default();
    let key = RenditionKey { digest, size };
    store
        .put(&digest, "x".into(), PutMode::KeepExisting)
        .await
        .unwrap();
    domain::ports::RenditionStore::put(&*store, &key, "small".into())
        .await
        .unwrap();
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "the original alone");
    assert!(take_away(&store, &digest, Fate::Removal).await);
    assert_eq!(
        domain::ports::RenditionStore::get(&*store, &key)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    let url = std::env::var("ETIQUETA_TEST_S3_URL")
        .expect("ETIQUETA_TEST_S3_URL names a bucket, AWS_* its server; scripts/test starts one");
    let empty = async || {
        let empty = format!("{}/{}", url.trim_end_matches('/'), uuid::Uuid::new_v4());
        open(&empty.parse().unwrap()).unwrap()
    };
    contract::original_store::suite(&empty).await;
    contract::rendition_store::suite(&empty).await;
    contract::upload_store::suite(&empty).await;
}

#[tokio::test]
async fn truncated_original_is_put_again() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let (bytes, digest) = (Bytes::from_static(b"whole"), ContentDigest::of(b"whole"));
    store
        .put(&digest, bytes.clone(), PutMode::KeepExisting)
        .await
        .unwrap();
    let file = place(root.path(), &digest);
    fs::write(&file, b"who").unwrap();
    store
        .put(&digest, bytes, PutMode::KeepExisting)
        .await
        .unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"whole");
}

/// The names in the list; for originals their digests.
async fn listed(store: &dyn OriginalStore) -> Vec<String> {
    let objects: Vec<_> = store.list().try_collect().await.unwrap();
    let name = |object: &StoredObject| match object {
        StoredObject::Original(original) => format!("{} {}", original.digest, original.len),
        StoredObject::Foreign(name) => name.clone(),
    };
    let mut names: Vec<_> = objects.iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn list_reports_foreign_files_but_not_its_own() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let (ours, stray) = (ContentDigest::of(b"ours"), ContentDigest::of(b"stray"));
    store
        .put(&ours, Bytes::from_static(b"ours"), PutMode::KeepExisting)
        .await
        .unwrap();
    let leaf = place(root.path(), &ours);
    let leaf = leaf.parent().unwrap();
    let write = |name: &Path| fs::write(root.path().join(name), b"x").unwrap();
    // Hidden files, remains of puts, file system folders and the quarantine.
    write(Path::new(".gitignore"));
    write(&leaf.join(format!("{ours}#1")));
    fs::create_dir(root.path().join("lost+found")).unwrap();
    store
        .put(&stray, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    assert!(take_away(&store, &stray, Fate::Quarantine).await);
    store.register(&DatabaseId::random()).await.unwrap();
    let expected = [format!("{ours} 4")];
    assert_eq!(listed(&*store).await, expected);

    write(Path::new("holiday.jpg"));
    write(Path::new(&stray.to_string()));
    write(&leaf.join("notes"));
    write(&leaf.join(stray.to_string()));
    fs::create_dir_all(root.path().join("more/of/it")).unwrap();
    let shown = |name: &str| {
        let path = leaf.strip_prefix(root.path()).unwrap().join(name);
        path.to_str().unwrap().to_owned()
    };
    let mut expected = [
        format!("{ours} 4"),
        "holiday.jpg".to_owned(),
        stray.to_string(),
        shown("notes"),
        shown(&stray.to_string()),
        "more".to_owned(),
    ];
    expected.sort();
    assert_eq!(listed(&*store).await, expected);
}

#[tokio::test]
async fn damaged_original_has_its_actual_fingerprint() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"whole");
    store
        .put(&digest, Bytes::from_static(b"whole"), PutMode::KeepExisting)
        .await
        .unwrap();
    fs::write(place(root.path(), &digest), b"who").unwrap();
    assert_eq!(store.length(&digest).await.unwrap(), Some(3));
    let expected = Fingerprint {
        len: 3,
        digest: ContentDigest::of(b"who"),
    };
    let found = store.fingerprint(&digest).await.unwrap();
    assert_eq!(found, Some(expected));
}

#[tokio::test]
async fn an_original_is_quarantined_under_its_digest() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    let away = root.path().join("quarantine").join(digest.to_string());
    for _ in 0..2 {
        store
            .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
            .await
            .unwrap();
        assert!(take_away(&store, &digest, Fate::Quarantine).await);
        assert_eq!(fs::read(&away).unwrap(), b"x");
        assert!(!place(root.path(), &digest).exists());
    }
    // A second start leaves it there.
    let again = folder(root.path());
    assert_eq!(
        again.sweep(chrono::DateTime::<Utc>::MAX_UTC).await.unwrap(),
        0
    );
    assert!(away.exists());
}

#[tokio::test]
async fn a_store_that_must_be_there_is_not_made() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("Images");
    let url = format!("file:{}", path.display()).parse().unwrap();
    assert!(open_existing(&url).is_err());
    assert!(!path.exists());
    let digest = ContentDigest::of(b"x");
    let bytes = Bytes::from_static(b"x");
    folder(&path)
        .put(&digest, bytes, PutMode::KeepExisting)
        .await
        .unwrap();
    let store = open_existing(&url).unwrap();
    assert_eq!(read(&*store, &digest).await, Some(b"x".to_vec()));
    fs::remove_file(path.join(".etiqueta-originals")).unwrap();
    assert_unavailable(&store, &ContentDigest::of(b"y")).await;
    let Err(refused) = open_existing(&url) else {
        panic!("it has no mark");
    };
    assert!(refused.to_string().contains("is the disk mounted"));
}

/// Asserts that every call reports the store as unavailable, and no more to a client.
async fn assert_unavailable(store: &Originals, digest: &ContentDigest) {
    let refusals = [
        store
            .put(digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
            .await
            .err(),
        store.get(digest, None).await.err(),
        store
            .set_aside(digest, Fence::random(), Fate::Removal)
            .await
            .err(),
        store
            .list_set_aside(chrono::DateTime::<Utc>::MAX_UTC)
            .await
            .err(),
        store.register(&DatabaseId::random()).await.err(),
        store.databases().await.err(),
        store.length(digest).await.err(),
        store.fingerprint(digest).await.err(),
        store.list().try_collect::<Vec<_>>().await.err(),
        store.sweep(chrono::DateTime::<Utc>::MAX_UTC).await.err(),
        store.ready().await.err(),
    ];
    for (call, refusal) in refusals.into_iter().enumerate() {
        let Some(OriginalStoreError::Unavailable(_)) = &refusal else {
            panic!("call {call}: {refusal:?}");
        };
        assert!(!refusal.unwrap().to_string().contains("Images"));
    }
}

#[tokio::test]
async fn missing_folder_is_not_taken_for_an_empty_one() {
    let root = TempDir::new().unwrap();
    let (path, away) = (root.path().join("Images"), root.path().join("away"));
    let store = folder(&path);
    let digest = ContentDigest::of(b"x");
    store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    fs::rename(&path, &away).unwrap();
    assert_unavailable(&store, &digest).await;
    assert!(!path.exists(), "no other folder is made in its place");
    // An empty mount point, and a file in its place.
    fs::create_dir(&path).unwrap();
    assert_unavailable(&store, &digest).await;
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    fs::remove_dir(&path).unwrap();
    fs::write(&path, b"a file").unwrap();
    assert_unavailable(&store, &digest).await;
    fs::remove_file(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    assert_eq!(read(&*store, &digest).await, Some(b"x".to_vec()));
    store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    store.ready().await.unwrap();
}

#[tokio::test]
async fn folder_removed_during_a_list_is_an_error() {
    let root = TempDir::new().unwrap();
    let (path, away) = (root.path().join("Images"), root.path().join("away"));
    let store = folder(&path);
    for content in ["a", "b"] {
        let digest = ContentDigest::of(content.as_bytes());
        store
            .put(&digest, Bytes::from(content), PutMode::KeepExisting)
            .await
            .unwrap();
    }
    let mut listed = store.list();
    assert!(listed.try_next().await.unwrap().is_some());
    fs::rename(&path, &away).unwrap();
    assert!(listed.try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn folders_that_were_taken_away_are_made_again() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    fs::remove_dir_all(root.path().join(&digest.to_string()[..2])).unwrap();
    assert_eq!(read(&*store, &digest).await, None);
    assert!(!take_away(&store, &digest, Fate::Removal).await);
    store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    assert_eq!(read(&*store, &digest).await, Some(b"x".to_vec()));
}

/// The path of an original.
fn place(root: &Path, digest: &ContentDigest) -> PathBuf {
    let name = digest.to_string();
    root.join(&name[..2]).join(&name[2..4]).join(&name)
}

/// Everything in the directory of an original.
fn beside(root: &Path, digest: &ContentDigest) -> Vec<PathBuf> {
    let folder = place(root, digest);
    let entries = fs::read_dir(folder.parent().unwrap()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_put_that_fails_at_its_end_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    let blocked = place(root.path(), &digest);
    fs::create_dir_all(blocked.join("in the way")).unwrap();
    let refused = store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await;
    assert!(matches!(refused, Err(OriginalStoreError::Unavailable(_))));
    assert_eq!(beside(root.path(), &digest), [blocked]);
}

/// A file size limit stands in for a disk that fills up: either cuts off a write. It applies to a whole
/// process, hence the second one.
#[tokio::test]
async fn a_disk_that_fills_up_leaves_nothing_of_a_put() {
    const FOLDER: &str = "ETIQUETA_TEST_FULL";
    const BYTES: usize = 4 << 20;
    if let Ok(path) = std::env::var(FOLDER) {
        let (store, bytes) = (folder(Path::new(&path)), Bytes::from(vec![7; BYTES]));
        let digest = ContentDigest::of(&bytes);
        let refused = store.put(&digest, bytes, PutMode::KeepExisting).await;
        assert!(matches!(refused, Err(OriginalStoreError::Unavailable(_))));
        assert_eq!(read(&*store, &digest).await, None);
        let small = ContentDigest::of(b"x");
        store
            .put(&small, Bytes::from_static(b"x"), PutMode::KeepExisting)
            .await
            .unwrap();
        assert_eq!(read(&*store, &small).await, Some(b"x".to_vec()));
        println!("did not fit");
        return;
    }
    let root = TempDir::new().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 1024; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("a_disk_that_fills_up_leaves_nothing_of_a_put")
        .env(FOLDER, root.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("did not fit"), "{output:?}");
    let digest = ContentDigest::of(&vec![7; BYTES]);
    assert!(beside(root.path(), &digest).is_empty());
    assert_eq!(beside(root.path(), &ContentDigest::of(b"x")).len(), 1);
}

#[tokio::test]
async fn old_remains_are_swept() {
    let root = TempDir::new().unwrap();
    let store = folder(root.path());
    let digest = ContentDigest::of(b"x");
    store
        .put(&digest, Bytes::from_static(b"x"), PutMode::KeepExisting)
        .await
        .unwrap();
    let mut remains = place(root.path(), &digest).into_os_string();
    remains.push("#1");
    let remains = PathBuf::from(remains);
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
