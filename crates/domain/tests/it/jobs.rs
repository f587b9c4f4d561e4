//! Jobs, carried out on in-memory fakes.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Confidence, ConfidenceHistogram, Image, ImageId, ImageQuery, Job, JobAction, JobFilter, JobId,
    JobRequest, JobState, Label, LabelNames, PageKey, TagEdit, TagSummary, Threshold, TimeWindow,
    VocabularyEntry,
    ports::{
        Advanced, CallContext, ClaimedJob, Database, ImageStoreError, JobLease, JobQueue, JobStep,
        TagStatistics, UpstreamError, cause,
    },
    service::{
        Catalog, CatalogPorts, Editing, EditingPorts, Ingest, IngestPorts, IngestSettings,
        JobError, JobPorts, JobRunner, JobRunnerPorts, Jobs, KnownTaggers, PictureCodePorts,
        PictureCodes, Progress, SharedVocabulary, TaggerChoice, Upload,
    },
};
use domain_testing::{
    FakeDatabase, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue, FakeTagProvider, Pull,
    TestClock, at, image, label, tag, tags,
};

/// The services over in-memory fakes.
struct Fixture {
    catalog: Catalog,
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    provider: Arc<FakeTagProvider>,
    clock: Arc<TestClock>,
    ingest: Arc<Ingest>,
    editing: Editing,
    jobs: Jobs,
    vocabulary: SharedVocabulary,
}

fn threshold(lowest: f64) -> Threshold {
    Threshold::new(Confidence::new(lowest).unwrap())
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::<TestClock>::default();
        let originals = Arc::new(FakeOriginalStore::new(clock.clone()));
        let found = tags(&[("car", 90.0), ("cab", 60.0)]);
        let provider = FakeTagProvider::new(Pull::Jpeg(16)).with_tags(found);
        Self::on(Arc::default(), originals, Arc::new(provider), clock)
    }

    fn on(
        store: Arc<FakeDatabase>,
        originals: Arc<FakeOriginalStore>,
        provider: Arc<FakeTagProvider>,
        clock: Arc<TestClock>,
    ) -> Self {
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
        let names = LabelNames::default();
        let vocabulary = SharedVocabulary::new(store.clone(), clock.clone(), names, false);
        let ingest = Ingest::new(ports, settings).with_vocabulary(vocabulary.clone());
        let ingest = Arc::new(ingest);
        let catalog = Catalog::new(CatalogPorts {
            images: store.clone(),
            counter: store.clone(),
            infos: store.clone(),
            statistics: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            clock: clock.clone(),
        });
        let catalog = catalog.with_vocabulary(vocabulary.clone());
        let editing = EditingPorts {
            edits: store.clone(),
            clock: clock.clone(),
        };
        let jobs = JobPorts {
            jobs: store.clone(),
            images: store.clone(),
            edits: store.clone(),
        };
        Self {
            editing: Editing::new(editing, catalog.clone(), Arc::clone(&ingest)),
            catalog,
            vocabulary,
            jobs: Jobs::new(jobs, KnownTaggers::new(["fake"])),
            ingest,
            store,
            originals,
            provider,
            clock,
        }
    }

    fn runner(&self) -> JobRunner {
        self.runner_on(self.store.clone(), self.store.clone())
    }

    fn runner_on(&self, queue: Arc<dyn JobQueue>, statistics: Arc<dyn TagStatistics>) -> JobRunner {
        let ports = JobRunnerPorts {
            queue,
            images: self.store.clone(),
            edits: self.store.clone(),
            statistics,
            clock: self.clock.clone(),
        };
        let codes = PictureCodePorts {
            store: self.store.clone(),
            extractor: None,
            codec: Arc::<FakeImageCodec>::default(),
            releases: Arc::new(FakeReleaseQueue::default()),
        };
        let codes = PictureCodes::new(codes, self.catalog.clone());
        JobRunner::new(ports, self.editing.clone(), codes, threshold(50.0))
    }

    /// Registers different pictures, a second apart, by the service.
    async fn register(&self, count: usize) -> Vec<Image> {
        let mut images = Vec::new();
        for number in 0..count {
            let bytes = FakeImageCodec::picture(640, 480, &format!("picture {number}"));
            let upload = Upload {
                digest: domain::ContentDigest::of(&bytes),
                bytes,
                threshold: threshold(50.0),
                taggers: TaggerChoice::default(),
                file_name: None,
                imported: None,
                request: None,
                context: CallContext::local(),
            };
            images.push(self.ingest.ingest(upload).await.unwrap());
            self.clock.advance(TimeDelta::seconds(1));
        }
        images
    }

    async fn create(&self, action: JobAction) -> Job {
        let filter = JobFilter::new(Some(ImageQuery::default()), None);
        self.create_for(action, filter).await
    }

    async fn create_for(&self, action: JobAction, filter: JobFilter) -> Job {
        let request = JobRequest {
            action,
            filter,
            dry_run: false,
        };
        self.jobs.create(request, None, None).await.unwrap()
    }

    async fn read(&self, id: &JobId) -> Job {
        self.jobs.find(id).await.unwrap().unwrap()
    }

    /// Another version of the provider, of which no answer is stored.
    fn with_other_provider(&self) -> Self {
        let other = FakeTagProvider::new(Pull::Jpeg(16))
            .with_identity("fake", "2", "en")
            .with_tags(tags(&[("cat", 80.0)]));
        Self::on(
            self.store.clone(),
            self.originals.clone(),
            Arc::new(other),
            self.clock.clone(),
        )
    }
}

