//! Imports, each of a file or a picture once.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Confidence, ContentDigest, ImageId, ImageInfo, ImportedFile, Threshold, VocabularyEntry,
    ports::{CallContext, CodecError, ImageInfoStore, ImageStoreError, MockImageInfoStore},
    service::{
        AdoptError, ForeignPicture, Imported, Importing, Ingest, IngestError, IngestPorts,
        IngestSettings, SharedVocabulary, TaggerChoice, Upload,
    },
};
use domain_testing::{
    FakeDatabase, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue, FakeTagProvider, Pull,
    TestClock, at, label, tags,
};

struct Fixture {
    store: Arc<FakeDatabase>,
    provider: Arc<FakeTagProvider>,
    vocabulary: SharedVocabulary,
    ingest: Arc<Ingest>,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::<FakeDatabase>::default();
        let clock = Arc::<TestClock>::default();
        let provider = FakeTagProvider::new(Pull::Pixels(std::num::NonZeroU32::MIN));
        let provider = Arc::new(provider.with_tags(tags(&[("car", 91.5)])));
        let ports = IngestPorts {
            images: store.clone(),
            taggings: store.clone(),
            ledger: store.clone(),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            codec: Arc::<FakeImageCodec>::default(),
            provider: provider.clone(),
            host: None,
            releases: Arc::<FakeReleaseQueue>::default(),
            clock: clock.clone(),
        };
        let settings = IngestSettings {
            claim: TimeDelta::hours(1),
            store_bytes: None,
        };
        let names = domain::LabelNames::default();
        let vocabulary = SharedVocabulary::new(store.clone(), clock, names, false);
        let ingest = Ingest::new(ports, settings).with_vocabulary(vocabulary.clone());
        Self {
            store,
            provider,
            vocabulary,
            ingest: Arc::new(ingest),
        }
    }

    fn importing(&self) -> Importing {
        Importing::new(self.ingest.clone(), self.store.clone(), self.store.clone())
    }

    async fn info(&self, id: ImageId) -> ImageInfo {
        self.store.infos(&[id]).await.unwrap().remove(&id).unwrap()
    }
}

fn picture(content: &str) -> Bytes {
    FakeImageCodec::picture(640, 480, content)
}

fn upload(bytes: &Bytes, path: &str) -> Upload {
    let digest = ContentDigest::of(bytes);
    Upload {
        bytes: bytes.clone(),
        digest,
        threshold: Threshold::new(Confidence::new(80.0).unwrap()),
        taggers: TaggerChoice::default(),
        file_name: None,
        imported: Some(ImportedFile::new(&digest, path.as_bytes())),
        request: None,
        context: CallContext::local(),
    }
}

fn foreign(number: u8, bytes: &Bytes) -> ForeignPicture {
    let digest = ContentDigest::of(bytes);
    ForeignPicture {
        id: ImageId::from_bytes([number; 16]),
        registered_at: at(-1000),
        tags: tags(&[("couch", 55.0), ("dog", 90.0)]),
        provider: "imagga".to_owned(),
        bytes: bytes.clone(),
        digest,
        file_name: "/app/Images/img_1".to_owned(),
        imported: Some(ImportedFile::new(&digest, b"/flask/img_1")),
    }
}

#[tokio::test]
async fn a_file_is_imported_once() {
    let fixture = Fixture::new();
    let importing = fixture.importing();
    let bytes = picture("a car");
    let first = importing.import(upload(&bytes, "/a.jpg")).await.unwrap();
    let Imported::New(id) = first else {
        panic!("{first:?}")
    };
    let path = fixture.info(id).await.imported.map(|file| file.path);
    assert_eq!(path.as_deref(), Some("/a.jpg"));
    let again = importing.import(upload(&bytes, "/a.jpg")).await.unwrap();
    assert_eq!(again, Imported::Present(id));
    let other = importing.import(upload(&bytes, "/b.jpg")).await.unwrap();
    assert!(matches!(other, Imported::New(_)));
    assert_eq!(fixture.provider.calls(), 1);
}

