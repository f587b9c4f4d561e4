use chrono::{DateTime, Utc};
use mockall::Sequence;

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    CameraData, ContentDigest, Image, ImageFacts, ImageInfo, TaggerVersion, Tagging, Threshold,
    ports::{
        CallContext, Claimed, CodecError, ImageInfoStore, ImageStoreError, Known, OriginalLedger,
        OriginalStore, OriginalStoreError, PutMode, RemovalLedger, TagProvider, UpstreamError,
    },
    service::{Ingest, IngestError, IngestPorts, IngestSettings, TaggerChoice, Upload},
};
use domain::{
    Confidence, Picture,
    ports::{
        MockBlobHost, MockImageCodec, MockImageStore, MockOriginalLedger, MockOriginalStore,
        MockReleaseQueue, MockTaggingCache, cause,
    },
};
use domain_testing::{
    FakeBlobHost, FakeDatabase, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue,
    FakeTagProvider, Pull, TestClock, at, tags,
};

/// How often an upload tries to claim.
const CLAIM_ATTEMPTS: usize = 3;

const CLAIM: TimeDelta = TimeDelta::hours(1);

/// The real service over in-memory fakes.
struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    codec: Arc<FakeImageCodec>,
    provider: Arc<FakeTagProvider>,
    host: Arc<FakeBlobHost>,
    releases: Arc<FakeReleaseQueue>,
    clock: Arc<TestClock>,
}

impl Fixture {
    fn new(pull: Pull) -> Self {
        let clock = Arc::<TestClock>::default();
        let host = Arc::new(FakeBlobHost::new(clock.clone()));
        let provider = FakeTagProvider::new(pull)
            .with_tags(tags(&[("car", 91.5), ("cab", 80.0), ("road", 79.9)]))
            .fetching_from(Arc::clone(&host));
        Self {
            store: Arc::default(),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            codec: Arc::default(),
            provider: Arc::new(provider),
            host,
            releases: Arc::default(),
            clock,
        }
    }

    fn ports(&self) -> IngestPorts {
        IngestPorts {
            images: self.store.clone(),
            taggings: self.store.clone(),
            ledger: self.store.clone(),
            originals: self.originals.clone(),
            codec: self.codec.clone(),
            provider: self.provider.clone(),
            host: Some(self.host.clone()),
            releases: self.releases.clone(),
            clock: self.clock.clone(),
        }
    }

    fn ingest(&self) -> Ingest {
        Ingest::new(self.ports(), SETTINGS)
    }

    /// With room for so many of these pictures.
    fn with_room_for(&self, pictures: u64) -> Ingest {
        let settings = IngestSettings {
            store_bytes: Some(pictures * numbered(0).len() as u64),
            ..SETTINGS
        };
        Ingest::new(self.ports(), settings)
    }
}

const SETTINGS: IngestSettings = IngestSettings {
    claim: CLAIM,
    store_bytes: None,
};

fn side(pixels: u32) -> NonZeroU32 {
    NonZeroU32::new(pixels).unwrap()
}

fn upload(bytes: &Bytes, threshold: f64) -> Upload {
    Upload {
        bytes: bytes.clone(),
        digest: ContentDigest::of(bytes),
        threshold: Threshold::new(Confidence::new(threshold).unwrap()),
        taggers: TaggerChoice::default(),
        file_name: None,
        imported: None,
        request: None,
        context: CallContext::local(),
    }
}

fn picture() -> Bytes {
    FakeImageCodec::picture(640, 480, "a car")
}

/// One of several pictures of the same length.
fn numbered(number: u8) -> Bytes {
    FakeImageCodec::picture(640, 480, &format!("picture {number:03}"))
}

fn labels(image: &Image) -> Vec<&str> {
    image.tags.iter().map(|tag| tag.label.as_str()).collect()
}

fn unavailable() -> UpstreamError {
    UpstreamError::Unavailable {
        retry_after: None,
        source: cause("reset"),
    }
}

