//! The HTTP interface: routes, responses and problem documents.

mod access;
mod access_log;
mod conditions;
mod connection;
mod connections;
mod credentials;
mod disconnect;
mod disposition;
mod docs;
mod embedded;
mod forwarded;
mod idempotency;
#[cfg(feature = "internals")]
pub mod internals;
mod json_body;
mod link;
mod measure;
mod middleware;
mod openapi;
mod params;
mod prefer;
mod problem;
pub mod queries;
mod rate_limit;
mod request_id;
mod response;
mod rights;
mod routes;
mod security_headers;
mod server;
mod settings;
mod state;
mod trace_context;
mod upload;

use std::sync::Arc;

use domain::{
    Vocabulary,
    ports::{ImageStore, OriginalStore, TagProvider},
    service::{
        Access, Catalog, Editing, Idempotency, Ingest, Jobs, Keys, LookAlikes, Renditions,
        TemporaryUploads, Webhooks,
    },
};

use futures_util::future::BoxFuture;
use url_fetch::Fetcher;

pub use self::{
    middleware::{HostCheck, Origin, host_name},
    openapi::openapi,
    problem::{Code, Problem},
    server::server,
    settings::{HttpSettings, KeyPolicy},
};

/// The dependencies of the interface.
pub struct Api {
    /// Registers uploads, and tags pictures.
    pub ingest: Arc<Ingest>,
    /// Reads images and statistics.
    pub catalog: Catalog,
    /// Changes tags, and deletes images.
    pub editing: Editing,
    /// Makes, lists and cancels jobs.
    pub jobs: Jobs,
    /// Finds images that look alike.
    pub look_alikes: LookAlikes,
    /// Makes small copies of them.
    pub renditions: Renditions,
    /// Keeps files that are tagged a little later.
    pub uploads: TemporaryUploads,
    /// Carries out repeated requests once.
    pub idempotency: Idempotency,
    /// Tells who calls.
    pub access: Arc<Access>,
    /// Makes and revokes keys.
    pub keys: Keys,
    /// Registers and removes webhooks.
    pub webhooks: Webhooks,
    /// What tags pictures.
    pub taggers: Vec<Tagger>,
    /// The words of the built-in tagger.
    pub builtin: Arc<Vocabulary>,
    /// What must work for the server to be ready.
    pub readiness: Readiness,
    /// Writes the metrics.
    pub exposition: Exposition,
    /// Fetches the URLs of uploads.
    pub fetcher: Fetcher,
    /// Limits, time-outs and defaults.
    pub settings: HttpSettings,
}

/// Writes the metrics of the whole program as Prometheus' text, given those of the interface.
pub type Exposition = Arc<dyn Fn(HttpUsage) -> BoxFuture<'static, String> + Send + Sync>;

/// What the interface takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HttpUsage {
    /// Open connections.
    pub connections: usize,
    /// Memory of uploads, in bytes.
    pub upload_bytes: u64,
    /// The most that they may take.
    pub upload_bytes_limit: u64,
    /// Uploads that wait for memory.
    pub uploads_waiting: usize,
}

/// What tags pictures, for callers to know.
#[derive(Clone)]
pub struct Tagger {
    /// The provider.
    pub provider: Arc<dyn TagProvider>,
    /// The languages of the tags that it can give.
    pub languages: Vec<String>,
    /// Whether it turns pictures into vectors that can be compared.
    pub embeds_pictures: bool,
    /// Whether it turns words into such vectors.
    pub embeds_words: bool,
}

/// The ports checked by `/readyz`.
#[derive(Clone)]
pub struct Readiness {
    /// The database.
    pub images: Arc<dyn ImageStore>,
    /// The store of originals.
    pub originals: Arc<dyn OriginalStore>,
    /// The tag providers, all of which must work.
    pub providers: Vec<Arc<dyn TagProvider>>,
}

#[cfg(test)]
mod tests;
