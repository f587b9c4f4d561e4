//! Exports, and what is restored from them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    ContentDigest, ImageFacts, ImageInfo, ImageTags, LabelNames, ProviderIdentity, TaggerVersion,
    Tagging, TaggingKey, VocabularyEntry,
    ports::{
        Clock, ImageStore, OriginalLedger, OriginalStore, PutMode, RemovalLedger, StoreExport,
        StoredImage, TagsVersion, VocabularyStore, cause,
    },
    service::{
        Exporting, ExportingPorts, RestoreError, Restored, Restoring, RestoringPorts,
        SharedVocabulary, VocabularyError,
    },
};
use domain_testing::{FakeDatabase, FakeOriginalStore, TestClock, at, image, label, tags};
use futures_util::{FutureExt, TryStreamExt};

struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    clock: Arc<TestClock>,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::<TestClock>::default();
        Self {
            store: Arc::default(),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            clock,
        }
    }

    fn exporting(&self) -> Exporting {
        Exporting::new(ExportingPorts {
            store: self.store.clone(),
            vocabulary: self.store.clone(),
            inspector: self.store.clone(),
        })
    }

    fn restoring(&self) -> Restoring {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let names = LabelNames::default();
        let ports = RestoringPorts {
            stored: store.clone(),
            store: store.clone(),
            infos: store.clone(),
            inspector: store.clone(),
            taggings: store.clone(),
            ledger: store.clone(),
            originals: self.originals.clone(),
            vocabulary: SharedVocabulary::new(store, clock.clone(), names, true),
            clock,
        };
        Restoring::new(ports, TimeDelta::hours(1))
    }

    async fn put(&self, content: &[u8]) {
        let bytes = Bytes::copy_from_slice(content);
        let digest = ContentDigest::of(content);
        let put = self.originals.put(&digest, bytes, PutMode::KeepExisting);
        put.await.unwrap();
    }

    async fn exported(&self) -> Vec<StoredImage> {
        self.exporting().images().try_collect().await.unwrap()
    }
}

fn stored(content: &[u8], seconds: i64) -> StoredImage {
    let image = image(content, at(seconds), &[("cat", 90.5), ("dog", 20.25)]);
    let tagger = TaggerVersion {
        name: Some("imagga".to_owned()),
        version: Some("v2".to_owned()),
    };
    StoredImage {
        id: image.id,
        registered_at: image.registered_at,
        digest: image.digest,
        facts: image.facts,
        tags: ImageTags::of_provider(&tagger, &image.tags),
        info: ImageInfo {
            taggers: tagger.into(),
            ..ImageInfo::default()
        },
        version: TagsVersion(2),
    }
}

fn is_new(outcomes: &[Result<Restored, RestoreError>]) -> bool {
    outcomes.iter().all(|it| matches!(it, Ok(Restored::New)))
}

#[tokio::test]
async fn images_whose_originals_are_there_are_restored_and_exported_again() {
    let fixture = Fixture::new();
    let images: Vec<StoredImage> = (0..450u32)
        .map(|number| stored(&number.to_be_bytes(), number.into()))
        .collect();
    for number in 0..450u32 {
        fixture.put(&number.to_be_bytes()).await;
    }
    let restoring = fixture.restoring();
    for images in images.chunks(200) {
        let outcomes = restoring.restore_images(images, None).await.unwrap();
        assert!(is_new(&outcomes));
    }
    assert_eq!(fixture.exported().await, images);
    assert_eq!(fixture.exporting().count().await.unwrap(), 450);
    assert_eq!(restoring.count().await.unwrap(), 450);
    let outcomes = restoring.restore_images(&images[..9], None).await.unwrap();
    let is_present = |it: &Result<_, RestoreError>| matches!(it, Ok(Restored::Present));
    assert!(outcomes.iter().all(is_present));
    let ids: Vec<_> = images.iter().map(|image| image.id).take(7).collect();
    assert_eq!(restoring.count_present(&ids).await.unwrap(), 7);
}

