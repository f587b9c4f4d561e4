//! A server on its own port, and clients for it.

use std::{
    net::{SocketAddr, TcpListener},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Confidence, LabelNames, Threshold, Vocabulary,
    ports::{FeatureExtractor, ImageCodec, ImageCounter, ImageStore, OriginalStore, TagProvider},
    service::{
        Access, AccessPorts, AdminKey, Catalog, CatalogPorts, Editing, EditingPorts, Idempotency,
        Ingest, IngestPorts, IngestSettings, JobPorts, Jobs, Keys, KnownTaggers, LookAlikePorts,
        LookAlikes, PictureCodePorts, PictureCodes, RenditionPorts, Renditions, SharedVocabulary,
        TemporaryUploads, Webhooks,
    },
};
use domain_testing::{
    FakeDatabase, FakeFeatureExtractor, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue,
    FakeRenditionStore, FakeSimilarityIndex, FakeTagProvider, FakeUploadStore, FakeWebhookSender,
    Pull, TestClock, tags,
};
use futures_util::FutureExt;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use url_fetch::{FetchPolicy, FetchSettings, Fetcher};

use crate::{Api, HttpSettings, Readiness, Tagger, server};

/// Longer than anything that works takes.
pub(super) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest image in these tests, in bytes.
pub(super) const IMAGE_BYTES: usize = 200_000;

/// The most bytes of renditions in these tests.
pub(super) const RENDITION_BYTES: u64 = 500;

/// The most bytes of temporary uploads in these tests.
pub(super) const UPLOAD_BYTES: u64 = 400_000;

/// Working fakes behind the server.
#[derive(Clone)]
pub(super) struct Fakes {
    pub(super) clock: Arc<TestClock>,
    pub(super) store: Arc<FakeDatabase>,
    pub(super) originals: Arc<FakeOriginalStore>,
    pub(super) renditions: Arc<FakeRenditionStore>,
    pub(super) uploads: Arc<FakeUploadStore>,
    pub(super) provider: Arc<FakeTagProvider>,
    /// A second provider, which a server has only if its setup says so.
    pub(super) second: Arc<FakeTagProvider>,
}

/// The dependencies and settings of a server.
pub(super) struct Setup {
    pub(super) fakes: Fakes,
    pub(super) settings: HttpSettings,
    pub(super) fetching: FetchPolicy,
    pub(super) images: Arc<dyn ImageStore>,
    pub(super) counter: Arc<dyn ImageCounter>,
    pub(super) originals: Arc<dyn OriginalStore>,
    pub(super) admin_key: Option<AdminKey>,
    pub(super) store_bytes: Option<u64>,
    pub(super) codec: Arc<dyn ImageCodec>,
    pub(super) extractor: Option<Arc<dyn FeatureExtractor>>,
    pub(super) names: LabelNames,
    pub(super) is_closed: bool,
    pub(super) builtin: Vocabulary,
    pub(super) has_second: bool,
}

/// A running server, and the fakes behind it.
pub(super) struct TestServer {
    fakes: Fakes,
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<std::io::Result<()>>,
    client: reqwest::Client,
}

impl Deref for TestServer {
    type Target = Fakes;

    fn deref(&self) -> &Fakes {
        &self.fakes
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.task.abort();
    }
}

impl Default for Fakes {
    fn default() -> Self {
        let clock = Arc::new(TestClock::default());
        let found = tags(&[
            ("car", 100.0),
            ("cab", 69.437_355_041_503_9),
            ("auto", 80.0),
        ]);
        Self {
            store: Arc::new(FakeDatabase::default()),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            renditions: Arc::default(),
            uploads: Arc::default(),
            provider: Arc::new(FakeTagProvider::new(Pull::Jpeg(16)).with_tags(found)),
            second: Arc::new(
                FakeTagProvider::new(Pull::Jpeg(16))
                    .with_identity("second", "2", "en")
                    .with_tags(tags(&[("car", 85.0), ("rug", 90.0)])),
            ),
            clock,
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        let fakes = Fakes::default();
        Self {
            settings: HttpSettings {
                workers: 1,
                ..HttpSettings::new(chrono_tz::UTC, threshold(80.0), IMAGE_BYTES)
            },
            fetching: FetchPolicy::Public,
            images: fakes.store.clone(),
            counter: fakes.store.clone(),
            originals: fakes.originals.clone(),
            admin_key: None,
            store_bytes: None,
            codec: Arc::<FakeImageCodec>::default(),
            extractor: Some(Arc::new(FakeFeatureExtractor::default())),
            names: LabelNames::default(),
            is_closed: false,
            builtin: Vocabulary::default(),
            has_second: false,
            fakes,
        }
    }
}

impl Setup {
    fn vocabulary(&self) -> SharedVocabulary {
        let (store, clock) = (self.fakes.store.clone(), self.fakes.clock.clone());
        SharedVocabulary::new(store, clock, self.names.clone(), self.is_closed)
    }