/// Both looked before either recorded: the database decides, and the slower one finds what the faster one made.
#[tokio::test]
async fn of_two_imports_of_a_file_one_makes_the_image() {
    let fixture = Fixture::new();
    let mut late = MockImageInfoStore::new();
    let store = fixture.store.clone();
    let mut looks = 0;
    late.expect_imported().times(2).returning(move |files| {
        looks += 1;
        let found = futures_util::FutureExt::now_or_never(store.imported(files)).unwrap();
        if looks == 1 {
            Ok(HashMap::new())
        } else {
            found
        }
    });
    let late = Importing::new(
        fixture.ingest.clone(),
        fixture.store.clone(),
        Arc::new(late),
    );
    let bytes = picture("a car");
    let file = || upload(&bytes, "/a.jpg");
    let first = fixture.importing().import(file()).await.unwrap();
    let Imported::New(id) = first else {
        panic!("{first:?}")
    };
    assert_eq!(late.import(file()).await.unwrap(), Imported::Present(id));
    assert_eq!(fixture.store.images().len(), 1);
}

#[tokio::test]
async fn a_foreign_picture_keeps_what_it_had() {
    let fixture = Fixture::new();
    let importing = fixture.importing();
    let entry = VocabularyEntry {
        aliases: [label("couch")].into(),
        threshold: Some(Threshold::new(Confidence::new(99.0).unwrap())),
        ..VocabularyEntry::new(label("sofa"))
    };
    fixture.vocabulary.put(entry).await.unwrap();
    let bytes = picture("a couch");
    let picture = foreign(7, &bytes);
    let id = picture.id;
    let made = importing.adopt(picture.clone()).await.unwrap();
    assert_eq!(made, Imported::New(id));
    let images = fixture.store.images();
    assert_eq!((images[0].id, images[0].registered_at), (id, at(-1000)));
    // Aliases count, thresholds do not: the whole answer is not known.
    assert_eq!(images[0].tags, tags(&[("dog", 90.0), ("sofa", 55.0)]));
    let info = fixture.info(id).await;
    assert_eq!(info.threshold, None);
    assert_eq!(info.taggers.names().as_deref(), Some("imagga"));
    assert_eq!(info.taggers.own().version, None);
    assert_eq!(info.file_name.as_deref(), Some("img_1"));
    assert_eq!(info.registered_local, Some(at(-1000).naive_utc()));
    assert!(fixture.store.taggings().is_empty());
    assert_eq!(fixture.provider.calls(), 0);
    // Again; and its file, which is there.
    let again = importing.adopt(picture).await.unwrap();
    assert_eq!(again, Imported::Present(id));
    let file = importing.import(upload(&bytes, "/flask/img_1")).await;
    assert_eq!(file.unwrap(), Imported::Present(id));
}

#[tokio::test]
async fn a_foreign_picture_keeps_its_id_beside_the_image_of_its_file() {
    let fixture = Fixture::new();
    let importing = fixture.importing();
    let bytes = picture("a couch");
    let file = importing.import(upload(&bytes, "/flask/img_1")).await;
    assert!(matches!(file, Ok(Imported::New(_))));
    let adopted = importing.adopt(foreign(7, &bytes)).await.unwrap();
    assert_eq!(adopted, Imported::New(ImageId::from_bytes([7; 16])));
    assert_eq!(fixture.store.images().len(), 2);
}

#[tokio::test]
async fn a_foreign_picture_that_cannot_be_adopted_is_told() {
    let fixture = Fixture::new();
    let importing = fixture.importing();
    importing.adopt(foreign(7, &picture("one"))).await.unwrap();
    let other = importing.adopt(foreign(7, &picture("other"))).await;
    let error = other.unwrap_err();
    assert!(matches!(error, AdoptError::OtherPicture(_)), "{error:?}");
    assert!(error.is_of_picture());
    let broken = importing.adopt(foreign(8, &Bytes::from_static(b"no picture")));
    let error = broken.await.unwrap_err();
    assert!(error.is_of_picture(), "{error:?}");
    assert_eq!(fixture.store.images().len(), 1);
}

#[test]
fn failures_of_services_are_not_the_pictures() {
    let store = IngestError::Store(ImageStoreError::AlreadyImported);
    assert!(!store.is_of_picture());
    assert!(!IngestError::StoreFull { limit: 1 }.is_of_picture());
    assert!(!IngestError::Picture(CodecError::TimedOut).is_of_picture());
    assert!(!AdoptError::Ingest(store).is_of_picture());
}