fn edit(add: &[(&str, f64)], remove: &[&str]) -> JobAction {
    let add: Vec<_> = add.iter().map(|(name, value)| tag(name, *value)).collect();
    let remove: Vec<_> = remove.iter().map(|name| label(name)).collect();
    JobAction::Edit(TagEdit::new(&add, &remove).unwrap())
}

const RETAG: JobAction = JobAction::Retag {
    provider: None,
    threshold: None,
};

/// Carries out all that can be for now.
async fn run(runner: &JobRunner) {
    let context = CallContext::local();
    while let Some(mut job) = runner.claim().await.unwrap() {
        while runner.step(&mut job, &context).await.unwrap() != Progress::Over {}
    }
}

/// Registers images of other times directly, without a picture.
async fn record(store: &dyn Database, count: u32) -> Vec<Image> {
    let mut images = Vec::new();
    for number in 0..count {
        let image = image(&number.to_be_bytes(), at(number.into()), &[("car", 90.0)]);
        let until = at(100_000);
        store
            .claim(&image.digest, &image.facts, at(0), until)
            .await
            .unwrap();
        let new = domain::NewImage {
            codes: Vec::new(),
            image: image.clone(),
            info: domain::ImageInfo::default(),
            fence: None,
            said: None,
            taggings: Vec::new(),
            request: None,
        };
        store.record(&new).await.unwrap();
        images.push(image);
    }
    images
}

#[tokio::test]
async fn a_job_comes_to_every_image_in_bounded_steps() {
    let fixture = Fixture::new();
    record(&*fixture.store, 1100).await;
    let job = fixture.create(edit(&[("mia", 100.0)], &["car"])).await;
    assert_eq!(job.total, 1100);
    let runner = fixture.runner();
    let mut running = runner.claim().await.unwrap().unwrap();
    let (context, mut done) = (CallContext::local(), 0);
    while runner.step(&mut running, &context).await.unwrap() == Progress::More {
        let now = fixture.read(&job.id).await;
        assert!(now.done > done && now.done <= done + 100, "{now:?}");
        done = now.done;
    }
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.done), (JobState::Done, 1100));
    assert_eq!(job.changed, 1100);
    for image in fixture.store.images() {
        assert_eq!(image.tags, tags(&[("mia", 100.0)]));
    }
}

#[tokio::test]
async fn jobs_for_nothing_end_at_once() {
    let fixture = Fixture::new();
    let empty = fixture.create(JobAction::Delete).await;
    let images = record(&*fixture.store, 2).await;
    let nothing = JobFilter::new(None, None);
    let impossible = fixture.create_for(JobAction::Delete, nothing).await;
    let gone = vec![ImageId::from_bytes([1; 16]), ImageId::from_bytes([2; 16])];
    let filter = JobFilter::new(Some(ImageQuery::default()), Some(gone));
    let unknown = fixture.create_for(JobAction::Delete, filter).await;
    run(&fixture.runner()).await;
    for job in [empty, impossible, unknown] {
        let job = fixture.read(&job.id).await;
        assert_eq!((job.state, job.total, job.changed), (JobState::Done, 0, 0));
    }
    assert_eq!(fixture.store.images().len(), images.len());
}

