//! The vocabulary, and changes of images under it.

use std::sync::Arc;

use super::{register_with, unique};
use crate::{at, label, tag, tags};
use domain::{
    Confidence, ImageId, ImageInfo, Label, SourceKind, TagEdit, TaggerVersion, Threshold,
    Vocabulary, VocabularyChange, VocabularyEntry,
    ports::{Database, Revision, StoredVocabulary, TagChange, TagsChanged, VersionedTags},
};

chapter!(
    a_vocabulary_comes_back_as_it_was,
    entries_are_replaced_and_removed_by_their_folded_tags,
    words_move_between_entries,
    a_change_requires_the_version_it_was_judged_by,
    of_changes_at_once_one_is_made,
    a_large_vocabulary_comes_back,
    an_edit_brings_the_parents_of_its_tags,
    a_revision_replaces_what_the_provider_gave,
);

fn entry(tag: &str, aliases: &[&str]) -> VocabularyEntry {
    VocabularyEntry {
        aliases: aliases.iter().map(|text| label(text)).collect(),
        ..VocabularyEntry::new(label(tag))
    }
}

fn put(entries: &[VocabularyEntry]) -> VocabularyChange {
    VocabularyChange {
        put: entries.to_vec(),
        removed: Vec::new(),
    }
}

/// Makes a change of the latest version.
async fn change(store: &dyn Database, change: &VocabularyChange) {
    let version = store.vocabulary_version().await.unwrap();
    let changed = store.change_vocabulary(change, version).await.unwrap();
    assert_eq!(changed, Some(version + 1));
}

/// The entries by tag.
async fn entries(store: &dyn Database) -> Vec<VocabularyEntry> {
    let mut entries = store.vocabulary().await.unwrap().entries;
    entries.sort_by(|a, b| a.tag.cmp(&b.tag));
    entries
}

async fn a_vocabulary_comes_back_as_it_was(store: &dyn Database) {
    let nothing = StoredVocabulary::default();
    assert_eq!(store.vocabulary().await.unwrap(), nothing);
    assert_eq!(store.vocabulary_version().await.unwrap(), 0);
    let all = VocabularyEntry {
        tag: label(&"ΐ".repeat(255)),
        aliases: [label("o'brien \\ \"%_"), label("😀")].into(),
        parents: [label("furniture"), label("salt, pepper")].into(),
        threshold: Some(Threshold::new(Confidence::new(61.3).unwrap())),
        is_blocked: true,
        names: [
            ("es".to_owned(), label("sofá")),
            ("pt-br".to_owned(), label("sofá")),
        ]
        .into(),
    };
    let mut expected = vec![entry("sofa", &["couch", "cafe", "café"]), all];
    change(store, &put(&expected)).await;
    expected.sort_by(|a, b| a.tag.cmp(&b.tag));
    assert_eq!(entries(store).await, expected);
    assert_eq!(store.vocabulary().await.unwrap().version, 1);
}

async fn entries_are_replaced_and_removed_by_their_folded_tags(store: &dyn Database) {
    let first = [
        entry("straße", &["weg"]),
        entry("sofa", &["couch"]),
        entry("lamp", &[]),
    ];
    change(store, &put(&first)).await;
    let second = VocabularyChange {
        put: vec![entry("STRASSE", &[]), entry("weg", &[])],
        removed: vec![label("SOFA"), label("unknown")],
    };
    change(store, &second).await;
    let expected = [entry("lamp", &[]), entry("strasse", &[]), entry("weg", &[])];
    assert_eq!(entries(store).await, expected);
}

/// An alias becomes the tag, and goes from one entry to another, in one change.
async fn words_move_between_entries(store: &dyn Database) {
    let first = [entry("sofa", &["couch", "bank"]), entry("bench", &[])];
    change(store, &put(&first)).await;
    let moved = VocabularyChange {
        put: vec![entry("couch", &["sofa"]), entry("bench", &["bank"])],
        removed: vec![label("sofa")],
    };
    change(store, &moved).await;
    let expected = [entry("bench", &["bank"]), entry("couch", &["sofa"])];
    assert_eq!(entries(store).await, expected);
}

async fn a_change_requires_the_version_it_was_judged_by(store: &dyn Database) {
    change(store, &put(&[entry("sofa", &[])])).await;
    for version in [0, 2, u64::MAX] {
        let late = put(&[entry("lamp", &[])]);
        let changed = store.change_vocabulary(&late, version).await.unwrap();
        assert_eq!(changed, None);
    }
    assert_eq!(entries(store).await, [entry("sofa", &[])]);
    assert_eq!(store.vocabulary_version().await.unwrap(), 1);
}

async fn of_changes_at_once_one_is_made(store: &dyn Database) {
    let one = put(&[entry("sofa", &["couch"])]);
    let other = put(&[entry("bench", &["couch"])]);
    let [one, other] = [&one, &other].map(|change| store.change_vocabulary(change, 0));
    let (one, other) = futures_util::future::join(one, other).await;
    let mut made = [one.unwrap(), other.unwrap()];
    made.sort_unstable();
    assert_eq!(made, [None, Some(1)]);
    assert_eq!(entries(store).await.len(), 1);
}

