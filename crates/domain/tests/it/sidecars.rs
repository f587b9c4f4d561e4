//! Tags that go from the files of images to the store, and back.

use std::sync::Arc;

use domain::{
    Image, ImageId, Label, LabelNames, NewImage, SourceKind, TagEdit, Threshold, VocabularyEntry,
    ports::{
        ImageEdits, ImageStore, ImageStoreError, MockImageEdits, OriginalLedger, TagChange,
        TagsChanged, TagsVersion, VersionedTags,
    },
    service::{FileKeywords, SharedVocabulary, SidecarPorts, SidecarTags, Sidecars, Taken},
};
use domain_testing::{FakeDatabase, TestClock, at, image, label, tag, tags};

struct Fixture {
    store: Arc<FakeDatabase>,
    vocabulary: SharedVocabulary,
    sidecars: Sidecars,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::<FakeDatabase>::default();
        let ports = SidecarPorts {
            infos: store.clone(),
            edits: store.clone(),
        };
        let (clock, names) = (Arc::<TestClock>::default(), LabelNames::default());
        let vocabulary = SharedVocabulary::new(store.clone(), clock, names, false);
        Self {
            sidecars: Sidecars::new(ports, vocabulary.clone()),
            store,
            vocabulary,
        }
    }

    async fn registered(&self, second: i64, given: &[(&str, f64)]) -> Image {
        let image = image(b"a", at(second), given);
        let (digest, facts) = (&image.digest, &image.facts);
        let claimed = self.store.claim(digest, facts, at(second), at(second + 60));
        claimed.await.unwrap();
        let new = NewImage {
            codes: Vec::new(),
            image: image.clone(),
            info: domain::ImageInfo::default(),
            fence: None,
            said: None,
            taggings: Vec::new(),
            request: None,
        };
        self.store.record(&new).await.unwrap();
        image
    }

    async fn edit(&self, id: &ImageId, add: &[(&str, f64)], remove: &[&str]) {
        let add: Vec<_> = add.iter().map(|(name, value)| tag(name, *value)).collect();
        let remove: Vec<_> = remove.iter().map(|name| label(name)).collect();
        let edit = TagChange::Edit(TagEdit::new(&add, &remove).unwrap());
        self.store.change_tags(id, &edit, None).await.unwrap();
    }

    async fn shown(&self, id: &ImageId) -> Vec<(String, SourceKind)> {
        let known = self.store.tags_of(id).await.unwrap().unwrap();
        let shown = known.tags.shown().into_iter();
        let parts = shown.map(|it| (it.tag.label.as_str().to_owned(), it.source.kind()));
        parts.collect()
    }

    async fn tags(&self, image: &Image, lowest: f64) -> SidecarTags {
        let lowest = Threshold::new(domain::Confidence::new(lowest).unwrap());
        let tags = self.sidecars.tags_of(&image.digest, lowest).await;
        tags.unwrap().unwrap()
    }
}

fn keywords(names: &[&str], written: &[(&str, SourceKind)]) -> FileKeywords {
    let written = written.iter();
    FileKeywords {
        tags: names.iter().map(|name| tag(name, 100.0)).collect(),
        written: written
            .map(|(name, kind)| (tag(name, 60.0), *kind))
            .collect(),
    }
}

fn of(pairs: &[(&str, SourceKind)]) -> Vec<(String, SourceKind)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect()
}

fn paths(tags: &SidecarTags) -> Vec<String> {
    let join = |path: &Vec<Label>| {
        let names: Vec<&str> = path.iter().map(Label::as_str).collect();
        names.join("|")
    };
    tags.paths.iter().map(join).collect()
}

#[tokio::test]
async fn what_was_written_for_a_person_comes_back_to_an_image_that_was_never_changed() {
    use SourceKind::{File, Person, Provider};
    let fixture = Fixture::new();
    let image = fixture.registered(0, &[("cat", 80.0)]).await;
    let found = keywords(
        &["sea"],
        &[("mia", Person), ("old", File), ("dog", Provider)],
    );
    let taken = fixture.sidecars.take(&image.id, &found).await.unwrap();
    assert_eq!(taken, Taken::Changed);
    let expected = [
        ("sea", File),
        ("cat", Provider),
        ("mia", File),
        ("old", File),
    ];
    assert_eq!(fixture.shown(&image.id).await, of(&expected));
    // From now on it is kept at most: what was removed since does not come back.
    let taken = fixture.sidecars.take(&image.id, &found).await.unwrap();
    assert_eq!(taken, Taken::Changed);
    let expected = [("sea", File), ("cat", Provider), ("mia", File)];
    assert_eq!(fixture.shown(&image.id).await, of(&expected));
    let taken = fixture.sidecars.take(&image.id, &found).await.unwrap();
    assert_eq!(taken, Taken::Unchanged);

    let other = fixture.registered(1, &[]).await;
    fixture.edit(&other.id, &[("mia", 60.0)], &[]).await;
    fixture.edit(&other.id, &[], &["mia"]).await;
    let taken = fixture.sidecars.take(&other.id, &found).await.unwrap();
    assert_eq!(taken, Taken::Changed);
    assert_eq!(fixture.shown(&other.id).await, of(&[("sea", File)]));
}