#[tokio::test]
async fn ids_are_done_one_chunk_after_the_other() {
    let fixture = Fixture::new();
    let images = record(&*fixture.store, 1200).await;
    let mut ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
    ids.truncate(1150);
    ids.extend((0..1000_u16).map(|number| {
        let mut bytes = [0x55; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ImageId::from_bytes(bytes)
    }));
    let filter = JobFilter::new(Some(ImageQuery::default()), Some(ids));
    let job = fixture.create_for(JobAction::Delete, filter).await;
    assert_eq!(job.total, 1150);
    run(&fixture.runner()).await;
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.changed), (JobState::Done, 1150));
    assert_eq!(fixture.store.images().len(), 50);
}

#[tokio::test]
async fn another_number_of_images_makes_no_job() {
    let fixture = Fixture::new();
    record(&*fixture.store, 3).await;
    let request = JobRequest {
        action: JobAction::Delete,
        filter: JobFilter::new(Some(ImageQuery::default()), None),
        dry_run: false,
    };
    let refused = fixture.jobs.create(request.clone(), Some(2), None).await;
    assert!(matches!(
        refused,
        Err(JobError::CountChanged {
            expected: 2,
            found: 3
        })
    ));
    assert!(
        fixture
            .jobs
            .create(request.clone(), Some(3), None)
            .await
            .is_ok()
    );
    let foreign = JobRequest {
        action: JobAction::Retag {
            provider: Some("other".to_owned()),
            threshold: None,
        },
        ..request
    };
    let refused = fixture.jobs.create(foreign, None, None).await;
    assert!(matches!(refused, Err(JobError::UnknownProvider { .. })));
}

/// A queue of which a call fails, before or after it took effect: as a server that is killed there.
struct Failing {
    store: Arc<FakeDatabase>,
    calls: AtomicUsize,
    fails_at: usize,
    takes_effect: bool,
}

impl Failing {
    fn fails(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) == self.fails_at
    }

    fn error() -> ImageStoreError {
        ImageStoreError::Unavailable(cause("killed"))
    }
}

#[async_trait]
impl JobQueue for Failing {
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError> {
        let fails = self.fails();
        if fails && !self.takes_effect {
            return Err(Self::error());
        }
        let claimed = self.store.claim_job(lease).await?;
        if fails {
            Err(Self::error())
        } else {
            Ok(claimed)
        }
    }

    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        let fails = self.fails();
        if fails && !self.takes_effect {
            return Err(Self::error());
        }
        let advanced = self.store.advance_job(lease, duration, step).await?;
        if fails {
            Err(Self::error())
        } else {
            Ok(advanced)
        }
    }
}

/// Carries out jobs up to an error.
async fn run_until_killed(runner: &JobRunner) -> Result<(), ImageStoreError> {
    let context = CallContext::local();
    while let Some(mut job) = runner.claim().await? {
        while runner.step(&mut job, &context).await? != Progress::Over {}
    }
    Ok(())
}

