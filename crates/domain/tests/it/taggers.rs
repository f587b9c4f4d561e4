//! Several tag providers at once.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Confidence, ContentDigest, Image, ImageTags, JobAction, JobFilter, JobRequest, LabelNames,
    SourcedTag, TagSource, Threshold, VocabularyEntry,
    ports::{CallContext, ImageInfoStore, TagsChanged, UpstreamError, cause},
    service::{
        Catalog, CatalogPorts, Editing, EditingPorts, Ingest, IngestError, IngestPorts,
        IngestSettings, JobPorts, JobRunner, JobRunnerPorts, Jobs, KnownTaggers, PictureCodePorts,
        PictureCodes, Progress, RetagError, Retagging, SharedVocabulary, Upload,
    },
};
use domain_testing::{
    FakeDatabase, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue, FakeTagProvider, Pull,
    TestClock, label, tags,
};

/// The services over in-memory fakes, with two taggers.
struct Fixture {
    store: Arc<FakeDatabase>,
    local: Arc<FakeTagProvider>,
    openai: Arc<FakeTagProvider>,
    ingest: Arc<Ingest>,
    editing: Editing,
    catalog: Catalog,
    vocabulary: SharedVocabulary,
    clock: Arc<TestClock>,
}

fn provider(name: &str, found: &[(&str, f64)]) -> Arc<FakeTagProvider> {
    let side = std::num::NonZeroU32::new(16).unwrap();
    let provider = FakeTagProvider::new(Pull::Pixels(side)).with_identity(name, "1", "en");
    Arc::new(provider.with_tags(tags(found)))
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::<FakeDatabase>::default();
        let originals = Arc::<FakeOriginalStore>::default();
        let clock = Arc::<TestClock>::default();
        let local = provider("local", &[("cat", 90.0), ("dog", 60.0), ("moon", 20.0)]);
        let openai = provider("openai", &[("cat", 70.0), ("rug", 80.0)]);
        let ports = IngestPorts {
            images: store.clone(),
            taggings: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            codec: Arc::<FakeImageCodec>::default(),
            provider: local.clone(),
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
        let further: [Arc<dyn domain::ports::TagProvider>; 1] = [openai.clone()];
        let ingest = Ingest::new(ports, settings)
            .with_vocabulary(vocabulary.clone())
            .with_further(further);
        let ingest = Arc::new(ingest);
        let catalog = Catalog::new(CatalogPorts {
            images: store.clone(),
            counter: store.clone(),
            infos: store.clone(),
            statistics: store.clone(),
            ledger: store.clone(),
            originals,
            clock: clock.clone(),
        });
        let editing = EditingPorts {
            edits: store.clone(),
            clock: clock.clone(),
        };
        let catalog = catalog.with_vocabulary(vocabulary.clone());
        Self {
            editing: Editing::new(editing, catalog.clone(), ingest.clone()),
            catalog,
            store,
            local,
            openai,
            ingest,
            vocabulary,
            clock,
        }
    }

    fn upload(&self, providers: Option<&str>) -> Upload {
        let bytes: Bytes = FakeImageCodec::picture(640, 480, "a cat");
        Upload {
            digest: ContentDigest::of(&bytes),
            bytes,
            threshold: threshold(50.0),
            taggers: self.ingest.choose(providers).unwrap(),
            file_name: None,
            imported: None,
            request: None,
            context: CallContext::local(),
        }
    }

    async fn register(&self, providers: Option<&str>) -> Image {
        self.ingest.ingest(self.upload(providers)).await.unwrap()
    }

    fn calls(&self) -> (usize, usize) {
        (self.local.calls(), self.openai.calls())
    }

    async fn said(&self, image: &Image) -> ImageTags {
        self.editing.tags(&image.id).await.unwrap().unwrap().tags
    }

    async fn taggers(&self, image: &Image) -> Option<String> {
        let infos = self.store.infos(&[image.id]).await.unwrap();
        infos[&image.id].taggers.names()
    }

    async fn retag(&self, image: &Image, provider: Option<&str>) -> Result<ImageTags, RetagError> {
        let asked = Retagging {
            provider: provider.map(str::to_owned),
            threshold: None,
            default: threshold(80.0),
        };
        let editing = &self.editing;
        match editing
            .retag(&image.id, &asked, CallContext::local())
            .await?
        {
            TagsChanged::Done(known) => Ok(known.tags),
            other => panic!("{other:?}"),
        }
    }

    /// Makes a job for all images and carries it out; how many images it changed, and how many failed.
    async fn job(&self, action: JobAction, known: KnownTaggers) -> (u64, u64) {
        let ports = JobPorts {
            jobs: self.store.clone(),
            images: self.store.clone(),
            edits: self.store.clone(),
        };
        let jobs = Jobs::new(ports, known);
        let request = JobRequest {
            action,
            filter: JobFilter::new(Some(domain::ImageQuery::default()), None),
            dry_run: false,
        };
        let job = jobs.create(request, None, None).await.unwrap();
        let ports = JobRunnerPorts {
            queue: self.store.clone(),
            images: self.store.clone(),
            edits: self.store.clone(),
            statistics: self.store.clone(),
            clock: self.clock.clone(),
        };
        let codes = PictureCodePorts {
            store: self.store.clone(),
            extractor: None,
            codec: Arc::<FakeImageCodec>::default(),
            releases: Arc::new(FakeReleaseQueue::default()),
        };
        let codes = PictureCodes::new(codes, self.catalog.clone());
        let runner = JobRunner::new(ports, self.editing.clone(), codes, threshold(50.0));
        let mut running = runner.claim().await.unwrap().unwrap();
        let context = CallContext::local();
        while runner.step(&mut running, &context).await.unwrap() != Progress::Over {}
        let job = jobs.find(&job.id).await.unwrap().unwrap();
        (job.changed, job.failed)
    }
}