#[tokio::test]
async fn registers_an_image_with_its_tags_above_the_threshold() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let image = fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
    assert_eq!(labels(&image), ["car", "cab"]);
    assert_eq!(image.registered_at, at(0));
    assert_eq!((image.facts.width, image.facts.height), (640, 480));
    assert_eq!(image.facts.byte_size, picture().len() as u64);
    assert_eq!(fixture.store.images(), [image]);
    assert_eq!(fixture.originals.digests(), [ContentDigest::of(&picture())]);
}

#[tokio::test]
async fn keeps_what_is_known_of_each_upload() {
    let camera = CameraData {
        camera: Some("X100".to_owned()),
        ..CameraData::default()
    };
    let mut fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.codec = Arc::new(FakeImageCodec::default().with_camera(camera.clone()));
    let ingest = fixture.ingest();
    // The second upload is of known bytes.
    for (given, kept, threshold) in [
        (Some("C:\\photos\\a.jpg"), Some("a.jpg"), 80.0),
        (None, None, 60.5),
    ] {
        let upload = Upload {
            file_name: given.map(str::to_owned),
            ..upload(&picture(), threshold)
        };
        let image = ingest.ingest(upload).await.unwrap();
        let mut infos = fixture.store.infos(&[image.id]).await.unwrap();
        let expected = ImageInfo {
            threshold: Some(Threshold::new(Confidence::new(threshold).unwrap())),
            taggers: TaggerVersion::from(fixture.provider.identity()).into(),
            file_name: kept.map(str::to_owned),
            camera: camera.clone(),
            registered_local: Some(at(0).naive_utc()),
            imported: None,
        };
        assert_eq!(infos.remove(&image.id), Some(expected));
    }
    assert_eq!(fixture.provider.calls(), 1);
}

#[tokio::test]
async fn keeps_the_whole_answer_beside_the_image() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    ingest.ingest(upload(&picture(), 100.0)).await.unwrap();
    let again = ingest.ingest(upload(&picture(), 0.0)).await.unwrap();
    assert_eq!(labels(&again), ["car", "cab", "road"]);
    assert_eq!(fixture.provider.calls(), 1);
}

#[tokio::test]
async fn known_bytes_make_a_new_image_without_call_or_decoding() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    let first = ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    let second = ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(fixture.store.images().len(), 2);
    assert_eq!(
        (
            fixture.provider.calls(),
            fixture.codec.decodes(),
            fixture.host.hosted()
        ),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn hosted_blob_is_released_after_the_answer() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
    assert_eq!(fixture.releases.handed_over(), fixture.host.alive());
    assert_eq!(fixture.host.hosted(), 1);
}

#[tokio::test]
async fn hosted_blob_is_released_when_tagging_failed() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.provider.fail_next(unavailable());
    let error = fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        IngestError::Tagging(UpstreamError::Unavailable { .. })
    ));
    assert_eq!(fixture.releases.handed_over(), fixture.host.alive());
    assert_eq!(fixture.releases.handed_over().len(), 1);
    assert!(fixture.store.images().is_empty() && fixture.originals.digests().is_empty());
}

#[tokio::test]
async fn hosted_blob_is_released_when_ingest_is_dropped() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.provider.hold();
    let ingest = fixture.ingest();
    let given_up = ingest.ingest(upload(&picture(), 80.0));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(20), given_up).await;
    assert!(waited.is_err());
    assert_eq!(fixture.releases.handed_over().len(), 1);
}

#[tokio::test]
async fn a_provider_that_takes_bytes_or_pixels_needs_no_host() {
    for (pull, copies) in [(Pull::Jpeg(16), 1), (Pull::Pixels(side(16)), 0)] {
        let fixture = Fixture::new(pull);
        let ports = IngestPorts {
            host: None,
            ..fixture.ports()
        };
        Ingest::new(ports, SETTINGS)
            .ingest(upload(&picture(), 80.0))
            .await
            .unwrap();
        assert_eq!(
            (fixture.host.hosted(), fixture.codec.encodes()),
            (0, copies)
        );
    }
}

#[tokio::test]
async fn copy_is_sent_unless_the_original_is_requested() {
    let fixture = Fixture::new(Pull::Jpeg(16));
    fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
    assert_ne!(fixture.provider.last_file().unwrap().bytes, picture());

    let fixture = Fixture::new(Pull::Jpeg(0));
    fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
    assert_eq!(fixture.provider.last_file().unwrap().bytes, picture());
    assert_eq!(fixture.codec.encodes(), 0);
    // It is decoded nonetheless, small, to verify that it is a picture.
    assert_eq!(fixture.codec.sides(), [side(512)]);
}