#[tokio::test]
async fn a_job_killed_between_any_two_steps_ends_as_if_it_were_not() {
    for action in [JobAction::Delete, edit(&[("mia", 95.0)], &["car"]), RETAG] {
        for takes_effect in [false, true] {
            for fails_at in 0.. {
                let fixture = Fixture::new();
                fixture.register(130).await;
                fixture.provider.set_tags(tags(&[("cat", 80.0)]));
                let job = fixture.create(action.clone()).await;
                let failing = Arc::new(Failing {
                    store: fixture.store.clone(),
                    calls: AtomicUsize::new(0),
                    fails_at,
                    takes_effect,
                });
                let killed =
                    run_until_killed(&fixture.runner_on(failing, fixture.store.clone())).await;
                fixture.store.expire_jobs();
                run(&fixture.runner()).await;
                let job = fixture.read(&job.id).await;
                let what = format!("{action:?} {takes_effect} {fails_at}");
                assert_eq!((job.state, job.done), (JobState::Done, 130), "{what}");
                let expected = if action == RETAG { 0 } else { 130 };
                assert_eq!((job.changed, job.failed), (expected, 0), "{what}");
                let result = fixture.jobs.result(&job).await.unwrap().unwrap();
                for tally in &result.tags {
                    assert_eq!(tally.changes(), 130, "{what}");
                }
                if action == JobAction::Delete {
                    assert!(fixture.store.images().is_empty());
                }
                if killed.is_ok() {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_runner_that_lost_its_lease_changes_nothing() {
    let fixture = Fixture::new();
    record(&*fixture.store, 200).await;
    let job = fixture.create(JobAction::Delete).await;
    let (one, other) = (fixture.runner(), fixture.runner());
    let context = CallContext::local();
    let mut late = one.claim().await.unwrap().unwrap();
    assert_eq!(one.step(&mut late, &context).await.unwrap(), Progress::More);
    assert!(other.claim().await.unwrap().is_none(), "it is held");
    fixture.store.expire_jobs();
    let mut taken = other.claim().await.unwrap().unwrap();
    assert!(!one.renew(&late.lease()).await.unwrap());
    assert_eq!(one.step(&mut late, &context).await.unwrap(), Progress::Over);
    assert_eq!(fixture.read(&job.id).await.changed, 64);
    while other.step(&mut taken, &context).await.unwrap() != Progress::Over {}
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.changed), (JobState::Done, 200));
}

#[tokio::test]
async fn a_cancelled_job_stops() {
    let fixture = Fixture::new();
    record(&*fixture.store, 200).await;
    let job = fixture.create(JobAction::Delete).await;
    let runner = fixture.runner();
    let context = CallContext::local();
    let mut running = runner.claim().await.unwrap().unwrap();
    runner.step(&mut running, &context).await.unwrap();
    let cancelled = fixture.jobs.cancel(&job.id).await.unwrap().unwrap();
    assert_eq!(
        (cancelled.state, cancelled.changed),
        (JobState::Cancelled, 64)
    );
    let after = runner.step(&mut running, &context).await.unwrap();
    assert_eq!(after, Progress::Over);
    assert_eq!(fixture.store.images().len(), 136);
    assert!(runner.claim().await.unwrap().is_none());
}

#[tokio::test]
async fn a_released_job_goes_on_at_once() {
    let fixture = Fixture::new();
    record(&*fixture.store, 100).await;
    let job = fixture.create(JobAction::Delete).await;
    let runner = fixture.runner();
    let running = runner.claim().await.unwrap().unwrap();
    runner.release(&running.lease()).await.unwrap();
    run(&runner).await;
    assert_eq!(fixture.read(&job.id).await.state, JobState::Done);
}

#[tokio::test]
async fn a_caller_that_has_gone_ends_no_job() {
    let fixture = Fixture::new();
    fixture.register(2).await;
    let fixture = fixture.with_other_provider();
    let job = fixture.create(RETAG).await;
    let runner = fixture.runner();
    let mut running = runner.claim().await.unwrap().unwrap();
    let gone = CallContext::cancelled_when(|| true);
    let after = runner.step(&mut running, &gone).await.unwrap();
    assert_eq!(after, Progress::Over);
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.done, job.failed), (JobState::Running, 0, 0));
}

fn unavailable() -> UpstreamError {
    UpstreamError::Unavailable {
        retry_after: None,
        source: cause("down"),
    }
}

#[tokio::test]
async fn an_image_that_fails_is_set_aside() {
    let fixture = Fixture::new();
    let images = fixture.register(5).await;
    let fixture = fixture.with_other_provider();
    fixture
        .provider
        .fail_next(UpstreamError::Unreadable(cause("x")));
    fixture.provider.fail_next(unavailable());
    let job = fixture.create(RETAG).await;
    run(&fixture.runner()).await;
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.done), (JobState::Done, 5));
    assert_eq!((job.changed, job.failed), (3, 2));
    let result = fixture.jobs.result(&job).await.unwrap().unwrap();
    let newest = [images[4].id, images[3].id];
    let failed: Vec<ImageId> = result.errors.iter().map(|error| error.image).collect();
    assert_eq!(failed, newest);
    assert!(
        result
            .errors
            .iter()
            .all(|error| error.code == "tagging-failed")
    );
}