#[tokio::test]
async fn images_without_originals_are_left_out_and_restored_later() {
    let fixture = Fixture::new();
    fixture.put(b"there").await;
    let images = [stored(b"there", 0), stored(b"missing", 1)];
    let mut short = stored(b"short!", 2);
    fixture.put(b"short!").await;
    short.facts.byte_size = 99;
    let images = [&images[..], &[short]].concat();
    let restoring = fixture.restoring();
    let outcomes = restoring.restore_images(&images, None).await.unwrap();
    assert!(matches!(outcomes[0], Ok(Restored::New)));
    assert!(
        matches!(outcomes[1], Err(RestoreError::NoOriginal(digest)) if digest == images[1].digest)
    );
    assert!(matches!(outcomes[2], Err(RestoreError::Altered(_))));
    assert_eq!(fixture.exported().await, images[..1]);
    fixture.put(b"missing").await;
    let outcomes = restoring.restore_images(&images[..2], None).await.unwrap();
    assert!(matches!(outcomes[0], Ok(Restored::Present)));
    assert!(matches!(outcomes[1], Ok(Restored::New)));
    assert_eq!(fixture.exported().await, images[..2]);
}

/// Those of several images once.
#[tokio::test]
async fn originals_are_put_from_files_with_the_right_bytes_alone() {
    let fixture = Fixture::new();
    let images = [
        stored(b"good", 0),
        stored(b"good", 1),
        stored(b"altered", 2),
        stored(b"missing", 3),
        stored(b"unreadable", 4),
    ];
    let files: HashMap<ContentDigest, &[u8]> = HashMap::from([
        (images[0].digest, &b"good"[..]),
        (images[2].digest, &b"Altered"[..]),
    ]);
    let reads = AtomicUsize::new(0);
    let read = |digest: ContentDigest, _: ImageFacts| {
        reads.fetch_add(1, Ordering::Relaxed);
        let found = files
            .get(&digest)
            .map(|bytes| Bytes::copy_from_slice(bytes));
        let is_bad = digest == ContentDigest::of(b"unreadable");
        let outcome = if is_bad {
            Err(cause("a bad disk"))
        } else {
            Ok(found)
        };
        std::future::ready(outcome).boxed()
    };
    let restoring = fixture.restoring();
    let outcomes = restoring
        .restore_images(&images, Some(&read))
        .await
        .unwrap();
    assert!(is_new(&outcomes[..2]));
    assert!(matches!(outcomes[2], Err(RestoreError::Altered(_))));
    assert!(matches!(outcomes[3], Err(RestoreError::NoOriginal(_))));
    assert!(matches!(outcomes[4], Err(RestoreError::Unreadable(_))));
    assert_eq!(reads.load(Ordering::Relaxed), 4);
    let length = fixture.originals.length(&images[0].digest).await.unwrap();
    assert_eq!(length, Some(4));
    for image in &images[2..] {
        assert_eq!(fixture.originals.length(&image.digest).await.unwrap(), None);
    }
}

#[tokio::test]
async fn another_content_is_told_and_stays() {
    let fixture = Fixture::new();
    fixture.put(b"a").await;
    let image = stored(b"a", 0);
    let restoring = fixture.restoring();
    let of = std::slice::from_ref::<StoredImage>;
    restoring.restore_images(of(&image), None).await.unwrap();
    let edited = StoredImage {
        version: TagsVersion(3),
        ..image.clone()
    };
    let outcomes = restoring.restore_images(of(&edited), None).await.unwrap();
    assert!(matches!(outcomes[0], Err(RestoreError::Different)));
    assert_eq!(fixture.exported().await, [image]);
}

#[tokio::test]
async fn facts_that_contradict_each_other_are_told() {
    let fixture = Fixture::new();
    fixture.put(b"a").await;
    let mut images = [stored(b"a", 0), stored(b"a", 1)];
    images[1].facts.width += 1;
    let restoring = fixture.restoring();
    let outcomes = restoring.restore_images(&images, None).await.unwrap();
    assert!(matches!(outcomes[0], Ok(Restored::New)));
    assert!(matches!(outcomes[1], Err(RestoreError::Different)));
}