#[tokio::test]
async fn another_size_or_provider_is_another_key() {
    let fixture = Fixture::new(Pull::Jpeg(16));
    let [same, smaller, original, other] = [
        FakeTagProvider::new(Pull::PublicUrl(16)),
        FakeTagProvider::new(Pull::Jpeg(8)),
        FakeTagProvider::new(Pull::Pixels(side(16))),
        FakeTagProvider::new(Pull::Jpeg(16)).with_identity("fake", "2", "en"),
    ]
    .map(Arc::new);
    let ingest = fixture.ingest();
    ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    for (provider, calls) in [(same, 0), (smaller, 1), (original, 1), (other, 1)] {
        let ports = IngestPorts {
            provider: provider.clone(),
            ..fixture.ports()
        };
        let ingest = Ingest::new(ports, SETTINGS);
        ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
        assert_eq!(provider.calls(), calls);
    }
}

#[tokio::test]
async fn concurrent_uploads_of_the_same_bytes_share_one_call() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.provider.hold();
    let ingest = Arc::new(fixture.ingest());
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let ingest = Arc::clone(&ingest);
            tokio::spawn(async move { ingest.ingest(upload(&picture(), 80.0)).await })
        })
        .collect();
    while fixture.provider.calls() == 0 {
        tokio::task::yield_now().await;
    }
    uploads[0].abort();
    fixture.provider.let_go();
    for upload in uploads.into_iter().skip(1) {
        upload.await.unwrap().unwrap();
    }
    assert_eq!((fixture.provider.calls(), fixture.codec.decodes()), (1, 1));
    assert!(fixture.store.images().len() >= 7);
}

#[tokio::test]
async fn tagging_registers_nothing_and_keeps_the_answer() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    let tagged = ingest.tag(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(tagged.tags, tags(&[("car", 91.5), ("cab", 80.0)]));
    let (provider, _) = tagged.answers.iter().next().unwrap();
    assert_eq!(provider, fixture.provider.identity());
    assert_eq!(fixture.originals.puts(), 0);
    assert!(fixture.store.images().is_empty() && fixture.store.originals().is_empty());
    let kept: Vec<_> = fixture.store.taggings();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1.tags.len(), 3, "the whole answer is kept");

    let all = ingest.tag(upload(&picture(), 0.0)).await.unwrap();
    assert_eq!(all.tags.len(), 3);
    let image = ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(image.tags, tagged.tags);
    assert_eq!(fixture.provider.calls(), 1);
}

#[tokio::test]
async fn tagging_known_bytes_costs_no_call_and_no_decoding() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    let image = ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    let tagged = ingest.tag(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(tagged.tags, image.tags);
    assert_eq!((fixture.provider.calls(), fixture.codec.decodes()), (1, 1));
    assert_eq!(fixture.store.images(), [image]);
}

#[tokio::test]
async fn tagging_and_an_upload_of_the_same_bytes_share_one_call() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.provider.hold();
    let ingest = fixture.ingest();
    let both = async {
        tokio::join!(
            ingest.tag(upload(&picture(), 80.0)),
            ingest.ingest(upload(&picture(), 80.0)),
        )
    };
    let letting_go = async {
        while fixture.provider.calls() == 0 {
            tokio::task::yield_now().await;
        }
        fixture.provider.let_go();
    };
    let ((tagged, image), ()) = tokio::join!(both, letting_go);
    assert_eq!(tagged.unwrap().tags, image.unwrap().tags);
    assert_eq!((fixture.provider.calls(), fixture.codec.decodes()), (1, 1));
}

/// An upload whose client is gone once the closure returns `true`.
fn left_when(is_gone: impl Fn() -> bool + Send + Sync + 'static) -> Upload {
    Upload {
        context: CallContext::cancelled_when(is_gone),
        ..upload(&picture(), 80.0)
    }
}

