//! What all requests share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    Image, ImageId, LabelFilter, RenditionSize, ShownNames, TimeWindow, UploadId, Vocabulary,
    ports::{CallContext, ClientKey, TagsChanged, cause},
    service::{
        Access, Catalog, Editing, Idempotency, Ingest, Jobs, Keys, LookAlikes, Renditions,
        Retagging, Tagged, TaggerChoice, TemporaryUploads, Upload, Webhooks,
    },
};
use tokio::runtime::Handle;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::Instrument;
use upload_body::BodyKind;

use super::{
    Api, Exposition, HttpSettings, HttpUsage, Readiness, Tagger,
    connections::Connections,
    idempotency::Attempt,
    measure::RequestMetrics,
    problem::{Code, Problem},
    queries,
    rate_limit::RateLimit,
    upload::{self, Admission, Patience, Received, Uploads},
};

/// The services, the settings, and what is under way.
pub(super) struct State {
    pub(super) catalog: Catalog,
    pub(super) editing: Editing,
    pub(super) jobs: Jobs,
    pub(super) look_alikes: LookAlikes,
    renditions: Renditions,
    pub(super) temporary: TemporaryUploads,
    pub(super) idempotency: Idempotency,
    pub(super) access: Arc<Access>,
    pub(super) keys: Keys,
    pub(super) webhooks: Webhooks,
    pub(super) rate_limit: RateLimit,
    pub(super) taggers: Vec<Tagger>,
    pub(super) builtin: Arc<Vocabulary>,
    pub(super) readiness: Readiness,
    pub(super) exposition: Exposition,
    pub(super) requests: RequestMetrics,
    pub(super) settings: HttpSettings,
    pub(super) uploads: Uploads,
    pub(super) connections: Arc<Connections>,
    /// Requests, their answers, and uploads that nobody waits for any more.
    pub(super) under_way: TaskTracker,
    pub(super) shutdown: CancellationToken,
    /// Where the services run: the server's own threads come and go with it, connections of the
    /// adapters must not.
    pub(super) runtime: Handle,
    ingest: Arc<Ingest>,
}

impl State {
    /// Takes the current runtime as the one where the services run.
    pub(super) fn new(api: Api, shutdown: CancellationToken) -> Self {
        let settings = api.settings;
        // The kind that takes the most.
        let largest = settings.body_limits().memory(&BodyKind::Json, None);
        let patience = Patience {
            standstill: settings.admission_wait,
            total: settings.body_timeout,
        };
        Self {
            catalog: api.catalog,
            editing: api.editing,
            jobs: api.jobs,
            look_alikes: api.look_alikes,
            renditions: api.renditions,
            temporary: api.uploads,
            idempotency: api.idempotency,
            access: api.access,
            keys: api.keys,
            webhooks: api.webhooks,
            rate_limit: RateLimit::new(settings.requests_per_minute),
            taggers: api.taggers,
            builtin: api.builtin,
            readiness: api.readiness,
            exposition: api.exposition,
            requests: RequestMetrics::new(),
            connections: Connections::new(
                settings.connections() * settings.workers,
                settings.trusted_proxies.clone(),
            ),
            uploads: Uploads {
                admission: Admission::new(settings.memory_budget, largest, patience),
                fetcher: api.fetcher,
            },
            settings,
            under_way: TaskTracker::new(),
            shutdown,
            runtime: Handle::current(),
            ingest: api.ingest,
        }
    }

    /// What the interface takes now.
    pub(super) fn usage(&self) -> HttpUsage {
        let (upload_bytes, uploads_waiting) = self.uploads.admission.usage();
        HttpUsage {
            connections: self.connections.total(),
            upload_bytes,
            upload_bytes_limit: self.settings.memory_budget as u64,
            uploads_waiting,
        }
    }

    /// The names that an answer shows in a language; labels are shown as they are without one.
    pub(super) async fn names(&self, language: Option<&str>) -> Result<ShownNames, Problem> {
        let Some(language) = language else {
            return Ok(ShownNames::default());
        };
        let known = self.catalog.names().await;
        known.shown_in(language).ok_or_else(|| {
            let languages: Vec<&str> = known.languages().collect();
            let why = format!("is not one of the languages {}", languages.join(", "));
            Problem::parameter(queries::LANGUAGE, why)
        })
    }

