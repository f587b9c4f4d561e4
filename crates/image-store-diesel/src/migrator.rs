//! Migrates the schema of any kind of database.

use std::time::Duration;

use crate::{migrate::MigrationError, mysql, sqlite, url::StoreUrl};

/// How long to wait for the migration lock.
const WAIT: Duration = Duration::from_mins(1);

/// Brings the schema of a database up to date. Its rules: `/migrations/README.md`.
#[derive(Debug, Clone)]
pub struct Migrator {
    url: StoreUrl,
    wait: Duration,
}

impl Migrator {
    /// A migrator that waits a minute for the lock.
    pub fn new(url: &StoreUrl) -> Self {
        Self {
            url: url.clone(),
            wait: WAIT,
        }
    }

    /// Sets the wait for the migration lock, in whole seconds.
    #[must_use]
    pub fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The names of the pending migrations, in order. Changes nothing.
    pub async fn pending(&self) -> Result<Vec<String>, MigrationError> {
        match &self.url {
            StoreUrl::Sqlite { path } => sqlite::pending(path).await,
            StoreUrl::Mysql(server) => mysql::pending(server).await,
        }
    }

    /// Runs the pending migrations in order, and returns their names. Concurrent runs are serialised; an
    /// interrupted run is continued by the next.
    pub async fn run(&self) -> Result<Vec<String>, MigrationError> {
        match &self.url {
            StoreUrl::Sqlite { path } => sqlite::migrate(path, self.wait).await,
            StoreUrl::Mysql(server) => mysql::migrate(server, self.wait).await,
        }
    }
}