#[tokio::test]
async fn a_provider_that_is_down_makes_a_job_pause() {
    let fixture = Fixture::new();
    fixture.register(10).await;
    let fixture = fixture.with_other_provider();
    let job = fixture.create(RETAG).await;
    let runner = fixture.runner();
    for pauses in 1..=3 {
        for _ in 0..10 {
            fixture.provider.fail_next(unavailable());
        }
        fixture.store.expire_jobs();
        run(&runner).await;
        assert_eq!(fixture.store.pauses(&job.id), pauses);
        let now = fixture.read(&job.id).await;
        assert_eq!((now.state, now.done, now.failed), (JobState::Running, 0, 0));
    }
    assert!(runner.claim().await.unwrap().is_none(), "it rests");
    fixture.store.expire_jobs();
    run(&runner).await;
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.changed), (JobState::Done, 10));
    assert_eq!(fixture.store.pauses(&job.id), 0);
}

#[tokio::test]
async fn a_used_up_quota_makes_a_job_pause_where_it_is() {
    let fixture = Fixture::new();
    fixture.register(3).await;
    let fixture = fixture.with_other_provider();
    let job = fixture.create(RETAG).await;
    let quota = || UpstreamError::QuotaExhausted { retry_after: None };
    fixture.provider.fail_next(quota());
    run(&fixture.runner()).await;
    let now = fixture.read(&job.id).await;
    assert_eq!((now.done, now.failed), (0, 0));
    fixture.store.expire_jobs();
    run(&fixture.runner()).await;
    let now = fixture.read(&job.id).await;
    assert_eq!((now.state, now.changed, now.failed), (JobState::Done, 3, 0));
}

/// Statistics that note in how many stretches images may have changed between rollups.
struct Watched {
    store: Arc<FakeDatabase>,
    changed: Mutex<HashSet<Option<DateTime<Utc>>>>,
    most: AtomicUsize,
    rollups: AtomicUsize,
}

#[async_trait]
impl TagStatistics for Watched {
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        self.store.tag_summaries(window).await
    }

    async fn carried(&self, labels: &[Label]) -> Result<HashSet<Label>, ImageStoreError> {
        self.store.carried(labels).await
    }

    async fn confidences(
        &self,
        label: &Label,
        window: &TimeWindow,
        after: Option<PageKey>,
    ) -> Result<(ConfidenceHistogram, Option<PageKey>), ImageStoreError> {
        self.store.confidences(label, window, after).await
    }

    async fn roll_up(&self, _: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        // Another server is at it, then there is more to do, then nothing.
        match self.rollups.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Err(ImageStoreError::Contended(cause("busy"))),
            1 => Ok(true),
            _ => {
                self.changed.lock().unwrap().clear();
                Ok(false)
            }
        }
    }

    async fn stretch(&self, at: DateTime<Utc>) -> Result<Option<TimeWindow>, ImageStoreError> {
        self.store.stretch(at).await
    }
}

#[async_trait]
impl JobQueue for Watched {
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError> {
        self.store.claim_job(lease).await
    }

    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        for change in &step.changes {
            let stretch = self.store.stretch(change.image.registered_at).await?;
            let mut changed = self.changed.lock().unwrap();
            changed.extend(stretch.map(|stretch| stretch.from));
            self.most.fetch_max(changed.len(), Ordering::Relaxed);
        }
        self.store.advance_job(lease, duration, step).await
    }
}

#[tokio::test]
async fn statistics_are_counted_again_before_a_job_goes_on() {
    for (seconds, stretches) in [(1, 8), (30, 8), (10_000, 1)] {
        let fixture = Fixture::new();
        record(&*fixture.store, 400).await;
        fixture.store.roll_up_in(TimeDelta::seconds(seconds));
        let job = fixture.create(edit(&[("mia", 100.0)], &[])).await;
        let watched = Arc::new(Watched {
            store: fixture.store.clone(),
            changed: Mutex::default(),
            most: AtomicUsize::new(0),
            rollups: AtomicUsize::new(0),
        });
        let runner = fixture.runner_on(watched.clone(), watched.clone());
        let mut running = runner.claim().await.unwrap().unwrap();
        let mut waits = 0;
        loop {
            match runner
                .step(&mut running, &CallContext::local())
                .await
                .unwrap()
            {
                Progress::Over => break,
                Progress::Wait(wait) => {
                    assert!(wait < Duration::from_secs(1));
                    waits += 1;
                }
                Progress::More => {}
            }
        }
        assert_eq!(watched.most.load(Ordering::Relaxed), stretches);
        assert_eq!(waits > 0, stretches == 8);
        assert_eq!(fixture.read(&job.id).await.changed, 400);
    }
}

