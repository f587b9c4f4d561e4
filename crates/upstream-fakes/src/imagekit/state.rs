//! The state of the ImageKit fake, and its routes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{Call, Credentials, Reply};
use crate::fault::Route;
use crate::imagekit::errors::{self, ApiError};
use crate::imagekit::library::{Library, Unreadable, join};
use crate::imagekit::limiter::{Limiter, WINDOW};
use crate::imagekit::listing::{self, Listing};
use crate::imagekit::settings::{Change, Settings};
use crate::imagekit::upload::{self, Upload};
use crate::picture;
use crate::traffic::Traffic;
use crate::upstream::Upstream;

/// The fake itself, shared by its server and its handle.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    /// `http://host:port` of this fake.
    pub(crate) origin: String,
    pub(crate) traffic: Arc<Traffic>,
    library: Mutex<Library>,
    limiter: Mutex<Limiter>,
    cdn: std::sync::atomic::AtomicBool,
}

impl State {
    pub(crate) fn new(settings: Settings, origin: String) -> Self {
        let traffic = Arc::<Traffic>::default();
        traffic.set_latency(settings.latency);
        let limiter = Limiter::new(settings.writes_per_second);
        let cdn = settings.cdn.into();
        let (library, limiter) = (Mutex::default(), Mutex::new(limiter));
        Self {
            settings,
            origin,
            traffic,
            library,
            limiter,
            cdn,
        }
    }

