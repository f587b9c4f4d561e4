#![doc = include_str!("../README.md")]

mod connections;
mod error;
mod migrate;
mod migrator;
mod mysql;
mod retry;
mod schema;
mod signals;
mod sqlite;
mod url;
mod usage;
mod values;

use std::sync::Arc;

use domain::ports::{Database, ImageStoreError};

pub use self::{
    connections::PoolSettings,
    migrate::MigrationError,
    migrator::Migrator,
    signals::Signals,
    url::{MysqlServer, StoreUrl, StoreUrlError, Tls},
};

/// Opens a database. Nothing is connected yet: each call takes a connection when it needs one.
///
/// A call is repeated while another transaction is in its way, and given up after
/// [`PoolSettings::call_timeout`]. The schema must be there; see [`Migrator`].
///
/// # Errors
/// [`ImageStoreError::Failed`] if the settings make no pool.
pub fn connect(
    url: &StoreUrl,
    settings: PoolSettings,
) -> Result<Arc<dyn Database>, ImageStoreError> {
    connect_with(url, settings, Signals::default())
}

/// Like [`connect`], for a program that brings the schema up to date later, or waits for images.
///
/// # Errors
/// [`ImageStoreError::Failed`] if the settings make no pool.
pub fn connect_with(
    url: &StoreUrl,
    settings: PoolSettings,
    signals: Signals,
) -> Result<Arc<dyn Database>, ImageStoreError> {
    match url {
        StoreUrl::Sqlite { path } => Ok(Arc::new(sqlite::connect(path, settings, signals)?)),
        StoreUrl::Mysql(server) => Ok(Arc::new(mysql::connect(server, settings, signals)?)),
    }
}