    fn catalog(&self) -> Catalog {
        Catalog::new(CatalogPorts {
            images: self.images.clone(),
            counter: self.counter.clone(),
            infos: self.fakes.store.clone(),
            statistics: self.fakes.store.clone(),
            ledger: self.fakes.store.clone(),
            originals: self.originals.clone(),
            clock: self.fakes.clock.clone(),
        })
    }

    fn look_alikes(&self, catalog: &Catalog) -> LookAlikes {
        let codes = picture_codes(
            &self.fakes,
            self.codec.clone(),
            self.extractor.clone(),
            catalog.clone(),
        );
        let ports = LookAlikePorts {
            index: Arc::new(FakeSimilarityIndex::new(self.fakes.store.clone())),
            codes: self.fakes.store.clone(),
            images: self.images.clone(),
        };
        LookAlikes::new(ports, codes)
    }

    fn ingest(&self, vocabulary: SharedVocabulary) -> Arc<Ingest> {
        let ports = IngestPorts {
            images: self.images.clone(),
            taggings: self.fakes.store.clone(),
            ledger: self.fakes.store.clone(),
            originals: self.originals.clone(),
            codec: self.codec.clone(),
            provider: self.fakes.provider.clone(),
            host: None,
            releases: Arc::new(FakeReleaseQueue::default()),
            clock: self.fakes.clock.clone(),
        };
        let ingest = Ingest::new(ports, ingest_settings(self.store_bytes));
        let ingest = ingest.with_vocabulary(vocabulary);
        Arc::new(ingest.with_further(self.providers().into_iter().skip(1)))
    }

    fn providers(&self) -> Vec<Arc<dyn TagProvider>> {
        let first: Arc<dyn TagProvider> = self.fakes.provider.clone();
        let second: Arc<dyn TagProvider> = self.fakes.second.clone();
        let second = self.has_second.then_some(second);
        std::iter::once(first).chain(second).collect()
    }

    pub(super) fn api(self) -> Api {
        let access = AccessPorts {
            keys: self.fakes.store.clone(),
            sessions: self.fakes.store.clone(),
            clock: self.fakes.clock.clone(),
        };
        let vocabulary = self.vocabulary();
        let catalog = self.catalog().with_vocabulary(vocabulary.clone());
        let (ingest, providers) = (self.ingest(vocabulary), self.providers());
        let known = KnownTaggers::new(providers.iter().map(|it| it.identity().name()));
        let editing = EditingPorts {
            edits: self.fakes.store.clone(),
            clock: self.fakes.clock.clone(),
        };
        let look_alikes = self.look_alikes(&catalog);
        let renditions = RenditionPorts {
            codec: self.codec,
            originals: self.originals.clone(),
            renditions: self.fakes.renditions.clone(),
        };
        Api {
            idempotency: Idempotency::new(self.fakes.store.clone()),
            access: Arc::new(Access::new(access, self.admin_key)),
            jobs: jobs(&self.fakes, known),
            webhooks: Webhooks::new(
                self.fakes.store.clone(),
                Arc::<FakeWebhookSender>::default(),
            ),
            uploads: temporary(&self.fakes),
            keys: Keys::new(self.fakes.store, self.fakes.clock),
            editing: Editing::new(editing, catalog.clone(), Arc::clone(&ingest)),
            ingest,
            look_alikes,
            renditions: Renditions::new(catalog.clone(), renditions, RENDITION_BYTES),
            catalog,
            taggers: providers.iter().map(tagger).collect(),
            builtin: Arc::new(self.builtin),
            readiness: Readiness {
                images: self.images,
                originals: self.originals,
                providers,
            },
            exposition: Arc::new(|usage| async move { format!("{usage:?}\n") }.boxed()),
            fetcher: fetcher(self.fetching),
            settings: self.settings,
        }
    }
}

fn tagger(provider: &Arc<dyn TagProvider>) -> Tagger {
    Tagger {
        provider: Arc::clone(provider),
        languages: vec!["en".to_owned()],
        embeds_pictures: false,
        embeds_words: false,
    }
}

pub(super) fn picture_codes(
    fakes: &Fakes,
    codec: Arc<dyn ImageCodec>,
    extractor: Option<Arc<dyn FeatureExtractor>>,
    catalog: Catalog,
) -> PictureCodes {
    let ports = PictureCodePorts {
        store: fakes.store.clone(),
        extractor,
        codec,
        releases: Arc::new(FakeReleaseQueue::default()),
    };
    PictureCodes::new(ports, catalog)
}

fn temporary(fakes: &Fakes) -> TemporaryUploads {
    let (store, clock) = (fakes.uploads.clone(), fakes.clock.clone());
    TemporaryUploads::new(store, clock, UPLOAD_BYTES)
}

fn jobs(fakes: &Fakes, known: KnownTaggers) -> Jobs {
    let ports = JobPorts {
        jobs: fakes.store.clone(),
        images: fakes.store.clone(),
        edits: fakes.store.clone(),
    };
    Jobs::new(ports, known)
}

pub(super) fn ingest_settings(store_bytes: Option<u64>) -> IngestSettings {
    IngestSettings {
        claim: TimeDelta::hours(1),
        store_bytes,
    }
}

fn fetcher(policy: FetchPolicy) -> Fetcher {
    let settings = FetchSettings {
        policy,
        max_bytes: IMAGE_BYTES as u64,
        timeout: TEST_TIMEOUT,
    };
    Fetcher::new(settings).unwrap()
}

pub(super) fn threshold(lowest: f64) -> Threshold {
    Threshold::new(Confidence::new(lowest).unwrap())
}

/// The bytes of a picture of 640 x 480.
pub(super) fn picture(content: &str) -> Bytes {
    FakeImageCodec::picture(640, 480, content)
}

/// The body of an upload.
pub(super) fn upload(bytes: &[u8]) -> Value {
    json!({"data": BASE64_STANDARD.encode(bytes)})
}

impl TestServer {
    pub(super) fn start() -> Self {
        Self::with(|_| {})
    }