fn threshold(lowest: f64) -> Threshold {
    Threshold::new(Confidence::new(lowest).unwrap())
}

fn pairs(said: impl IntoIterator<Item = SourcedTag>) -> Vec<(String, f64, String)> {
    let pairs = said.into_iter().map(|SourcedTag { tag, source }| {
        let TagSource::Provider(tagger) = source else {
            panic!("{source:?}");
        };
        let (label, confidence) = (tag.label.to_string(), tag.confidence.get());
        (label, confidence, tagger.name.unwrap())
    });
    pairs.collect()
}

fn expected(pairs: &[(&str, f64, &str)]) -> Vec<(String, f64, String)> {
    let owned = pairs
        .iter()
        .map(|(label, confidence, by)| ((*label).to_owned(), *confidence, (*by).to_owned()));
    owned.collect()
}

#[tokio::test]
async fn all_tag_a_picture_and_who_said_what_is_kept() {
    let fixture = Fixture::new();
    let image = fixture.register(None).await;
    assert_eq!(
        image.tags,
        tags(&[("cat", 90.0), ("rug", 80.0), ("dog", 60.0)])
    );
    let said = fixture.said(&image).await;
    let shown = [
        ("cat", 90.0, "local"),
        ("rug", 80.0, "openai"),
        ("dog", 60.0, "local"),
    ];
    assert_eq!(pairs(said.shown()), expected(&shown));
    let all = [
        ("cat", 90.0, "local"),
        ("cat", 70.0, "openai"),
        ("dog", 60.0, "local"),
        ("rug", 80.0, "openai"),
    ];
    assert_eq!(pairs(said.said()), expected(&all));
    assert_eq!(
        fixture.taggers(&image).await.as_deref(),
        Some("local, openai")
    );
    let again = fixture.register(None).await;
    assert_eq!(again.tags, image.tags);
    assert_eq!(fixture.calls(), (1, 1), "both answers are kept");
}