fn assert_cancelled(outcome: &Result<Image, IngestError>) {
    assert!(
        matches!(outcome, Err(IngestError::Tagging(UpstreamError::Cancelled))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn gone_client_costs_no_call_and_records_nothing() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    assert_cancelled(&fixture.ingest().ingest(left_when(|| true)).await);
    let calls = (fixture.host.hosted(), fixture.provider.calls());
    assert_eq!((calls, fixture.codec.decodes()), ((0, 0), 0));
    assert!(fixture.store.images().is_empty() && fixture.originals.digests().is_empty());
}

#[tokio::test]
async fn no_tagging_starts_if_the_client_goes_during_hosting() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let host = Arc::clone(&fixture.host);
    let upload = left_when(move || host.hosted() > 0);
    assert_cancelled(&fixture.ingest().ingest(upload).await);
    assert_eq!((fixture.host.hosted(), fixture.provider.calls()), (1, 0));
    assert_eq!(fixture.releases.handed_over(), fixture.host.alive());
    assert!(fixture.store.images().is_empty());
}

#[tokio::test]
async fn tagged_image_is_recorded_even_for_a_gone_client() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let provider = Arc::clone(&fixture.provider);
    let upload = left_when(move || provider.calls() > 0);
    fixture.ingest().ingest(upload).await.unwrap();
    assert_eq!(fixture.store.images().len(), 1);
    fixture.ingest().ingest(left_when(|| true)).await.unwrap();
    assert_eq!(
        fixture.store.images().len(),
        2,
        "what is known costs no call"
    );
}

#[tokio::test]
async fn shared_call_is_made_while_any_caller_waits() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    let (gone, there) = tokio::join!(
        ingest.ingest(left_when(|| true)),
        ingest.ingest(upload(&picture(), 80.0))
    );
    // The first may have been answered before the second came.
    assert!(gone.is_ok() || matches!(gone, Err(IngestError::Tagging(UpstreamError::Cancelled))));
    there.unwrap();
    assert_eq!(fixture.provider.calls(), 1);
}

/// Altered, truncated, missing and unreadable bytes.
#[tokio::test]
async fn a_damaged_original_is_put_again_by_the_next_upload() {
    let digest = ContentDigest::of(&picture());
    let altered = picture().iter().map(|byte| !byte).collect::<Bytes>();
    let damages: [&dyn Fn(&FakeOriginalStore); 4] = [
        &|originals| originals.tamper(&digest, altered.clone()),
        &|originals| originals.tamper(&digest, picture().slice(1..)),
        &|originals| originals.lose(&digest),
        &|originals| originals.spoil(&digest),
    ];
    for damage in damages {
        let fixture = Fixture::new(Pull::Jpeg(16));
        let ingest = fixture.ingest();
        ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
        damage(&fixture.originals);
        fixture.store.note_damage(&digest, at(1)).await.unwrap();
        ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
        let kept = fixture.originals.fingerprint(&digest).await.unwrap();
        assert_eq!(kept.unwrap().digest, digest);
        assert_eq!(fixture.store.damaged_at(&digest), None);
        assert_eq!(fixture.provider.calls(), 1);
    }
}

/// Without a note the length alone decides.
#[tokio::test]
async fn missing_or_truncated_original_is_put_again_without_note() {
    let digest = ContentDigest::of(&picture());
    let fixture = Fixture::new(Pull::Jpeg(16));
    let ingest = fixture.ingest();
    ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    for damage in [Bytes::new(), picture().slice(1..)] {
        fixture.originals.tamper(&digest, damage);
        ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
        let kept = fixture.originals.fingerprint(&digest).await.unwrap();
        assert_eq!(kept.unwrap().digest, digest);
    }
}

#[tokio::test]
async fn invalid_picture_is_refused_first() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let error = fixture
        .ingest()
        .ingest(upload(&Bytes::from_static(b"text"), 80.0))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        IngestError::Picture(CodecError::NotAnImage { .. })
    ));
    assert_eq!((fixture.host.hosted(), fixture.provider.calls()), (0, 0));
    assert!(fixture.originals.digests().is_empty());
}

#[tokio::test]
async fn failing_host_fails_the_upload() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    fixture.host.fail_next(UpstreamError::TimedOut);
    let error = fixture
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        IngestError::Tagging(UpstreamError::TimedOut)
    ));
    assert_eq!(fixture.provider.calls(), 0);
}

