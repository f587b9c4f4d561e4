//! The state of the Imagga fake, and its routes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Call, Credentials, Reply};
use crate::fault::Route;
use crate::imagga::envelope::success;
use crate::imagga::errors::{self, ApiError};
use crate::imagga::quota::Quota;
use crate::imagga::settings::{Change, Settings};
use crate::imagga::sight::Sight;
use crate::imagga::tags::{self, Input, Query};
use crate::imagga::uploads::Uploads;
use crate::traffic::Traffic;
use crate::upstream::Upstream;

/// The fake itself, shared by its server and its handle.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) origin: String,
    pub(crate) traffic: Arc<Traffic>,
    uploads: Mutex<Uploads>,
    quota: Mutex<Quota>,
    pub(super) max_concurrency: AtomicUsize,
    pub(crate) sight: Sight,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(settings: Settings, origin: String) -> Self {
        let traffic = Arc::<Traffic>::default();
        traffic.set_latency(settings.latency);
        Self {
            uploads: Mutex::new(Uploads::new(settings.upload_lifetime)),
            quota: Mutex::new(Quota::new(settings.quota)),
            max_concurrency: settings.max_concurrency.into(),
            sight: Sight::default(),
            settings,
            origin,
            traffic,
        }
    }

    pub(crate) fn uploads(&self) -> MutexGuard<'_, Uploads> {
        lock(&self.uploads)
    }

    pub(crate) fn quota(&self) -> MutexGuard<'_, Quota> {
        lock(&self.quota)
    }

    pub(crate) fn set_max_concurrency(&self, limit: usize) {
        self.max_concurrency.store(limit, Ordering::SeqCst);
    }

    fn authorize(&self, call: &Call) -> Result<(), ApiError> {
        let expected = (&self.settings.api_key, &self.settings.api_secret);
        match call.credentials() {
            Credentials::Basic { user, password } if (&user, &password) == expected => Ok(()),
            _ => Err(errors::UNAUTHORIZED),
        }
    }

    async fn tags(&self, call: &Call, http: &reqwest::Client) -> Result<Reply, ApiError> {
        let query = Query::read(call).await?;
        let uploaded = match &query.input {
            Input::Upload(id) => Some(self.uploads().get(id)?),
            Input::Bytes(bytes) => Some(bytes.clone()),
            Input::Url(_) => None,
        };
        if !self.quota().charge() {
            return Err(errors::QUOTA);
        }
        let bytes = match (uploaded, &query.input) {
            (None, Input::Url(url)) => Input::fetch(url, http).await?,
            (bytes, _) => bytes.unwrap_or_default(),
        };
        let labels = self.sight.see(bytes).await.ok_or(errors::CLASSIFICATION)?;
        Ok(query.options.answer(&labels))
    }

    async fn upload(&self, call: &Call) -> Result<Reply, ApiError> {
        let form = tags::read_form(call).await?;
        if form
            .names()
            .any(|name| name != "image" && name != "image_base64")
        {
            return Err(errors::UNKNOWN_PARAMETER);
        }
        if form.names().count() > 1 {
            return Err(errors::TWO_INPUTS);
        }
        let bytes = tags::picture_of(&form)?.filter(|bytes| !bytes.is_empty());
        let id = self.uploads().store(bytes.ok_or(errors::NO_INPUT)?);
        Ok(success(&json!({ "upload_id": id })))
    }

    fn delete(&self, call: &Call) -> Result<Reply, ApiError> {
        let id = call.path.strip_prefix("/v2/uploads/").unwrap_or_default();
        self.uploads().delete(id)?;
        Ok(success(&json!({ "upload_id": id })))
    }

    async fn attempt(
        &self,
        route: Route,
        call: &Call,
        http: &reqwest::Client,
    ) -> Result<Reply, ApiError> {
        if route == Route::Unknown {
            return Err(if is_path(&call.path) {
                errors::WRONG_METHOD
            } else {
                errors::NO_SUCH_ENDPOINT
            });
        }
        self.authorize(call)?;
        if !accepts_json(call.header("accept")) {
            return Err(errors::NOT_ACCEPTABLE);
        }
        match route {
            Route::Tags => self.tags(call, http).await,
            Route::Upload => self.upload(call).await,
            Route::Delete => self.delete(call),
            _ => Ok(self.usage()),
        }
    }
}

fn is_path(path: &str) -> bool {
    matches!(path, "/v2/tags" | "/v2/uploads" | "/v2/usage") || path.starts_with("/v2/uploads/")
}

fn accepts_json(accept: Option<&str>) -> bool {
    accept.is_none_or(|accept| {
        let mut types = accept.split([',', ';']).map(str::trim);
        types.any(|media_type| matches!(media_type, "*/*" | "application/*" | "application/json"))
    })
}

impl Upstream for State {
    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    fn route(&self, call: &Call) -> Route {
        match (&call.method, call.path.as_str()) {
            (&Method::GET | &Method::POST, "/v2/tags") => Route::Tags,
            (&Method::POST, "/v2/uploads") => Route::Upload,
            (&Method::DELETE, path) if path.starts_with("/v2/uploads/") => Route::Delete,
            (&Method::GET, "/v2/usage") => Route::Usage,
            _ => Route::Unknown,
        }
    }

    fn concurrency(&self) -> usize {
        self.max_concurrency.load(Ordering::SeqCst)
    }

    async fn answer(&self, route: Route, call: &Call, http: &reqwest::Client) -> Reply {
        self.attempt(route, call, http)
            .await
            .unwrap_or_else(|error| error.reply())
    }

    fn failure(&self, status: StatusCode) -> Reply {
        errors::forced(status)
    }

    fn sign(&self, reply: Reply) -> Reply {
        self.quota()
            .sign(reply)
            .with("Access-Control-Allow-Origin", "*")
    }

    fn apply(&self, settings: &[u8]) -> Result<(), serde_json::Error> {
        let change: Change = serde_json::from_slice(settings)?;
        if let Some(latency) = change.latency_ms {
            self.traffic.set_latency(Duration::from_millis(latency));
        }
        if change.quota.is_some() || change.quota_reset_in_ms.is_some() {
            let mut quota = self.quota();
            let remaining = change.quota.unwrap_or_else(|| quota.remaining());
            quota.set(
                remaining,
                change.quota_reset_in_ms.map(Duration::from_millis),
            );
        }
        if let Some(limit) = change.max_concurrency {
            self.set_max_concurrency(if limit == 0 { usize::MAX } else { limit });
        }
        if let Some(lifetime) = change.upload_lifetime_ms {
            self.uploads().lifetime = Duration::from_millis(lifetime);
        }
        if let Some(labels) = change.tags {
            self.sight
                .fix(Some(labels).filter(|labels| !labels.is_empty()));
        }
        Ok(())
    }

    fn stats(&self) -> Value {
        let remaining = self.quota().remaining();
        let uploads = self.uploads();
        json!({
            "alive": uploads.alive(),
            "peak_alive": uploads.peak_alive,
            "uploads": uploads.stored,
            "releases": uploads.deleted,
            "quota_remaining": remaining,
        })
    }

    fn reset(&self) {
        let lifetime = self.uploads().lifetime;
        *self.uploads() = Uploads::new(lifetime);
        *self.quota() = Quota::new(self.settings.quota);
        self.sight.fix(None);
        self.traffic.set_latency(self.settings.latency);
    }

    fn control(&self, _call: &Call, _action: &str) -> Option<Reply> {
        None
    }
}
