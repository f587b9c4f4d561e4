//! Look-alikes and duplicates, and the jobs that make images findable.

use std::{num::NonZeroU32, sync::Arc};

use chrono::TimeDelta;
use domain::{
    Confidence, Image, ImageId, JobKind, JobState, MAX_JOBS, Threshold,
    ports::{
        CallContext, FeatureExtractor as _, FeatureStore, ImageEdits, JobStore, UpstreamError,
        cause,
    },
    service::{
        Catalog, CatalogPorts, Editing, EditingPorts, FeatureJobs, FeatureStep, Ingest,
        IngestPorts, IngestSettings, JobRunner, JobRunnerPorts, LookAlikePorts, LookAlikes,
        LookAlikesError, PictureCodePorts, PictureCodes, Progress, TaggerChoice, Upload,
    },
};
use domain_testing::{
    FakeDatabase, FakeFeatureExtractor, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue,
    FakeSimilarityIndex, FakeTagProvider, Pull, TestClock, at, tags,
};

struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    extractor: Arc<FakeFeatureExtractor>,
    provider: Arc<FakeTagProvider>,
    catalog: Catalog,
    ingest: Arc<Ingest>,
    clock: Arc<TestClock>,
}

fn threshold() -> Threshold {
    Threshold::new(Confidence::new(50.0).unwrap())
}

fn limit(most: u32) -> NonZeroU32 {
    NonZeroU32::new(most).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::<TestClock>::default();
        let originals = Arc::new(FakeOriginalStore::new(clock.clone()));
        let store = Arc::<FakeDatabase>::default();
        let provider = FakeTagProvider::new(Pull::Jpeg(16)).with_tags(tags(&[("car", 90.0)]));
        let provider = Arc::new(provider);
        let ports = IngestPorts {
            images: store.clone(),
            taggings: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            codec: Arc::<FakeImageCodec>::default(),
            provider: provider.clone(),
            host: None,
            releases: Arc::new(FakeReleaseQueue::default()),
            clock: clock.clone(),
        };
        let settings = IngestSettings {
            claim: TimeDelta::hours(1),
            store_bytes: None,
        };
        let catalog = Catalog::new(CatalogPorts {
            images: store.clone(),
            counter: store.clone(),
            infos: store.clone(),
            statistics: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            clock: clock.clone(),
        });
        Self {
            ingest: Arc::new(Ingest::new(ports, settings)),
            extractor: Arc::default(),
            catalog,
            store,
            originals,
            provider,
            clock,
        }
    }

    fn codes(&self, has_features: bool) -> PictureCodes {
        let ports = PictureCodePorts {
            store: self.store.clone(),
            extractor: has_features.then_some(self.extractor.clone() as _),
            codec: Arc::<FakeImageCodec>::default(),
            releases: Arc::new(FakeReleaseQueue::default()),
        };
        PictureCodes::new(ports, self.catalog.clone())
    }

    fn service(&self, has_features: bool) -> LookAlikes {
        let ports = LookAlikePorts {
            index: Arc::new(FakeSimilarityIndex::new(self.store.clone())),
            codes: self.store.clone(),
            images: self.store.clone(),
        };
        LookAlikes::new(ports, self.codes(has_features))
    }

    async fn register(&self, width: u32, content: &str) -> Image {
        let bytes = FakeImageCodec::picture(width, 480, content);
        self.clock.advance(TimeDelta::seconds(1));
        let upload = Upload {
            digest: domain::ContentDigest::of(&bytes),
            bytes,
            threshold: threshold(),
            taggers: TaggerChoice::default(),
            file_name: None,
            imported: None,
            request: None,
            context: CallContext::local(),
        };
        self.ingest.ingest(upload).await.unwrap()
    }

    /// Registers pictures, and computes their features.
    async fn register_all(&self, contents: &[&str]) -> Vec<Image> {
        let mut images = Vec::new();
        for content in contents {
            images.push(self.register(640, content).await);
        }
        self.run_job().await;
        images
    }

    fn feature_jobs(&self) -> FeatureJobs {
        FeatureJobs::new(self.store.clone(), self.store.clone(), self.codes(true))
    }

    fn runner(&self) -> JobRunner {
        let ports = JobRunnerPorts {
            queue: self.store.clone(),
            images: self.store.clone(),
            edits: self.store.clone(),
            statistics: self.store.clone(),
            clock: self.clock.clone(),
        };
        let editing = EditingPorts {
            edits: self.store.clone(),
            clock: self.clock.clone(),
        };
        let editing = Editing::new(editing, self.catalog.clone(), self.ingest.clone());
        JobRunner::new(ports, editing, self.codes(true), threshold())
    }

    /// Looks for images without features, and carries out the job that is made. Its number of images and failures.
    async fn run_job(&self) -> Option<(u64, u64)> {
        let FeatureStep::Made(job) = self.feature_jobs().step().await.unwrap() else {
            return None;
        };
        let runner = self.runner();
        let mut running = runner.claim().await.unwrap().unwrap();
        let context = CallContext::local();
        while runner.step(&mut running, &context).await.unwrap() != Progress::Over {}
        let job = self.store.job(&job.id).await.unwrap().unwrap();
        assert_eq!((job.kind, job.state), (JobKind::Features, JobState::Done));
        Some((job.total, job.failed))
    }

    async fn similar(&self, image: &Image, most: u32) -> Vec<(ImageId, f64)> {
        let context = CallContext::local();
        let service = self.service(true);
        let found = service.similar(&image.id, limit(most), &context).await;
        let found = found.unwrap().unwrap();
        found
            .iter()
            .map(|it| (it.image.id, it.similarity))
            .collect()
    }

    async fn duplicates(&self, image: &Image) -> Vec<(ImageId, f64)> {
        let context = CallContext::local();
        let service = self.service(false);
        let found = service.duplicates(&image.id, limit(20), &context).await;
        let found = found.unwrap().unwrap();
        found
            .iter()
            .map(|it| (it.image.id, it.similarity))
            .collect()
    }
}