#[tokio::test]
async fn missing_blob_host_is_reported() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ports = IngestPorts {
        host: None,
        ..fixture.ports()
    };
    let error = Ingest::new(ports, SETTINGS)
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        IngestError::Tagging(UpstreamError::Refused(_))
    ));
}

#[tokio::test]
async fn full_disk_registers_nothing_but_keeps_the_answer() {
    let fixture = Fixture::new(Pull::PublicUrl(16));
    let ingest = fixture.ingest();
    fixture.originals.set_down(true);
    let error = ingest.ingest(upload(&picture(), 80.0)).await.unwrap_err();
    assert!(matches!(
        error,
        IngestError::Originals(OriginalStoreError::Unavailable(_))
    ));
    assert!(fixture.store.images().is_empty());
    fixture.originals.set_down(false);
    ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(fixture.provider.calls(), 1);
}

/// Mocks that expect no call until configured; the provider pulls pixels from the codec's.
struct Mocks {
    images: MockImageStore,
    taggings: MockTaggingCache,
    ledger: MockOriginalLedger,
    originals: MockOriginalStore,
    codec: MockImageCodec,
    provider: Arc<FakeTagProvider>,
    host: MockBlobHost,
    releases: MockReleaseQueue,
}

impl Mocks {
    fn new() -> Self {
        let mut codec = MockImageCodec::new();
        codec
            .expect_camera_data()
            .returning(|_| CameraData::default());
        Self {
            images: MockImageStore::new(),
            taggings: MockTaggingCache::new(),
            ledger: MockOriginalLedger::new(),
            originals: MockOriginalStore::new(),
            codec,
            provider: Arc::new(FakeTagProvider::new(Pull::Pixels(side(16)))),
            host: MockBlobHost::new(),
            releases: MockReleaseQueue::new(),
        }
    }

    /// A store that has everything about the bytes, so that only put and record are left.
    fn knowing() -> Self {
        let mut mocks = Self::new();
        mocks.taggings.expect_known().returning(|_| Ok(known()));
        mocks
    }

    fn ingest(self) -> Ingest {
        let ports = IngestPorts {
            images: Arc::new(self.images),
            taggings: Arc::new(self.taggings),
            ledger: Arc::new(self.ledger),
            originals: Arc::new(self.originals),
            codec: Arc::new(self.codec),
            provider: self.provider,
            host: Some(Arc::new(self.host)),
            releases: Arc::new(self.releases),
            clock: Arc::<TestClock>::default(),
        };
        Ingest::new(ports, SETTINGS)
    }
}

fn known() -> Known {
    Known {
        facts: Some(ImageFacts {
            media_type: domain::MediaType::Jpeg,
            width: 640,
            height: 480,
            byte_size: picture().len() as u64,
        }),
        tagging: Some(Tagging {
            tags: tags(&[("car", 91.5)]),
            tagged_at: at(0),
        }),
    }
}

fn store_down() -> ImageStoreError {
    ImageStoreError::Unavailable(cause("down"))
}