#[tokio::test]
async fn some_are_chosen_by_their_names() {
    let fixture = Fixture::new();
    let image = fixture.register(Some("openai")).await;
    assert_eq!(fixture.calls(), (0, 1));
    assert_eq!(image.tags, tags(&[("rug", 80.0), ("cat", 70.0)]));
    assert_eq!(fixture.taggers(&image).await.as_deref(), Some("openai"));
    let tagged = fixture.ingest.tag(fixture.upload(None)).await.unwrap();
    assert_eq!(fixture.calls(), (1, 1), "only what was not known");
    assert_eq!(
        tagged.tags,
        tags(&[("cat", 90.0), ("rug", 80.0), ("dog", 60.0)])
    );
    assert_eq!(tagged.providers(), "local, openai");
    assert_eq!(tagged.versions(), "1, 1");
    assert!(fixture.ingest.choose(Some("imagga")).is_err());
}

#[tokio::test]
async fn if_one_fails_the_answers_of_the_others_are_kept() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        let refusal = UpstreamError::Refused(cause("no"));
        fixture.openai.fail_next(refusal);
        let failed = fixture.ingest.ingest(fixture.upload(None)).await;
        assert!(matches!(
            failed,
            Err(IngestError::Tagging(UpstreamError::Refused(_)))
        ));
        assert!(fixture.store.images().is_empty());
        assert_eq!(fixture.ingest.unsaved_answers(), 0);
    }
    fixture.register(None).await;
    assert_eq!(fixture.calls(), (1, 3));
}

#[tokio::test]
async fn an_image_is_tagged_again_by_any_of_them() {
    let fixture = Fixture::new();
    let image = fixture.register(Some("local")).await;
    let said = fixture.retag(&image, Some("openai")).await.unwrap();
    let only = [("cat", 70.0, "openai"), ("rug", 80.0, "openai")];
    assert_eq!(pairs(said.said()), expected(&only));
    assert_eq!(fixture.taggers(&image).await.as_deref(), Some("openai"));
    let said = fixture.retag(&image, None).await.unwrap();
    assert_eq!(said.said().count(), 4);
    assert_eq!(fixture.calls(), (1, 1));
    let error = fixture.retag(&image, Some("imagga")).await.unwrap_err();
    assert!(matches!(error, RetagError::UnknownProvider(_)));
}

#[tokio::test]
async fn jobs_tag_by_those_that_they_name() {
    let fixture = Fixture::new();
    let known = || KnownTaggers::new(["local", "openai", "imagga"]);
    let image = fixture.register(Some("local")).await;
    let retag = |provider: Option<&str>| JobAction::Retag {
        provider: provider.map(str::to_owned),
        threshold: None,
    };
    assert_eq!(fixture.job(retag(None), known()).await, (1, 0));
    assert_eq!(fixture.said(&image).await.said().count(), 4);
    assert_eq!(
        fixture.job(retag(Some("openai, local")), known()).await,
        (0, 0)
    );
    assert_eq!(fixture.job(retag(Some("openai")), known()).await, (1, 0));
    assert_eq!(fixture.said(&image).await.said().count(), 2);
    // It was set up when the job was made, and is no longer.
    assert_eq!(fixture.job(retag(Some("imagga")), known()).await, (0, 1));
    assert_eq!(fixture.said(&image).await.said().count(), 2);
    assert_eq!(fixture.calls(), (1, 1));
}

#[tokio::test]
async fn the_vocabulary_is_applied_from_the_answers_of_all() {
    let fixture = Fixture::new();
    let image = fixture.register(None).await;
    let pet = VocabularyEntry {
        aliases: [label("cat"), label("rug")].into(),
        ..VocabularyEntry::new(label("pet"))
    };
    fixture.vocabulary.put(pet).await.unwrap();
    let known = KnownTaggers::new(["local", "openai"]);
    assert_eq!(fixture.job(JobAction::Vocabulary, known).await, (1, 0));
    let all = [
        ("dog", 60.0, "local"),
        ("pet", 90.0, "local"),
        ("pet", 80.0, "openai"),
    ];
    let said = fixture.said(&image).await;
    assert_eq!(pairs(said.said()), expected(&all));
    assert_eq!(fixture.calls(), (1, 1), "no new call");
    assert_eq!(
        fixture.taggers(&image).await.as_deref(),
        Some("local, openai")
    );
}
