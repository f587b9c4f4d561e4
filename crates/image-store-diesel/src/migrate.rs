//! Bringing the schema up to date.

use std::time::Duration;

use diesel::{
    ConnectionError,
    backend::Backend,
    connection::BoxableConnection,
    migration::{Migration, MigrationMetadata, MigrationName, MigrationSource},
    result::Error,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use domain::ports::{Cause, ImageStoreError, cause};
use thiserror::Error;
use tokio::task::JoinError;

use crate::{fault::Fault, mysql, sqlite, url::StoreUrl};

/// How long a start waits for another one that is at the schema.
const WAIT: Duration = Duration::from_mins(1);

/// Brings the schema of a database up to date. The rules it relies on: `/migrations/README.md`.
#[derive(Debug, Clone)]
pub struct Migrator {
    url: StoreUrl,
    wait: Duration,
}

/// Why the schema is not up to date.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// Another program has been at the schema for longer than this one waits.
    #[error("another program is changing the schema")]
    Locked,
    /// The database cannot be reached, or not be read.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The database refused a migration. Those before it stand; the next run begins with it.
    #[error("the migration {name} failed")]
    Failed {
        /// The migration.
        name: String,
        /// What the database says.
        source: Cause,
    },
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

/// How often a migration is begun anew that another node of a cluster got in the way of.
const ATTEMPTS: u32 = 10;

/// How long it is left alone in between.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs what has not run, on a connection that holds the lock. Blocks.
pub(crate) fn run<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, MigrationError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let pending = connection
        .pending_migrations(migrations)
        .map_err(unavailable)?;
    let mut names = Vec::new();
    for migration in &pending {
        if run_one(connection, migration.as_ref())? {
            names.push(migration.name().to_string());
        }
    }
    Ok(names)
}

/// Runs a migration. `false` if another node of a cluster, which shares no locks with this one, did.
fn run_one<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migration: &dyn Migration<DB>,
) -> Result<bool, MigrationError> {
    let mut attempt = 1;
    loop {
        let error = match connection.run_migration(migration) {
            Ok(_) => return Ok(true),
            Err(_) if has_run(connection, migration)? => return Ok(false),
            Err(error) if is_duplicate_column(error.as_ref()) => {
                connection
                    .run_migration(&AlreadyThere(migration))
                    .map_err(unavailable)?;
                return Ok(true);
            }
            Err(error) => error,
        };
        let source = meaning(error);
        if attempt == ATTEMPTS || !matches!(source, ImageStoreError::Contended(_)) {
            let name = migration.name().to_string();
            let source = cause(source);
            return Err(MigrationError::Failed { name, source });
        }
        attempt += 1;
        std::thread::sleep(PAUSE);
    }
}

/// Whether a column could not be added because it is there: an earlier run was killed before it noted
/// that it had added it. MySQL has no `ADD COLUMN IF NOT EXISTS`, and Diesel keeps its own error to itself.
fn is_duplicate_column(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("duplicate column name")
}

/// A migration that ran, and only has to be noted.
struct AlreadyThere<'m, DB: Backend>(&'m dyn Migration<DB>);

impl<DB: Backend> Migration<DB> for AlreadyThere<'_, DB> {
    fn run(&self, _: &mut dyn BoxableConnection<DB>) -> diesel::migration::Result<()> {
        Ok(())
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<DB>) -> diesel::migration::Result<()> {
        self.0.revert(connection)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.0.metadata()
    }

    fn name(&self) -> &dyn MigrationName {
        self.0.name()
    }
}

fn meaning(error: Box<dyn std::error::Error + Send + Sync>) -> ImageStoreError {
    match error.downcast::<Error>() {
        Ok(error) => Fault::from(*error).into(),
        Err(error) => ImageStoreError::Failed(cause(error)),
    }
}

fn has_run<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migration: &dyn Migration<DB>,
) -> Result<bool, MigrationError> {
    let applied = connection.applied_migrations().map_err(unavailable)?;
    Ok(applied.contains(&migration.name().version()))
}

fn unavailable(error: Box<dyn std::error::Error + Send + Sync>) -> MigrationError {
    MigrationError::Unavailable(cause(error))
}

impl From<ConnectionError> for MigrationError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::CouldntSetupConfiguration(error) => error.into(),
            error => Self::Unavailable(cause(error)),
        }
    }
}

impl From<Error> for MigrationError {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}

impl From<Fault> for MigrationError {
    fn from(fault: Fault) -> Self {
        match fault.into() {
            ImageStoreError::Contended(_) => Self::Locked,
            error => Self::Unavailable(cause(error)),
        }
    }
}

impl From<JoinError> for MigrationError {
    fn from(error: JoinError) -> Self {
        Self::Unavailable(cause(error))
    }
}