async fn store_error(mocks: Mocks) -> ImageStoreError {
    match mocks.ingest().ingest(upload(&picture(), 80.0)).await {
        Err(IngestError::Store(error)) => error,
        other => panic!("an error of the store was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn claims_then_puts_then_records() {
    let mut mocks = Mocks::knowing();
    let mut order = Sequence::new();
    mocks
        .ledger
        .expect_claim()
        .times(1)
        .in_sequence(&mut order)
        .withf(|_, _, now: &DateTime<Utc>, until| *until == *now + CLAIM)
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks
        .originals
        .expect_put()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .times(1)
        .in_sequence(&mut order)
        .withf(|new| new.taggings.is_empty())
        .returning(|_| Ok(()));
    mocks
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
}

/// A store whose claim finds damage.
fn finding_damage() -> Mocks {
    let mut mocks = Mocks::knowing();
    mocks
        .ledger
        .expect_claim()
        .times(1)
        .returning(|_, _, _, _| {
            Ok(Claimed {
                rewrite: true,
                is_damaged: true,
                ..Claimed::default()
            })
        });
    mocks
        .originals
        .expect_put()
        .times(1)
        .withf(|_, _, mode| *mode == PutMode::Overwrite)
        .returning(|_, _, _| Ok(()));
    mocks
}

#[tokio::test]
async fn damage_note_outlives_an_upload_that_is_not_recorded() {
    let mut mocks = finding_damage();
    mocks
        .images
        .expect_record()
        .times(1)
        .returning(|_| Err(store_down()));
    store_error(mocks).await;
}

#[tokio::test]
async fn a_note_of_damage_that_cannot_be_cleared_fails_no_upload() {
    let mut mocks = finding_damage();
    mocks.images.expect_record().times(1).returning(|_| Ok(()));
    mocks
        .ledger
        .expect_clear_damage()
        .times(1)
        .returning(|_| Err(store_down()));
    let upload = upload(&picture(), 80.0);
    mocks.ingest().ingest(upload).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_down_costs_no_call() {
    let mut mocks = Mocks::new();
    mocks
        .taggings
        .expect_known()
        .times(1)
        .returning(|_| Err(store_down()));
    assert!(matches!(
        store_error(mocks).await,
        ImageStoreError::Unavailable(_)
    ));
}

#[tokio::test]
async fn bytes_that_cannot_be_claimed_are_not_put() {
    let mut mocks = Mocks::knowing();
    mocks
        .ledger
        .expect_claim()
        .times(1)
        .returning(|_, _, _, _| Err(store_down()));
    assert!(matches!(
        store_error(mocks).await,
        ImageStoreError::Unavailable(_)
    ));
}

#[tokio::test]
async fn a_record_that_fails_is_an_error_and_is_not_repeated() {
    let mut mocks = Mocks::knowing();
    mocks
        .ledger
        .expect_claim()
        .times(1)
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks
        .originals
        .expect_put()
        .times(1)
        .returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .times(1)
        .returning(|_| Err(store_down()));
    assert!(matches!(
        store_error(mocks).await,
        ImageStoreError::Unavailable(_)
    ));
}

#[tokio::test]
async fn a_lost_claim_is_claimed_and_put_again() {
    let mut mocks = Mocks::knowing();
    mocks
        .ledger
        .expect_claim()
        .times(2)
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks
        .originals
        .expect_put()
        .times(2)
        .returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .times(1)
        .returning(|_| Err(ImageStoreError::ClaimLost));
    mocks.images.expect_record().times(1).returning(|_| Ok(()));
    mocks
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_claim_that_is_lost_again_and_again_is_an_error() {
    let mut mocks = Mocks::knowing();
    mocks
        .ledger
        .expect_claim()
        .times(CLAIM_ATTEMPTS)
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks
        .originals
        .expect_put()
        .times(CLAIM_ATTEMPTS)
        .returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .times(CLAIM_ATTEMPTS)
        .returning(|_| Err(ImageStoreError::ClaimLost));
    assert!(matches!(
        store_error(mocks).await,
        ImageStoreError::ClaimLost
    ));
}

/// Mocks of an upload that is tagged once, with a store that does not have its tags before.
fn tagging_once() -> Mocks {
    let mut mocks = Mocks::new();
    mocks
        .taggings
        .expect_known()
        .returning(|_| Ok(Known::default()));
    mocks.codec.expect_decode().returning(|_, _, _| {
        let picture = Picture {
            media_type: domain::MediaType::Png,
            width: 2,
            height: 1,
            scaled_width: 2,
            scaled_height: 1,
            pixels: vec![0; 6],
            as_uploaded: None,
        };
        Ok(picture.into())
    });
    mocks.provider.set_tags(tags(&[("car", 91.5)]));
    mocks
}

fn refused() -> ImageStoreError {
    ImageStoreError::Failed(cause("refused"))
}

/// Lets claims and puts succeed, and every record fail.
fn recording_fails(mocks: &mut Mocks, error: fn() -> ImageStoreError) {
    mocks
        .ledger
        .expect_claim()
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks.originals.expect_put().returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .returning(move |_| Err(error()));
}

fn claiming_fails(mocks: &mut Mocks) {
    mocks
        .ledger
        .expect_claim()
        .returning(|_, _, _, _| Err(ImageStoreError::Contended(cause("a removal"))));
}

fn putting_fails(mocks: &mut Mocks) {
    mocks
        .ledger
        .expect_claim()
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks
        .originals
        .expect_put()
        .returning(|_, _, _| Err(OriginalStoreError::Unavailable(cause("full"))));
}

#[tokio::test]
async fn answer_is_kept_whatever_fails_after_tagging() {
    let failures: [fn(&mut Mocks); 4] = [
        claiming_fails,
        putting_fails,
        |mocks| recording_fails(mocks, refused),
        |mocks| recording_fails(mocks, || ImageStoreError::ClaimLost),
    ];
    for fail in failures {
        let mut mocks = tagging_once();
        fail(&mut mocks);
        mocks
            .taggings
            .expect_keep_tagging()
            .times(1)
            .withf(|_, tagging| tagging.tags == tags(&[("car", 91.5)]))
            .returning(|_, _| Ok(()));
        let provider = Arc::clone(&mocks.provider);
        let ingest = mocks.ingest();
        ingest.ingest(upload(&picture(), 80.0)).await.unwrap_err();
        assert_eq!(ingest.save_answers().await.unwrap(), 0);
        assert_eq!(provider.calls(), 1);
    }
}

#[tokio::test]
async fn unsaved_answer_keeps_the_first_error_and_is_saved_later() {
    let mut mocks = tagging_once();
    putting_fails(&mut mocks);
    let mut outcomes = [Ok(()), Err(refused()), Err(refused())].to_vec();
    mocks
        .taggings
        .expect_keep_tagging()
        .times(3)
        .returning(move |_, _| outcomes.pop().unwrap());
    let provider = Arc::clone(&mocks.provider);
    let ingest = mocks.ingest();
    let error = ingest.ingest(upload(&picture(), 80.0)).await.unwrap_err();
    assert!(matches!(error, IngestError::Originals(_)));
    assert!(ingest.save_answers().await.is_err());
    assert_eq!(ingest.save_answers().await.unwrap(), 1);
    assert_eq!(ingest.save_answers().await.unwrap(), 0);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn tagging_succeeds_if_its_answer_is_saved_later() {
    let mut mocks = tagging_once();
    let mut outcomes = [Ok(()), Err(store_down())].to_vec();
    mocks
        .taggings
        .expect_keep_tagging()
        .times(2)
        .returning(move |_, _| outcomes.pop().unwrap());
    let provider = Arc::clone(&mocks.provider);
    let ingest = mocks.ingest();
    let tagged = ingest.tag(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(tagged.tags, tags(&[("car", 91.5)]));
    assert_eq!(ingest.save_answers().await.unwrap(), 1);
    assert_eq!(ingest.save_answers().await.unwrap(), 0);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn unavailable_database_is_not_retried_in_the_request() {
    let mut mocks = tagging_once();
    recording_fails(&mut mocks, store_down);
    let provider = Arc::clone(&mocks.provider);
    let ingest = mocks.ingest();
    ingest.ingest(upload(&picture(), 80.0)).await.unwrap_err();
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn pending_answer_serves_the_next_upload() {
    let mut mocks = tagging_once();
    mocks
        .ledger
        .expect_claim()
        .returning(|_, _, _, _| Ok(Claimed::default()));
    mocks.originals.expect_put().returning(|_, _, _| Ok(()));
    mocks
        .images
        .expect_record()
        .times(1)
        .returning(|_| Err(store_down()));
    mocks
        .images
        .expect_record()
        .times(1)
        .withf(|new| new.taggings.len() == 1)
        .returning(|_| Ok(()));
    let provider = Arc::clone(&mocks.provider);
    let ingest = mocks.ingest();
    ingest.ingest(upload(&picture(), 80.0)).await.unwrap_err();
    let image = ingest.ingest(upload(&picture(), 80.0)).await.unwrap();
    assert_eq!(labels(&image), ["car"]);
    assert_eq!(ingest.save_answers().await.unwrap(), 0);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn facts_alone_do_not_spare_the_call() {
    let mut mocks = Mocks::new();
    mocks.taggings.expect_known().returning(|_| {
        Ok(Known {
            tagging: None,
            ..known()
        })
    });
    mocks.codec.expect_decode().times(1).returning(|_, _, _| {
        Err(CodecError::NotAnImage {
            reason: "cut off".to_owned(),
        })
    });
    let error = mocks
        .ingest()
        .ingest(upload(&picture(), 80.0))
        .await
        .unwrap_err();
    assert!(matches!(error, IngestError::Picture(_)));
}

#[tokio::test]
async fn new_bytes_beyond_the_bound_are_refused_and_known_ones_are_not() {
    let fixture = Fixture::new(Pull::Pixels(side(16)));
    let ingest = fixture.with_room_for(2);
    for number in [0, 1, 0] {
        ingest
            .ingest(upload(&numbered(number), 80.0))
            .await
            .unwrap();
    }
    let calls = fixture.provider.calls();
    let limit = 2 * numbered(0).len() as u64;
    for _ in 0..2 {
        let refused = ingest.ingest(upload(&numbered(2), 80.0)).await;
        assert!(matches!(refused, Err(IngestError::StoreFull { limit: it }) if it == limit));
    }
    assert_eq!(fixture.provider.calls(), calls);
    assert_eq!(fixture.originals.digests().len(), 2);
    ingest.ingest(upload(&numbered(1), 80.0)).await.unwrap();
    // Nothing is stored of it.
    ingest.tag(upload(&numbered(2), 80.0)).await.unwrap();
}

#[tokio::test]
async fn originals_of_other_servers_count() {
    let fixture = Fixture::new(Pull::Pixels(side(16)));
    let (one, other) = (fixture.with_room_for(2), fixture.with_room_for(2));
    one.ingest(upload(&numbered(0), 80.0)).await.unwrap();
    other.ingest(upload(&numbered(1), 80.0)).await.unwrap();
    for server in [one, other] {
        let refused = server.ingest(upload(&numbered(2), 80.0)).await;
        assert!(matches!(refused, Err(IngestError::StoreFull { .. })));
    }
}

#[tokio::test]
async fn room_of_removed_originals_is_found_by_counting_again() {
    let fixture = Fixture::new(Pull::Pixels(side(16)));
    let ingest = fixture.with_room_for(1);
    ingest.ingest(upload(&numbered(0), 80.0)).await.unwrap();
    // Counted by the next upload only.
    let refused = ingest.ingest(upload(&numbered(1), 80.0)).await;
    assert!(matches!(refused, Err(IngestError::StoreFull { .. })));
    let fence = domain::Fence::random();
    let (digest, now) = (ContentDigest::of(&numbered(0)), at(60));
    for image in fixture.store.images() {
        fixture.store.lose(&image.id);
    }
    let claimed = fixture.store.claim_orphan(&digest, fence, now, at(120));
    assert!(claimed.await.unwrap());
    assert!(fixture.store.forget(&digest, fence).await.unwrap());
    let refused = ingest.ingest(upload(&numbered(1), 80.0)).await;
    assert!(matches!(refused, Err(IngestError::StoreFull { .. })));
    assert_eq!(ingest.recount_store().await.unwrap(), Some(0));
    ingest.ingest(upload(&numbered(1), 80.0)).await.unwrap();
}

/// What is under way counts, and a failure gives its room back.
#[tokio::test]
async fn uploads_at_once_do_not_share_the_last_room() {
    let fixture = Fixture::new(Pull::Pixels(side(16)));
    let ingest = fixture.with_room_for(3);
    fixture.provider.fail_next(unavailable());
    let failed = ingest.ingest(upload(&numbered(0), 80.0)).await;
    assert!(matches!(failed, Err(IngestError::Tagging(_))));
    let uploads = (1..9).map(|number| ingest.ingest(upload(&numbered(number), 80.0)));
    let outcomes = futures_util::future::join_all(uploads).await;
    let registered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1..=3).contains(&registered), "{registered}");
    for number in 9..20 {
        let outcome = ingest.ingest(upload(&numbered(number), 80.0)).await;
        assert!(matches!(
            outcome,
            Ok(_) | Err(IngestError::StoreFull { .. })
        ));
    }
    assert_eq!(fixture.originals.digests().len(), 3);
}