async fn a_large_vocabulary_comes_back(store: &dyn Database) {
    let texts = |kind: &str, n: usize| format!("{kind}{n:04}");
    let many: Vec<VocabularyEntry> = (0..1500)
        .map(|n| entry(&texts("tag", n), &[&texts("alias", n)]))
        .collect();
    change(store, &put(&many)).await;
    change(store, &put(&many)).await;
    assert_eq!(entries(store).await, many);
    let none = VocabularyChange {
        put: Vec::new(),
        removed: many.into_iter().map(|entry| entry.tag).collect(),
    };
    change(store, &none).await;
    assert_eq!(entries(store).await, []);
}

fn furniture() -> Arc<Vocabulary> {
    let sofa = VocabularyEntry {
        parents: [label("furniture")].into(),
        ..entry("sofa", &["couch"])
    };
    Arc::new(Vocabulary::new([sofa]).unwrap())
}

async fn changed(store: &dyn Database, id: &ImageId, change: &TagChange) -> VersionedTags {
    match store.change_tags(id, change, None).await.unwrap() {
        TagsChanged::Done(tags) => tags,
        other => panic!("{other:?}"),
    }
}

/// An image that `imagga v2` tagged as a couch and a lamp, with threshold 40.
async fn recorded(store: &dyn Database) -> ImageId {
    let image = unique(1, at(1), &["couch", "lamp"]);
    let info = ImageInfo {
        taggers: TaggerVersion::known("imagga", "v2").into(),
        threshold: Some(Threshold::new(Confidence::new(40.0).unwrap())),
        ..ImageInfo::default()
    };
    register_with(store, &image, &info).await;
    image.id
}

/// Labels that nobody mentioned get their numbers as well.
async fn an_edit_brings_the_parents_of_its_tags(store: &dyn Database) {
    let id = recorded(store).await;
    let edit = TagEdit::new(&[tag("settee", 70.0)], &[]).unwrap();
    let edit = edit.under(furniture());
    let known = changed(store, &id, &TagChange::Edit(edit)).await;
    let expected = tags(&[("sofa", 90.0), ("lamp", 90.0), ("settee", 70.0)]);
    assert_eq!(known.tags.tags(), expected);
    let edit = TagEdit::new(&[tag("couch", 100.0)], &[label("lamp")]).unwrap();
    let edit = edit.under(furniture());
    let known = changed(store, &id, &TagChange::Edit(edit)).await;
    let expected = tags(&[("sofa", 100.0), ("furniture", 100.0), ("settee", 70.0)]);
    assert_eq!(known.tags.tags(), expected);
    assert_eq!(store.tags_of(&id).await.unwrap(), Some(known));
    let found = store.find(&id).await.unwrap().unwrap();
    assert_eq!(found.tags, expected);
}

async fn a_revision_replaces_what_the_provider_gave(store: &dyn Database) {
    let id = recorded(store).await;
    let by_hand = TagEdit::new(&[tag("mia", 100.0)], &[label("lamp")]).unwrap();
    changed(store, &id, &TagChange::Edit(by_hand)).await;
    let tagger = TaggerVersion::known("imagga", "v2");
    let answer = tags(&[
        ("couch", 90.0),
        ("lamp", 90.0),
        ("rug", 45.0),
        ("dust", 5.0),
    ]);
    let lowest = Threshold::new(Confidence::new(40.0).unwrap());
    let revision = Revision {
        vocabulary: furniture(),
        answers: vec![(tagger, answer)],
        lowest,
    };
    let known = changed(store, &id, &TagChange::Revise(revision.clone())).await;
    let expected = [
        ("mia", SourceKind::Person),
        ("furniture", SourceKind::Provider),
        ("sofa", SourceKind::Provider),
        ("rug", SourceKind::Provider),
    ];
    let shown = known.tags.shown();
    let shown: Vec<_> = shown
        .iter()
        .map(|shown| (shown.tag.label.as_str(), shown.source.kind()))
        .collect();
    assert_eq!(shown, expected);
    let rejected: Vec<&Label> = known.tags.rejected().collect();
    assert_eq!(rejected, [&label("lamp")]);
    assert_eq!(store.tags_of(&id).await.unwrap().as_ref(), Some(&known));
    let again = changed(store, &id, &TagChange::Revise(revision)).await;
    assert_eq!(again, known, "the version as well");
    let infos = store.infos(&[id]).await.unwrap();
    assert_eq!(infos[&id].taggers.names().as_deref(), Some("imagga"));
    assert_eq!(infos[&id].threshold, Some(lowest));
    // Without the answer, what is shown folds.
    let undone = Arc::new(Vocabulary::new([entry("carpet", &["rug"])]).unwrap());
    let kept = Revision {
        vocabulary: undone,
        answers: Vec::new(),
        lowest,
    };
    let known = changed(store, &id, &TagChange::Revise(kept)).await;
    let names: Vec<_> = known.tags.shown();
    let names: Vec<_> = names.iter().map(|shown| shown.tag.label.as_str()).collect();
    assert_eq!(names, ["mia", "furniture", "sofa", "carpet"]);
}