    /// Reads something, for as long as somebody waits for it and the deadline allows.
    pub(super) async fn read<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        match tokio::time::timeout(self.settings.read_deadline, self.spawn(work)).await {
            Ok(Ok(outcome)) => outcome.map_err(Into::into),
            Ok(Err(panicked)) => Err(Problem::internal(cause(panicked))),
            Err(_) => Err(Problem::new(
                Code::StorageUnavailable,
                "the database or the originals did not answer in time",
            )),
        }
    }

    /// Counts images for as long as somebody waits for it. `None` if that takes too long.
    pub(super) async fn count(
        &self,
        window: TimeWindow,
        filter: LabelFilter,
        names: ShownNames,
        context: CallContext,
    ) -> Result<Option<u64>, Problem> {
        let catalog = self.catalog.clone();
        let work = async move {
            let filter = catalog.resolve(filter, &names).await?;
            catalog.count(window, filter, &context).await
        };
        match tokio::time::timeout(self.settings.count_timeout, self.spawn(work)).await {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(panicked)) => Err(Problem::internal(cause(panicked))),
            Err(_) => Ok(None),
        }
    }

    /// Runs something where the services run, for as long as somebody waits for it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.runtime.spawn(work.in_current_span()))
    }

    /// Registers an image. The attempt, if there is one, ends with the work, which may be later than the answer.
    pub(super) async fn ingest(
        &self,
        mut upload: Upload,
        attempt: Option<Attempt>,
    ) -> Result<Image, Problem> {
        let ingest = Arc::clone(&self.ingest);
        let too_late = "the image was not registered in time; it may still be";
        upload.request = attempt.as_ref().map(Attempt::lease);
        self.work(upload.context.clone(), too_late, |context| async move {
            let outcome = ingest.ingest(Upload { context, ..upload }).await;
            if let Some(attempt) = attempt {
                attempt.settle(outcome.is_ok()).await;
            }
            outcome
        })
        .await
    }

    /// The choice of the tag providers with these names; without any, all of them.
    pub(super) fn taggers_named(&self, names: Option<&str>) -> Result<TaggerChoice, Problem> {
        Ok(self.ingest.choose(names)?)
    }

    /// Tags a picture without registering it.
    pub(super) async fn tag(&self, upload: Upload) -> Result<Tagged, Problem> {
        let ingest = Arc::clone(&self.ingest);
        let too_late = "the image was not tagged in time";
        self.work(upload.context.clone(), too_late, |context| async move {
            ingest.tag(Upload { context, ..upload }).await
        })
        .await
    }

    /// Reads a temporary upload.
    pub(super) async fn uploaded(
        &self,
        id: UploadId,
        client: ClientKey,
    ) -> Result<Received, Problem> {
        let temporary = self.temporary.clone();
        let content = self.read(async move { temporary.open(&id).await }).await?;
        let limits = self.settings.body_limits();
        upload::receive_stored(content, client, &self.uploads, limits).await
    }

    /// Has an image tagged again.
    pub(super) async fn retag(
        &self,
        id: ImageId,
        asked: Retagging,
        context: CallContext,
    ) -> Result<TagsChanged, Problem> {
        let editing = self.editing.clone();
        let too_late = "the image was not tagged in time; it may still be";
        self.work(context, too_late, |context| async move {
            editing.retag(&id, &asked, context).await
        })
        .await
    }

    /// Runs work for a caller, up to the deadline of requests. It continues after the deadline and after the
    /// caller has gone, as other uploads may share it, but then starts nothing more that costs something.
    async fn work<T, E, F>(
        &self,
        context: CallContext,
        too_late: &str,
        start: impl FnOnce(CallContext) -> F,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        // Lives as long as this is waited for: who was answered in the meantime waits no longer.
        let waiting = Arc::new(());
        let context = context.while_held(&waiting);
        let task = self
            .under_way
            .spawn_on(start(context).in_current_span(), &self.runtime);
        match tokio::time::timeout(self.settings.request_deadline, task).await {
            Ok(Ok(outcome)) => outcome.map_err(Into::into),
            Ok(Err(panicked)) => Err(Problem::internal(cause(panicked))),
            Err(_) => Err(Problem::new(Code::TaggingTimeout, too_late)),
        }
    }

    /// A rendition of an image, which may have to be made. It is given up when nobody waits for it any more.
    pub(super) async fn rendition(
        &self,
        image: Image,
        size: RenditionSize,
        context: CallContext,
    ) -> Result<Bytes, Problem> {
        let renditions = self.renditions.clone();
        let work = async move { renditions.rendition(&image, size, &context).await };
        match tokio::time::timeout(self.settings.request_deadline, self.spawn(work)).await {
            Ok(Ok(outcome)) => outcome.map_err(Into::into),
            Ok(Err(panicked)) => Err(Problem::internal(cause(panicked))),
            Err(_) => Err(Problem::new(
                Code::Overloaded,
                "the thumbnail was not made in time",
            )),
        }
    }

    /// Searches images, up to the deadline of requests. It is given up when nobody waits for it any more.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.settings.request_deadline, self.spawn(work)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(Problem::internal(cause(panicked))),
            Err(_) => Err(Problem::new(
                Code::Overloaded,
                "the images were not found in time",
            )),
        }
    }

    /// Returns when everything under way is done, or that much time has passed.
    pub(super) async fn drain(&self, patience: Duration) {
        self.under_way.close();
        if tokio::time::timeout(patience, self.under_way.wait())
            .await
            .is_err()
        {
            let left = self.under_way.len();
            tracing::warn!(left, "requests are cut off: they took too long to finish");
        }
    }
}