    /// Starts a server after a change of what it is made of.
    pub(super) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::default();
        change(&mut setup);
        let (fakes, api) = (setup.fakes.clone(), setup.api());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server(listener, None, api, shutdown.clone()).unwrap());
        Self {
            fakes,
            address,
            shutdown,
            task,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url).timeout(TEST_TIMEOUT)
    }

    pub(super) async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path).await
    }

    /// Reads a document that must be there.
    pub(super) async fn read(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        response.json().await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(super) async fn register(&self, content: &str) -> Value {
        let response = self
            .post("/image?min_confidence=0", &upload(&picture(content)))
            .await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub(super) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// Asserts that a request fails with that status and code, and gives its document.
    pub(super) async fn refused(
        &self,
        request: reqwest::RequestBuilder,
        status: u16,
        code: &str,
    ) -> Value {
        let response = request.send().await.unwrap();
        problem(response, status, code).await
    }
}

/// Asserts that an answer is a problem document, with everything that such a document has.
pub(super) async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let retry_after = response.headers().get("retry-after").cloned();
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["code"], code);
    assert_eq!(document["status"], status);
    assert_eq!(document["detail"], document["description"]);
    assert_eq!(document["request_id"], *id);
    assert_eq!(document["type"], format!("urn:etiqueta:problem:{code}"));
    let facts = [
        "parameter",
        "position",
        "limit",
        "setting",
        "format",
        "scope",
        "retry_after",
    ];
    let members = document.as_object().unwrap().keys();
    let common = members.filter(|name| !facts.contains(&name.as_str()));
    assert_eq!(common.count(), 7, "{document}");
    let seconds = retry_after.map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(document["retry_after"].as_u64(), seconds);
    let asks = matches!(status, 429 | 503) || code == "idempotency-in-progress";
    assert_eq!(seconds.is_some_and(|seconds| seconds >= 1), asks);
    document
}

/// A bare connection.
pub(super) struct Raw(TcpStream);

impl Raw {
    pub(super) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends, and says whether that was still possible.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Ends the sending half.
    pub(super) async fn half_close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads until the server closes the connection.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = self.0.read_to_end(&mut bytes);
        tokio::time::timeout(TEST_TIMEOUT, reading)
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads one head: up to the empty line.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(TEST_TIMEOUT, self.0.read_u8())
                .await
                .unwrap();
            head.push(byte.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads so many bytes.
    pub(super) async fn exactly(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        let reading = self.0.read_exact(&mut bytes);
        tokio::time::timeout(TEST_TIMEOUT, reading)
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads an answer of known length: its head and its body.
    pub(super) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        (head, self.exactly(length).await)
    }
}

/// Waits until something is so.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waiting).await.unwrap();
}