#[tokio::test]
async fn an_original_that_is_being_removed_is_told_and_a_damaged_one_mended() {
    let fixture = Fixture::new();
    let image = stored(b"a", 0);
    let (now, later) = (
        fixture.clock.now(),
        fixture.clock.now() + TimeDelta::hours(2),
    );
    let store = &fixture.store;
    store
        .claim(&image.digest, &image.facts, now, now)
        .await
        .unwrap();
    let fence = domain::Fence::from_i64(7);
    let claimed = store.claim_for_removal(&image.digest, fence, now, later);
    assert!(claimed.await.unwrap());
    let read = |_: ContentDigest, _: ImageFacts| {
        std::future::ready(Ok(Some(Bytes::from_static(b"a")))).boxed()
    };
    let restoring = fixture.restoring();
    let images = [image];
    let outcomes = restoring
        .restore_images(&images, Some(&read))
        .await
        .unwrap();
    assert!(matches!(outcomes[0], Err(RestoreError::Removing)));
    fixture.clock.advance(TimeDelta::hours(3));
    let outcomes = restoring
        .restore_images(&images, Some(&read))
        .await
        .unwrap();
    assert!(is_new(&outcomes));
    assert_eq!(store.damaged_at(&images[0].digest), None);
    assert_eq!(
        store.find(&images[0].id).await.unwrap().unwrap().digest,
        images[0].digest
    );
}

#[tokio::test]
async fn answers_are_restored_and_exported_again() {
    let fixture = Fixture::new();
    let answer = |content: &[u8], confidence| {
        let key = TaggingKey {
            digest: ContentDigest::of(content),
            provider: ProviderIdentity::parse("imagga", "v2", "en").unwrap(),
            max_side: 1024,
        };
        let tags = tags(&[("cat", confidence)]);
        let tagged_at = at(0);
        (key, Tagging { tags, tagged_at })
    };
    let mut answers: Vec<_> = (0..450u32)
        .map(|n| answer(&n.to_be_bytes(), 50.5))
        .collect();
    let restoring = fixture.restoring();
    assert!(is_new(&restoring.restore_answers(&answers).await.unwrap()));
    let other = [answer(&3u32.to_be_bytes(), 1.0), answers[4].clone()];
    let outcomes = restoring.restore_answers(&other).await.unwrap();
    assert!(matches!(outcomes[0], Err(RestoreError::Different)));
    assert!(matches!(outcomes[1], Ok(Restored::Present)));
    answers.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
    let exported: Vec<_> = fixture.exporting().answers().try_collect().await.unwrap();
    assert_eq!(exported, answers);
    assert!(
        fixture
            .store
            .export_images(None, std::num::NonZeroU32::MIN)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_vocabulary_is_restored_as_a_whole_or_not() {
    let fixture = Fixture::new();
    let restoring = fixture.restoring();
    let cat = VocabularyEntry {
        aliases: [label("kitty")].into(),
        parents: [label("animal")].into(),
        ..VocabularyEntry::new(label("cat"))
    };
    let dog = VocabularyEntry::new(label("dog"));
    let entries = [cat.clone(), dog.clone()];
    assert_eq!(restoring.foreign_tag(&entries).await.unwrap(), None);
    assert!(is_new(
        &restoring.restore_vocabulary(&entries).await.unwrap()
    ));
    assert_eq!(fixture.exporting().vocabulary().await.unwrap(), entries);
    let version = fixture.store.vocabulary_version().await.unwrap();
    let outcomes = restoring.restore_vocabulary(&entries).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|it| matches!(it, Ok(Restored::Present)))
    );
    assert_eq!(fixture.store.vocabulary_version().await.unwrap(), version);
    let foreign = restoring.foreign_tag(&entries[..1]).await.unwrap();
    assert_eq!(foreign, Some(label("dog")));

    let blocked = VocabularyEntry {
        is_blocked: true,
        ..dog
    };
    let outcomes = restoring.restore_vocabulary(&[blocked]).await.unwrap();
    assert!(matches!(outcomes[0], Err(RestoreError::Different)));
    // An alias of another entry.
    let kitty = VocabularyEntry::new(label("kitty"));
    let cow = VocabularyEntry::new(label("cow"));
    let refused = restoring.restore_vocabulary(&[cow, kitty]).await;
    assert!(
        matches!(refused, Err(VocabularyError::Conflict(_))),
        "{refused:?}"
    );
    assert_eq!(fixture.exporting().vocabulary().await.unwrap(), entries);
}
