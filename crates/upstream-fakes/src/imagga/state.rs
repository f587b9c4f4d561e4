//! What the Imagga fake knows, and how it answers each route.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::rt::task;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Credentials, Reply};
use crate::clock;
use crate::fault::Route;
use crate::imagga::errors::{self, Refusal};
use crate::imagga::quota::Quota;
use crate::imagga::tags::{self, Input, Query};
use crate::imagga::uploads::Uploads;
use crate::imagga::vocabulary;
use crate::picture::{self, Colour};
use crate::server::Upstream;
use crate::traffic::Traffic;

/// Pictures whose colour is remembered, so that a load test with few pictures decodes few.
const COLOURS_KEPT: usize = 10_000;

/// Labels with confidences, best first.
pub(crate) type Labels = Vec<(String, f64)>;

/// What a test may choose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
    /// Taggings in a month.
    pub(crate) quota: u64,
    /// Calls in flight at once.
    pub(crate) max_concurrency: usize,
    /// How long an upload is kept.
    pub(crate) upload_lifetime: Duration,
    /// Delay of every answer.
    pub(crate) latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: "acc_fakeImaggaKey".to_owned(),
            api_secret: "fakeImaggaSecret".to_owned(),
            quota: 1_000_000,
            max_concurrency: usize::MAX,
            upload_lifetime: Duration::from_hours(24),
            latency: Duration::ZERO,
        }
    }
}

/// Settings that may change while the fake runs. Absent ones stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    latency_ms: Option<u64>,
    /// Taggings left in this month.
    quota: Option<u64>,
    quota_reset_in_ms: Option<u64>,
    /// 0: no limit.
    max_concurrency: Option<usize>,
    upload_lifetime_ms: Option<u64>,
    /// Labels with confidences for every picture; an empty list goes back to looking.
    tags: Option<Labels>,
}

/// The fake itself, shared by its server and its handle.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) origin: String,
    pub(crate) traffic: Arc<Traffic>,
    uploads: Mutex<Uploads>,
    quota: Mutex<Quota>,
    max_concurrency: AtomicUsize,
    fixed: Mutex<Option<Labels>>,
    colours: Mutex<HashMap<u64, Option<Colour>>>,
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
            fixed: Mutex::default(),
            colours: Mutex::default(),
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

    /// Fixes the answer for every picture; none goes back to looking.
    pub(crate) fn fix(&self, labels: Option<Labels>) {
        let sorted = labels.map(|mut labels| {
            labels.sort_by(|left, right| right.1.total_cmp(&left.1));
            labels
        });
        *lock(&self.fixed) = sorted;
    }

    fn authorize(&self, call: &Call) -> Result<(), Refusal> {
        let expected = (&self.settings.api_key, &self.settings.api_secret);
        match call.credentials() {
            Credentials::Basic { user, password } if (&user, &password) == expected => Ok(()),
            _ => Err(errors::UNAUTHORIZED),
        }
    }

    async fn tags(&self, call: &Call, http: &reqwest::Client) -> Result<Reply, Refusal> {
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
        let colour = self.look(bytes).await.ok_or(errors::CLASSIFICATION)?;
        let fixed = lock(&self.fixed).clone();
        Ok(query
            .options
            .answer(&fixed.unwrap_or_else(|| vocabulary::see(colour))))
    }

    /// Decodes a picture, unless the same bytes were decoded before.
    async fn look(&self, bytes: Bytes) -> Option<Colour> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let digest = hasher.finish();
        let known = lock(&self.colours).get(&digest).copied();
        if let Some(colour) = known {
            return colour;
        }
        let decoding = task::spawn_blocking(move || picture::mean_colour(&bytes));
        let colour = decoding.await.ok().flatten();
        let mut colours = lock(&self.colours);
        if colours.len() >= COLOURS_KEPT {
            colours.clear();
        }
        colours.insert(digest, colour);
        colour
    }

    async fn upload(&self, call: &Call) -> Result<Reply, Refusal> {
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

    fn delete(&self, call: &Call) -> Result<Reply, Refusal> {
        let id = call.path.strip_prefix("/v2/uploads/").unwrap_or_default();
        self.uploads().delete(id)?;
        Ok(success(&json!({ "upload_id": id })))
    }

    fn usage(&self) -> Reply {
        let (limit, used, total, start, end) = self.quota().figures();
        let limit_of_plan = self.max_concurrency.load(Ordering::SeqCst);
        let max = u32::try_from(limit_of_plan).unwrap_or(u32::MAX);
        success(&json!({
            "billing_period_start": start.format("%d %b %Y %H:%M:%S UTC").to_string(),
            "billing_period_end": end.format("%d %b %Y %H:%M:%S UTC").to_string(),
            "concurrency": { "max": max, "now": self.traffic.in_flight() },
            "daily": {},
            "daily_for": clock::now().format("%d %b %Y").to_string(),
            "daily_processed": used,
            "daily_requests": used,
            "last_usage": clock::now().timestamp(),
            "monthly": {},
            "monthly_limit": limit,
            "monthly_processed": used,
            "monthly_requests": used,
            "total_processed": total,
            "total_requests": total,
            "weekly": {},
            "weekly_processed": used,
            "weekly_requests": used,
        }))
    }

    async fn attempt(
        &self,
        route: Route,
        call: &Call,
        http: &reqwest::Client,
    ) -> Result<Reply, Refusal> {
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

fn success(result: &Value) -> Reply {
    let body = json!({ "result": result, "status": { "text": "", "type": "success" } });
    Reply::json(StatusCode::OK, &body)
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
            .unwrap_or_else(|refusal| refusal.reply())
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
            self.fix(Some(labels).filter(|labels| !labels.is_empty()));
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
        self.fix(None);
        self.traffic.set_latency(self.settings.latency);
    }

    fn control(&self, _call: &Call, _action: &str) -> Option<Reply> {
        None
    }
}
