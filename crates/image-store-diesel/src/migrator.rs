//! Bringing the schema up to date, whatever the database.

use std::time::Duration;

use crate::{migrate::MigrationError, mysql, sqlite, url::StoreUrl};

/// How long a start waits for another one that is at the schema.
const WAIT: Duration = Duration::from_mins(1);

/// Brings the schema of a database up to date. The rules it relies on: `/migrations/README.md`.
#[derive(Debug, Clone)]
pub struct Migrator {
    url: StoreUrl,
    wait: Duration,
}

impl Migrator {
    /// A migrator that waits a minute for others.
    pub fn new(url: &StoreUrl) -> Self {
        Self {
            url: url.clone(),
            wait: WAIT,
        }
    }

    /// Waits so long, in whole seconds, while another program is at the schema.
    #[must_use]
    pub fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The names of the migrations that have not run yet, in order. Changes nothing.
    pub async fn pending(&self) -> Result<Vec<String>, MigrationError> {
        match &self.url {
            StoreUrl::Sqlite { path } => sqlite::pending(path).await,
            StoreUrl::Mysql(server) => mysql::pending(server).await,
        }
    }

    /// Runs the migrations that have not run yet, in order, and names them. Several at once do it one
    /// after the other; one that was killed is carried on by the next.
    pub async fn run(&self) -> Result<Vec<String>, MigrationError> {
        match &self.url {
            StoreUrl::Sqlite { path } => sqlite::migrate(path, self.wait).await,
            StoreUrl::Mysql(server) => mysql::migrate(server, self.wait).await,
        }
    }
}