fn ids(found: &[(ImageId, f64)]) -> Vec<ImageId> {
    found.iter().map(|(id, _)| *id).collect()
}

#[tokio::test]
async fn look_alikes_come_most_alike_first_without_the_image() {
    let fixture = Fixture::new();
    let images = fixture
        .register_all(&[
            "red car on a road",
            "red car on a rope",
            "red cat in a tree",
            "blue",
        ])
        .await;
    let found = fixture.similar(&images[0], 3).await;
    assert_eq!(ids(&found), [images[1].id, images[2].id, images[3].id]);
    assert!(
        found.is_sorted_by(|one, other| one.1 >= other.1),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .all(|(_, similarity)| (0.0..=100.0).contains(similarity))
    );
    assert_eq!(fixture.similar(&images[0], 1).await, found[..1]);
}

#[tokio::test]
async fn the_same_bytes_registered_twice_are_alike_to_the_full() {
    let fixture = Fixture::new();
    let images = fixture
        .register_all(&["red car", "red car", "red cat"])
        .await;
    let found = fixture.similar(&images[0], 5).await;
    assert_eq!(found[0], (images[1].id, 100.0));
    let found = fixture.duplicates(&images[0]).await;
    assert_eq!(found[0], (images[1].id, 100.0));
}

#[tokio::test]
async fn deleted_images_make_room_for_others() {
    let fixture = Fixture::new();
    let contents: Vec<String> = (0..450).map(|n| format!("picture {n:03}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let images = fixture.register_all(&contents).await;
    for image in &images[1..449] {
        fixture
            .store
            .delete(&image.id, at(1_000_000))
            .await
            .unwrap();
    }
    assert_eq!(
        ids(&fixture.similar(&images[0], 20).await),
        [images[449].id]
    );
    fixture
        .store
        .delete(&images[0].id, at(1_000_000))
        .await
        .unwrap();
    let context = CallContext::local();
    let service = fixture.service(true);
    let gone = service.similar(&images[0].id, limit(5), &context).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn features_that_are_missing_are_computed_from_the_original() {
    let fixture = Fixture::new();
    fixture.register_all(&["red car", "red cat"]).await;
    let late = fixture.register(640, "red cap").await;
    let calls = fixture.extractor.calls();
    assert_eq!(fixture.similar(&late, 5).await.len(), 2);
    assert_eq!(fixture.similar(&late, 5).await.len(), 2);
    assert_eq!(fixture.extractor.calls(), calls + 1);
}

#[tokio::test]
async fn features_that_came_with_the_tags_are_kept() {
    let fixture = Fixture::new();
    let bytes = FakeImageCodec::picture(640, 480, "red car");
    let features = domain::ModelFeatures {
        model: domain::FeatureModel::parse("fake-network-1").unwrap(),
        features: FakeFeatureExtractor::of_file(&bytes),
    };
    fixture.provider.set_features(Some(features));
    let image = fixture.register(640, "red car").await;
    assert_eq!(fixture.run_job().await, None);
    assert_eq!(fixture.similar(&image, 5).await, []);
    assert_eq!(fixture.extractor.calls(), 0);
}

#[tokio::test]
async fn a_tagger_without_features_finds_no_look_alikes() {
    let fixture = Fixture::new();
    let image = fixture.register(640, "red car").await;
    let context = CallContext::local();
    let service = fixture.service(false);
    let outcome = service.similar(&image.id, limit(5), &context).await;
    assert!(
        matches!(outcome, Err(LookAlikesError::NoModel)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn duplicates_are_those_whose_hashes_hardly_differ() {
    let fixture = Fixture::new();
    let mut images = Vec::new();
    for (width, content) in [
        (640, "car"),
        (320, "car"),
        (640, "car~3"),
        (640, "car~8"),
        (640, "car~9"),
        (640, "cat"),
        (640, "blank"),
        (320, "blank"),
    ] {
        images.push(fixture.register(width, content).await);
    }
    let found = fixture.duplicates(&images[0]).await;
    let expected = [
        (images[1].id, 100.0),
        (images[2].id, 95.3125),
        (images[3].id, 87.5),
    ];
    assert_eq!(found, expected);
    assert_eq!(fixture.duplicates(&images[6]).await, []);
    fixture
        .store
        .delete(&images[1].id, at(1_000_000))
        .await
        .unwrap();
    assert_eq!(fixture.duplicates(&images[0]).await, expected[1..]);
}

#[tokio::test]
async fn a_job_computes_what_is_missing_once() {
    let fixture = Fixture::new();
    for number in 0..20 {
        fixture.register(640, &format!("picture {number}")).await;
    }
    assert_eq!(fixture.run_job().await, Some((20, 0)));
    assert_eq!(fixture.extractor.calls(), 20);
    assert_eq!(fixture.run_job().await, None);
    fixture.register(640, "another").await;
    assert_eq!(fixture.run_job().await, Some((1, 0)));
    assert_eq!(fixture.extractor.calls(), 21);
}

#[tokio::test]
async fn there_is_one_such_job_at_a_time() {
    let fixture = Fixture::new();
    fixture.register(640, "car").await;
    let FeatureStep::Made(job) = fixture.feature_jobs().step().await.unwrap() else {
        panic!("no job");
    };
    assert_eq!(
        fixture.feature_jobs().step().await.unwrap(),
        FeatureStep::Resting
    );
    fixture.store.cancel_job(&job.id).await.unwrap();
    assert_eq!(
        fixture.feature_jobs().step().await.unwrap(),
        FeatureStep::Resting
    );
    let jobs = fixture.store.jobs(None, limit(MAX_JOBS)).await.unwrap();
    assert_eq!(jobs.len(), 1);
}

#[tokio::test]
async fn the_next_pass_begins_where_the_last_one_did() {
    let fixture = Fixture::new();
    for number in 0..1200 {
        fixture.register(640, &format!("picture {number}")).await;
        fixture.clock.advance(TimeDelta::minutes(1));
    }
    let jobs = fixture.feature_jobs();
    for _ in 0..2 {
        assert_eq!(jobs.step().await.unwrap(), FeatureStep::Looked);
    }
    let step = jobs.step().await.unwrap();
    assert!(
        matches!(&step, FeatureStep::Made(job) if job.total == 1200),
        "{step:?}"
    );
    // Those of an hour.
    assert_eq!(jobs.step().await.unwrap(), FeatureStep::Resting);
}

#[tokio::test]
async fn originals_that_cannot_be_read_are_set_aside() {
    let fixture = Fixture::new();
    let image = fixture.register(640, "car").await;
    let other = fixture.register(640, "cat").await;
    fixture.originals.lose(&image.digest);
    assert_eq!(fixture.run_job().await, Some((2, 1)));
    assert_eq!(fixture.run_job().await, None);
    let model = fixture.extractor.model();
    let kept = fixture.store.code_of(&other.digest, model).await;
    assert!(kept.unwrap().unwrap().code.is_some());
    let lost = fixture.store.code_of(&image.digest, model).await;
    assert_eq!(lost.unwrap(), None, "it may be put back");
}

/// A pass that ended while there was a job leaves nothing out.
#[tokio::test]
async fn images_that_came_during_a_job_get_one_later() {
    let fixture = Fixture::new();
    fixture.register(640, "car").await;
    let jobs = fixture.feature_jobs();
    let made = jobs.step().await.unwrap();
    assert!(matches!(made, FeatureStep::Made(_)));
    fixture.register(640, "cat").await;
    assert_eq!(jobs.step().await.unwrap(), FeatureStep::Resting);
    fixture.clock.advance(TimeDelta::hours(3));
    fixture.register(640, "dog").await;
    assert_eq!(jobs.step().await.unwrap(), FeatureStep::Resting);
    let runner = fixture.runner();
    let mut running = runner.claim().await.unwrap().unwrap();
    let context = CallContext::local();
    while runner.step(&mut running, &context).await.unwrap() != Progress::Over {}
    let step = jobs.step().await.unwrap();
    assert!(
        matches!(&step, FeatureStep::Made(job) if job.total == 2),
        "{step:?}"
    );
}

#[tokio::test]
async fn a_job_pauses_while_nothing_can_be_computed() {
    let fixture = Fixture::new();
    fixture.register(640, "car").await;
    let busy = UpstreamError::Unavailable {
        retry_after: None,
        source: cause("loading"),
    };
    fixture.extractor.fail(Some(busy));
    let made = fixture.feature_jobs().step().await.unwrap();
    assert!(matches!(made, FeatureStep::Made(_)));
    let runner = fixture.runner();
    let mut running = runner.claim().await.unwrap().unwrap();
    let id = running.id();
    let context = CallContext::local();
    assert_eq!(
        runner.step(&mut running, &context).await.unwrap(),
        Progress::Over
    );
    assert_eq!(fixture.store.pauses(&id), 1);
    fixture.extractor.fail(None);
    fixture.store.expire_jobs();
    let mut running = runner.claim().await.unwrap().unwrap();
    while runner.step(&mut running, &context).await.unwrap() != Progress::Over {}
    let job = fixture.store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.state, job.failed), (JobState::Done, 0));
}
