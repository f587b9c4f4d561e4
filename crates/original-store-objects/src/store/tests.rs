//! Tests of the bucket implementation, in memory.

use domain_testing::contract;
use object_store::memory::InMemory;

use super::*;

mod late;

fn bucket() -> Originals {
    let objects = Arc::new(InMemory::new());
    Originals {
        once: objects.clone(),
        objects,
        folder: None,
    }
}

#[tokio::test]
async fn a_bucket_in_memory_keeps_the_contract() {
    contract::original_store::suite(async || Arc::new(bucket())).await;
}

#[tokio::test]
async fn list_of_a_bucket_reports_foreign_objects_only() {
    let store = bucket();
    let (kept, moved) = (ContentDigest::of(b"kept"), ContentDigest::of(b"moved"));
    store
        .put(&kept, "kept".into(), PutMode::KeepExisting)
        .await
        .unwrap();
    store
        .put(&moved, "moved".into(), PutMode::KeepExisting)
        .await
        .unwrap();
    let (fence, fate) = (Fence::random(), Fate::Quarantine);
    let aside = store.set_aside(&moved, fence, fate).await.unwrap();
    store.register(&DatabaseId::random()).await.unwrap();
    store.finish(&aside.unwrap()).await.unwrap();
    let away = Path::from(format!("quarantine/{moved}"));
    let found = store.objects.get(&away).await.unwrap();
    assert_eq!(found.bytes().await.unwrap(), "moved");
    let misplaced = format!("ab/cd/{kept}");
    for name in ["notes.txt", "quarantined/notes.txt", &misplaced] {
        let name = Path::from(name);
        store.objects.put(&name, "x".into()).await.unwrap();
    }
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    let mut names: Vec<_> = listed
        .into_iter()
        .map(|object| match object {
            StoredObject::Original(original) => original.digest.to_string(),
            StoredObject::Foreign(name) => name,
        })
        .collect();
    names.sort();
    let mut expected = [
        kept.to_string(),
        misplaced,
        "notes.txt".to_owned(),
        "quarantined/notes.txt".to_owned(),
    ];
    expected.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_bucket_in_memory_keeps_renditions() {
    contract::rendition_store::suite(async || Arc::new(bucket())).await;
}

#[tokio::test]
async fn renditions_in_a_bucket_go_with_their_original_and_are_not_listed() {
    let store = bucket();
    let digest = ContentDigest::of(b"x");
    let key = domain::RenditionKey {
        digest,
        size: domain::RenditionSize::default(),
    };
    store
        .put(&digest, "x".into(), PutMode::KeepExisting)
        .await
        .unwrap();
    domain::ports::RenditionStore::put(&store, &key, "small".into())
        .await
        .unwrap();
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "the original alone");
    let (fence, fate) = (Fence::random(), Fate::Removal);
    let aside = store.set_aside(&digest, fence, fate).await.unwrap();
    store.finish(&aside.unwrap()).await.unwrap();
    assert_eq!(
        domain::ports::RenditionStore::get(&store, &key)
            .await
            .unwrap(),
        None
    );
}