    pub(crate) fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_cdn(&self, on: bool) {
        self.cdn.store(on, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn has_cdn(&self) -> bool {
        self.cdn.load(std::sync::atomic::Ordering::SeqCst)
    }

    pub(crate) fn set_writes_per_second(&self, limit: Option<u32>) {
        *self.limiter() = Limiter::new(limit);
    }

    /// The base URL of all pictures, without a trailing slash.
    pub(crate) fn root(&self) -> String {
        format!("{}/{}", self.origin, self.settings.account)
    }

    fn authorize(&self, call: &Call) -> Result<(), ApiError> {
        match call.credentials() {
            Credentials::Absent => Err(errors::NO_KEY),
            Credentials::Basic { user, password }
                if user == self.settings.private_key && password.is_empty() =>
            {
                Ok(())
            }
            _ => Err(errors::WRONG_KEY),
        }
    }

    async fn upload(&self, call: &Call, http: &reqwest::Client) -> Result<Reply, ApiError> {
        let upload = Upload::read(call, self.settings.upload_limit, http).await?;
        let mut new = upload.file;
        if upload.unique {
            new.name = upload::unique_name(&new.name);
        }
        let mut library = self.library();
        let taken = library.has_path(&join(&new.folder, &new.name));
        if taken && !upload.unique && !upload.overwrite {
            return Err(errors::NAME_TAKEN);
        }
        let file = library.store(new);
        drop(library);
        Ok(upload::answer(&file, &self.root(), &upload.response_fields))
    }

    fn serve(&self, call: &Call) -> Reply {
        let prefix = format!("/{}", self.settings.account);
        let path = call.path.strip_prefix(&prefix).unwrap_or_default();
        match self.library().read(path) {
            Ok(bytes) => {
                let media_type = picture::media_type(&bytes).unwrap_or("application/octet-stream");
                Reply::bytes(StatusCode::OK, media_type, bytes).with(
                    "cache-control",
                    "public, s-maxage=31536000, max-age=31536000",
                )
            }
            Err(Unreadable::Missing) => plain(StatusCode::NOT_FOUND, "Not Found"),
            Err(Unreadable::Private) => plain(StatusCode::UNAUTHORIZED, "Unauthorized"),
        }
    }

    fn list(&self, call: &Call) -> Result<Reply, ApiError> {
        let listing = Listing::read(call)?;
        Ok(listing.answer(self.library().files(), &self.root()))
    }

    fn details(&self, call: &Call) -> Result<Reply, ApiError> {
        let id = call
            .path
            .strip_prefix("/v1/files/")
            .and_then(|id| id.strip_suffix("/details"));
        let library = self.library();
        let file = library.get(valid_id(id)?).ok_or(errors::NO_SUCH_FILE)?;
        Ok(Reply::json(
            StatusCode::OK,
            &listing::details(file, &self.root()),
        ))
    }

    async fn attempt(
        &self,
        route: Route,
        call: &Call,
        http: &reqwest::Client,
    ) -> Result<Reply, ApiError> {
        if route == Route::Serve {
            return Ok(self.serve(call));
        }
        if route == Route::Unknown {
            return Err(errors::NO_SUCH_ENDPOINT);
        }
        self.authorize(call)?;
        let write = matches!(route, Route::Delete | Route::BulkDelete)
            || (route == Route::Purge && call.method == Method::POST);
        let admitted = if write {
            self.limiter().admit()
        } else {
            Ok(())
        };
        if let Err(wait) = admitted {
            return Ok(self.too_many(wait));
        }
        match route {
            Route::Upload => self.upload(call, http).await,
            Route::List => self.list(call),
            Route::Details => self.details(call),
            Route::Delete => self.delete(call),
            Route::BulkDelete => self.bulk_delete(call),
            Route::Purge => self.purge(call),
            _ => Err(errors::NO_SUCH_ENDPOINT),
        }
    }

    fn too_many(&self, wait: Duration) -> Reply {
        let limit = self.limiter().per_second.unwrap_or_default();
        errors::forced(StatusCode::TOO_MANY_REQUESTS)
            .with("X-RateLimit-Limit", limit.to_string())
            .with("X-RateLimit-Reset", wait.as_millis().to_string())
            .with("X-RateLimit-Interval", WINDOW.as_millis().to_string())
    }
}

fn plain(status: StatusCode, text: &'static str) -> Reply {
    Reply::bytes(status, "text/plain; charset=utf-8", text)
}

impl Upstream for State {
    fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    fn route(&self, call: &Call) -> Route {
        let rest = call.path.strip_prefix("/v1/files");
        let pictures = format!("/{}/", self.settings.account);
        match (call.method.as_str(), rest) {
            ("POST", None) if call.path == "/api/v1/files/upload" => Route::Upload,
            ("GET" | "HEAD", None) if call.path.starts_with(&pictures) => Route::Serve,
            ("GET", Some("")) => Route::List,
            ("POST", Some("/batch/deleteByFileIds")) => Route::BulkDelete,
            ("POST", Some("/purge")) => Route::Purge,
            ("GET", Some(rest)) if rest.starts_with("/purge/") => Route::Purge,
            ("GET", Some(rest)) if rest.ends_with("/details") => Route::Details,
            ("DELETE", Some(rest)) if rest.starts_with('/') => Route::Delete,
            _ => Route::Unknown,
        }
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
        reply.with("x-ik-requestId", uuid::Uuid::new_v4().to_string())
    }

    fn apply(&self, settings: &[u8]) -> Result<(), serde_json::Error> {
        let change: Change = serde_json::from_slice(settings)?;
        if let Some(latency) = change.latency_ms {
            self.traffic.set_latency(Duration::from_millis(latency));
        }
        if let Some(on) = change.cdn {
            self.set_cdn(on);
        }
        if let Some(limit) = change.writes_per_second {
            self.set_writes_per_second(Some(limit).filter(|limit| *limit > 0));
        }
        Ok(())
    }

    fn stats(&self) -> Value {
        let library = self.library();
        json!({
            "alive": library.alive(),
            "peak_alive": library.peak_alive,
            "uploads": library.uploads,
            "releases": library.releases,
            "cdn_copies": library.copies(),
        })
    }

    fn reset(&self) {
        *self.library() = Library::default();
        self.traffic.set_latency(self.settings.latency);
    }

    fn control(&self, call: &Call, action: &str) -> Option<Reply> {
        let library = self.library();
        match (call.method.as_str(), action.split_once('/')) {
            ("GET", None) if action == "files" => {
                let files = library.recall_all().into_iter();
                let files = files.map(|file| {
                    let alive = library.get(&file.id).is_some();
                    json!({ "alive": alive, "file": listing::details(file, &self.root()) })
                });
                Some(Reply::json(StatusCode::OK, &files.collect()))
            }
            ("GET", Some(("files", id))) => {
                let file = library.recall(id)?;
                let media_type = file.media_type.unwrap_or("application/octet-stream");
                Some(Reply::bytes(StatusCode::OK, media_type, file.bytes.clone()))
            }
            _ => None,
        }
    }
}

/// A file id, which has 24 hexadecimal digits.
pub(super) fn valid_id(id: Option<&str>) -> Result<&str, ApiError> {
    let hexadecimal = |id: &&str| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit());
    id.filter(hexadecimal).ok_or(errors::INVALID_FILE_ID)
}
