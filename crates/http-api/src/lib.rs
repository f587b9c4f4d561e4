//! The HTTP interface: requests in, answers and problem documents out.

mod access;
mod access_log;
mod connection;
mod connections;
mod credentials;
mod disconnect;
mod docs;
mod forwarded;
#[cfg(feature = "internals")]
pub mod internals;
mod json_body;
mod link;
mod middleware;
mod openapi;
mod params;
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
mod upload;

use std::sync::Arc;

use domain::{
    ports::{ImageStore, OriginalStore, TagProvider},
    service::{Access, Catalog, Ingest, Keys},
};

pub use self::{
    middleware::{HostCheck, Origin, host_name},
    openapi::openapi,
    problem::{Code, Problem},
    server::server,
    settings::{HttpSettings, KeyPolicy},
};

/// What the interface is made of.
pub struct Api {
    /// Registers images.
    pub ingest: Arc<Ingest>,
    /// Reads them.
    pub catalog: Catalog,
    /// Tells who calls.
    pub access: Arc<Access>,
    /// Makes and revokes keys.
    pub keys: Keys,
    /// What must work for the server to be ready.
    pub readiness: Readiness,
    /// How it works.
    pub settings: HttpSettings,
}

/// The ports that `/readyz` asks.
#[derive(Clone)]
pub struct Readiness {
    /// The database.
    pub images: Arc<dyn ImageStore>,
    /// The store of originals.
    pub originals: Arc<dyn OriginalStore>,
    /// The tag provider.
    pub provider: Arc<dyn TagProvider>,
}

#[cfg(test)]
mod tests;