#[tokio::test]
async fn too_many_keywords_and_deleted_images_change_nothing() {
    let fixture = Fixture::new();
    let image = fixture.registered(0, &[("cat", 80.0)]).await;
    let names: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let taken = fixture
        .sidecars
        .take(&image.id, &keywords(&names, &[]))
        .await;
    assert_eq!(taken.unwrap(), Taken::TooMany);
    assert_eq!(fixture.shown(&image.id).await.len(), 1);
    let unknown = ImageId::from_bytes([9; 16]);
    let taken = fixture
        .sidecars
        .take(&unknown, &keywords(&["sea"], &[]))
        .await;
    assert_eq!(taken.unwrap(), Taken::Unchanged);
}

/// An edit between reading and changing is seen.
#[tokio::test]
async fn an_image_that_changes_meanwhile_is_looked_at_again() {
    let mut edits = MockImageEdits::new();
    let mut version = 0;
    edits.expect_tags_of().times(5).returning(move |_| {
        version += 1;
        Ok(Some(VersionedTags {
            tags: domain::ImageTags::default(),
            version: TagsVersion(version),
        }))
    });
    edits
        .expect_change_tags()
        .times(5)
        .returning(|_, _, version| Ok(TagsChanged::Outdated(TagsVersion(version.unwrap().0 + 1))));
    let ports = SidecarPorts {
        infos: Arc::<FakeDatabase>::default(),
        edits: Arc::new(edits),
    };
    let sidecars = Sidecars::new(ports, SharedVocabulary::default());
    let id = ImageId::from_bytes([1; 16]);
    let taken = sidecars.take(&id, &keywords(&["sea"], &[])).await;
    assert!(
        matches!(taken, Err(ImageStoreError::Contended(_))),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_sidecar_holds_the_tags_of_all_images_of_the_bytes() {
    let fixture = Fixture::new();
    let one = fixture
        .registered(0, &[("cat", 80.0), ("dog", 90.0), ("sea", 30.0)])
        .await;
    let unknown = image(b"b", at(0), &[]).digest;
    let nothing = fixture.sidecars.tags_of(&unknown, Threshold::NONE).await;
    assert_eq!(nothing.unwrap(), None);
    let other = fixture.registered(1, &[("cat", 95.0), ("dog", 90.0)]).await;
    fixture
        .edit(&other.id, &[("mia", 50.0), ("sea", 20.0)], &["dog"])
        .await;
    let found = fixture.tags(&one, 0.0).await;
    let found: domain::Tags = found.tags.into_iter().map(|said| said.tag).collect();
    let expected = [("cat", 95.0), ("dog", 90.0), ("mia", 50.0), ("sea", 20.0)];
    assert_eq!(found, tags(&expected));
    let found = fixture.tags(&one, 50.0).await;
    assert_eq!(found.tags.len(), 3);
    assert_eq!(paths(&found), ["cat", "dog", "mia"]);
}

#[tokio::test]
async fn paths_go_by_the_vocabulary_and_over_shown_tags_alone() {
    let fixture = Fixture::new();
    for (name, parents) in [
        ("cat", &["pet", "feline"][..]),
        ("pet", &["animal"]),
        ("feline", &["animal"]),
        ("dog", &["hidden"]),
        ("hidden", &["animal"]),
    ] {
        let entry = VocabularyEntry {
            parents: parents.iter().map(|name| label(name)).collect(),
            ..VocabularyEntry::new(label(name))
        };
        fixture.vocabulary.put(entry).await.unwrap();
    }
    let given = ["animal", "cat", "dog", "feline", "pet"].map(|name| (name, 80.0));
    let image = fixture.registered(0, &given).await;
    let found = paths(&fixture.tags(&image, 0.0).await);
    assert_eq!(found, ["animal|feline|cat", "animal|pet|cat", "dog"]);
}
