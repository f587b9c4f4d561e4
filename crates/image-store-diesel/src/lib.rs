#![doc = include_str!("../README.md")]

mod backup;
mod calls;
mod connections;
mod error;
mod facts;
mod job_text;
mod migrate;
mod migrator;
mod mysql;
mod retry;
mod schema;
mod signals;
mod sqlite;
mod tagger_columns;
mod url;
mod usage;
mod values;
mod vocabulary_text;

use std::{collections::BTreeMap, sync::Arc};

use domain::ports::{Database, ImageStoreError};

pub use self::{
    backup::{Backup, BackupError, back_up},
    connections::{Consistency, PoolSettings, PoolUsage, Pools},
    facts::{DatabaseFacts, FactsError},
    migrate::MigrationError,
    migrator::Migrator,
    signals::Signals,
    sqlite::CopyError,
    url::{MysqlHost, MysqlServer, StoreUrl, StoreUrlError, Tls},
};

/// Opens a database. Connections are opened lazily, by calls.
///
/// A call is retried on conflicts with other transactions, and aborted after
/// [`PoolSettings::call_timeout`]. The schema must exist; see [`Migrator`].
///
/// # Errors
/// [`ImageStoreError::Failed`] if the pool settings are invalid.
pub fn connect(
    url: &StoreUrl,
    settings: PoolSettings,
) -> Result<Arc<dyn Database>, ImageStoreError> {
    connect_with(url, settings, Signals::default())
}

/// Like [`connect`], for a program that migrates the schema later, or waits for images.
///
/// # Errors
/// [`ImageStoreError::Failed`] if the pool settings are invalid.
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

/// Asks a database for its version, clock and variables. Changes nothing.
///
/// # Errors
/// See [`FactsError`].
pub async fn facts(url: &StoreUrl) -> Result<DatabaseFacts, FactsError> {
    match url {
        StoreUrl::Sqlite { .. } => Ok(DatabaseFacts {
            version: format!("SQLite {}", sqlite::version()),
            now: None,
            variables: BTreeMap::new(),
        }),
        StoreUrl::Mysql(server) => mysql::facts(server).await,
    }
}
