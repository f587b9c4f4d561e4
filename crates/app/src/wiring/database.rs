//! The database: its URL, connection pool and schema.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use domain::ports;
use image_store_diesel::{MigrationError, Migrator, PoolSettings, Signals, StoreUrl};
use secrecy::ExposeSecret;
use thiserror::Error;

use crate::settings::Settings;

/// The longest wait for a pooled connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// The database behind the image store.
pub struct Database {
    pub(super) url: StoreUrl,
    pool: PoolSettings,
}

/// Why the schema of the database is not usable.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A migration failed, or could not start.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Migrations are pending and were not to be applied.
    #[error("{0} migrations of the database are pending: run `etiqueta migrate`")]
    Pending(usize),
}

impl SchemaError {
    /// Whether the database is only unreachable for now.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Migration(MigrationError::Unavailable(_) | MigrationError::Locked)
        )
    }
}

impl Database {
    /// Parses the URL and creates the pool, without connecting.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings
            .database
            .url
            .expose_secret()
            .parse()
            .map_err(|error| settings.refuse("database.url", error))?;
        let timeout = settings.database.timeout;
        let pool = PoolSettings {
            max_connections: settings.database.max_connections.get(),
            acquire_timeout: (timeout / 4).min(CONNECTION_WAIT),
            lock_timeout: timeout.min(PoolSettings::default().lock_timeout),
            call_timeout: timeout,
        };
        Ok(Self { url, pool })
    }

    /// Whether the database is a file of this process rather than a server.
    pub fn is_embedded(&self) -> bool {
        matches!(self.url, StoreUrl::Sqlite { .. })
    }

    /// Applies the pending migrations and returns their number.
    pub async fn migrate(&self) -> Result<usize, SchemaError> {
        Ok(Migrator::new(&self.url).run().await?.len())
    }

    /// Fails if migrations are pending.
    pub async fn require_schema(&self) -> Result<(), SchemaError> {
        let pending = Migrator::new(&self.url).pending().await?.len();
        if pending == 0 {
            Ok(())
        } else {
            Err(SchemaError::Pending(pending))
        }
    }

    pub(super) fn connect(&self, signals: Signals) -> anyhow::Result<Arc<dyn ports::Database>> {
        image_store_diesel::connect_with(&self.url, self.pool, signals)
            .context("opening the database")
    }
}
