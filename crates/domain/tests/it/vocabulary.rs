//! The vocabulary as several servers share it.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    ConflictKind, LabelNames, NameTable, VocabularyEntry,
    ports::{ImageStoreError, MockVocabularyStore, StoredVocabulary, cause},
    service::{SharedVocabulary, VocabularyError},
};
use domain_testing::{FakeDatabase, TestClock, label};

fn entry(tag: &str, aliases: &[&str]) -> VocabularyEntry {
    VocabularyEntry {
        aliases: aliases.iter().map(|text| label(text)).collect(),
        ..VocabularyEntry::new(label(tag))
    }
}

/// A server on a store, with a Spanish name for dogs.
fn server(store: &Arc<FakeDatabase>, clock: &Arc<TestClock>) -> SharedVocabulary {
    let names = NameTable::parse("dog\tperro\n").unwrap();
    let names = LabelNames::default().with("es", names).unwrap();
    SharedVocabulary::new(store.clone(), clock.clone(), names, false)
}

/// What a label is under the vocabulary in use.
async fn tag_of(server: &SharedVocabulary, text: &str) -> String {
    let known = server.current().await.unwrap();
    known.vocabulary.tag_of(&label(text)).to_string()
}

#[tokio::test]
async fn a_change_counts_at_once_here_and_after_a_second_elsewhere() {
    let (store, clock) = (Arc::default(), Arc::default());
    let (one, other) = (server(&store, &clock), server(&store, &clock));
    assert_eq!(tag_of(&other, "couch").await, "couch");
    assert!(one.put(entry("sofa", &["couch"])).await.unwrap());
    assert_eq!(tag_of(&one, "couch").await, "sofa");
    assert_eq!(tag_of(&other, "couch").await, "couch");
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(tag_of(&other, "couch").await, "sofa");
    one.remove(&label("sofa")).await.unwrap();
    let known = other.read().await.unwrap();
    assert!(known.vocabulary.is_empty(), "whoever reads sees all");
    assert!(other.current().await.unwrap().vocabulary.is_empty());
}

/// A change is judged by what other servers made before, though this one has not seen it.
#[tokio::test]
async fn servers_do_not_make_conflicts_together() {
    let (store, clock) = (Arc::default(), Arc::default());
    let (one, other) = (server(&store, &clock), server(&store, &clock));
    other.current().await.unwrap();
    one.put(entry("sofa", &["couch"])).await.unwrap();
    let error = other.put(entry("bench", &["couch"])).await.unwrap_err();
    assert!(
        matches!(&error, VocabularyError::Conflict(conflict)
            if matches!(conflict.kind, ConflictKind::AliasOfAnother { .. })),
        "{error:?}"
    );
    assert!(!other.put(entry("SOFA", &["settee"])).await.unwrap());
    assert_eq!(tag_of(&other, "settee").await, "sofa");
}

#[tokio::test]
async fn a_change_is_judged_again_if_another_one_comes_first() {
    let mut store = MockVocabularyStore::new();
    let mut versions = [4, 4, 5].into_iter();
    let read = move || Ok(versions.next().unwrap_or(5));
    store.expect_vocabulary_version().returning(read);
    let mut read = 3;
    store.expect_vocabulary().times(2).returning(move || {
        read += 1;
        let entries = vec![entry(&format!("tag {read}"), &[])];
        let version = read;
        Ok(StoredVocabulary { version, entries })
    });
    let change = store.expect_change_vocabulary().times(2);
    change.returning(|_, version| Ok((version == 5).then_some(6)));
    let (clock, names) = (Arc::<TestClock>::default(), LabelNames::default());
    let server = SharedVocabulary::new(Arc::new(store), clock, names, false);
    server.current().await.unwrap();
    assert!(server.put(entry("sofa", &[])).await.unwrap());
    let known = server.current().await.unwrap();
    let tags: Vec<&str> = known
        .vocabulary
        .after(None)
        .map(|entry| entry.tag.as_str())
        .collect();
    assert_eq!(tags, ["sofa", "tag 5"]);
}

#[tokio::test]
async fn what_was_read_last_is_used_while_the_store_does_not_answer() {
    let mut store = MockVocabularyStore::new();
    let mut answers = 0;
    store.expect_vocabulary_version().returning(move || {
        answers += 1;
        match answers {
            2 => Ok(0),
            _ => Err(ImageStoreError::Unavailable(cause("down"))),
        }
    });
    store
        .expect_vocabulary()
        .returning(|| Ok(StoredVocabulary::default()));
    let clock = Arc::<TestClock>::default();
    let names = NameTable::parse("dog\tperro\n").unwrap();
    let names = LabelNames::default().with("es", names).unwrap();
    let server = SharedVocabulary::new(Arc::new(store), clock.clone(), names, false);
    assert!(server.current().await.is_err(), "nothing was read yet");
    assert!(server.names().await.shown_in("es").is_some());
    clock.advance(TimeDelta::seconds(1));
    assert!(server.current().await.is_ok());
    assert!(server.read().await.is_err());
}

#[tokio::test]
async fn an_entry_moves_with_what_it_says() {
    let (store, clock) = (Arc::default(), Arc::default());
    let server = server(&store, &clock);
    let sofa = VocabularyEntry {
        is_blocked: true,
        names: [("es".to_owned(), label("sofá"))].into(),
        ..entry("sofa", &["couch", "settee"])
    };
    server.put(sofa.clone()).await.unwrap();
    server.put(entry("lamp", &["light"])).await.unwrap();
    let moved = server
        .rename(&label("SOFA"), &label("Couch"))
        .await
        .unwrap();
    let expected = VocabularyEntry {
        aliases: [label("sofa"), label("settee")].into(),
        tag: label("couch"),
        ..sofa
    };
    assert_eq!(moved, expected);
    for (old, new) in [("couch", "lamp"), ("couch", "light")] {
        let error = server.rename(&label(old), &label(new)).await.unwrap_err();
        assert!(matches!(error, VocabularyError::Conflict(_)), "{error:?}");
    }
    let error = server
        .rename(&label("sofa"), &label("x"))
        .await
        .unwrap_err();
    assert!(matches!(error, VocabularyError::NotFound(_)), "{error:?}");
    // Another spelling of the same tag.
    let same = server
        .rename(&label("couch"), &label("COUCH"))
        .await
        .unwrap();
    assert_eq!(same, expected);
}

#[tokio::test]
async fn entries_are_imported_together_or_not_at_all() {
    let (store, clock) = (Arc::default(), Arc::default());
    let server = server(&store, &clock);
    server.put(entry("sofa", &["couch"])).await.unwrap();
    let conflicting = [entry("lamp", &[]), entry("bench", &["couch"])];
    assert!(server.import(&conflicting).await.is_err());
    assert_eq!(server.read().await.unwrap().vocabulary.len(), 1);
    let fitting = [entry("sofa", &[]), entry("bench", &["couch"])];
    server.import(&fitting).await.unwrap();
    assert_eq!(tag_of(&server, "couch").await, "bench");
}