#[tokio::test]
async fn images_are_tagged_again_from_stored_answers() {
    let fixture = Fixture::new();
    let images = fixture.register(5).await;
    let calls = fixture.provider.calls();
    let job = fixture
        .create(JobAction::Retag {
            provider: Some("fake".to_owned()),
            threshold: Some(threshold(70.0)),
        })
        .await;
    run(&fixture.runner()).await;
    let job = fixture.read(&job.id).await;
    assert_eq!((job.state, job.changed), (JobState::Done, 5));
    assert_eq!(fixture.provider.calls(), calls);
    for image in fixture.store.images() {
        assert_eq!(image.tags, tags(&[("car", 90.0)]));
    }
    let infos = fixture.editing.tags(&images[0].id).await.unwrap();
    assert!(infos.is_some());
}

/// `car` becomes `vehicle`, which is a thing and takes confidence 90.
fn vehicle() -> VocabularyEntry {
    VocabularyEntry {
        aliases: [label("car")].into(),
        parents: [label("thing")].into(),
        threshold: Some(threshold(90.0)),
        ..VocabularyEntry::new(label("vehicle"))
    }
}

/// The answer is that of the version that tagged the images, not of the one that is set up.
#[tokio::test]
async fn the_vocabulary_is_applied_from_the_answers_of_the_images_own_provider() {
    let fixture = Fixture::new();
    let images = fixture.register(5).await;
    let other = fixture.with_other_provider();
    let upload = FakeImageCodec::picture(640, 480, "picture 0");
    let upload = Upload {
        digest: domain::ContentDigest::of(&upload),
        bytes: upload,
        threshold: threshold(0.0),
        taggers: TaggerChoice::default(),
        file_name: None,
        imported: None,
        request: None,
        context: CallContext::local(),
    };
    other.ingest.tag(upload).await.unwrap();
    let calls = other.provider.calls();
    other.vocabulary.put(vehicle()).await.unwrap();
    for changed in [5, 0] {
        let job = other.create(JobAction::Vocabulary).await;
        run(&other.runner()).await;
        let job = other.read(&job.id).await;
        assert_eq!((job.state, job.changed), (JobState::Done, changed));
    }
    assert_eq!(other.provider.calls(), calls, "no new call");
    let expected = tags(&[("thing", 90.0), ("vehicle", 90.0), ("cab", 60.0)]);
    for image in other.store.images() {
        assert_eq!(image.tags, expected);
    }
    let known = other.editing.tags(&images[0].id).await.unwrap().unwrap();
    let domain::TagSource::Provider(tagger) = &known.tags.shown()[0].source else {
        panic!("{known:?}");
    };
    assert_eq!(tagger.version.as_deref(), Some("1"));
}

#[tokio::test]
async fn images_without_a_stored_answer_keep_what_is_not_blocked() {
    let fixture = Fixture::new();
    record(&*fixture.store, 3).await;
    let strict = VocabularyEntry {
        threshold: Some(threshold(95.0)),
        ..vehicle()
    };
    fixture.vocabulary.put(strict).await.unwrap();
    fixture.create(JobAction::Vocabulary).await;
    run(&fixture.runner()).await;
    for image in fixture.store.images() {
        assert_eq!(image.tags, tags(&[("thing", 90.0), ("vehicle", 90.0)]));
    }
    let blocked = VocabularyEntry {
        is_blocked: true,
        ..vehicle()
    };
    fixture.vocabulary.put(blocked).await.unwrap();
    fixture.create(JobAction::Vocabulary).await;
    run(&fixture.runner()).await;
    for image in fixture.store.images() {
        assert_eq!(image.tags, tags(&[("thing", 90.0)]), "it was given");
    }
}

/// What an edit means is told when its turn comes.
#[tokio::test]
async fn edits_of_jobs_are_made_under_the_vocabulary() {
    let fixture = Fixture::new();
    fixture.register(2).await;
    fixture.create(edit(&[("auto", 70.0)], &["cab"])).await;
    let auto = VocabularyEntry {
        aliases: [label("car"), label("auto"), label("cab")].into(),
        ..vehicle()
    };
    fixture.vocabulary.put(auto).await.unwrap();
    run(&fixture.runner()).await;
    for image in fixture.store.images() {
        assert_eq!(image.tags, tags(&[("thing", 70.0), ("vehicle", 70.0)]));
    }
}
