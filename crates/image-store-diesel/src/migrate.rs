//! Runs migrations on a connection.

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

use crate::error::{ErrorClass, StoreError};

/// Why the schema is not up to date.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// Another program has held the migration lock for longer than this one waits.
    #[error("another program is changing the schema")]
    Locked,
    /// The database is unreachable or unreadable.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// A migration failed. Earlier ones stand; the next run starts with it.
    #[error("the migration {name} failed")]
    Failed {
        /// The name of the failed migration.
        name: String,
        /// The database's error.
        source: Cause,
    },
}

/// How often a migration is tried that conflicts with another node of a cluster.
const ATTEMPTS: u32 = 10;

/// The wait between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// How migrations run on a kind of database.
pub(crate) struct Dialect<R> {
    /// Whether a migration runs in a transaction. Where DDL commits implicitly, a transaction would only
    /// prevent querying the connection about an error first.
    pub(crate) in_transaction: bool,
    /// Classifies the error of the connection's last statement, of which Diesel exposes only the message:
    /// `Fn(&mut C, &str) -> ErrorClass`. Blocks.
    pub(crate) classify: R,
}

/// Runs the pending migrations on a connection that holds the lock. Blocks.
pub(crate) fn run<DB: Backend, C: MigrationHarness<DB>>(
    connection: &mut C,
    migrations: EmbeddedMigrations,
    dialect: &Dialect<impl Fn(&mut C, &str) -> ErrorClass>,
) -> Result<Vec<String>, MigrationError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let pending = connection
        .pending_migrations(migrations)
        .map_err(unavailable)?;
    let mut names = Vec::new();
    for migration in &pending {
        if run_one(connection, migration.as_ref(), dialect)? {
            names.push(migration.name().to_string());
        }
    }
    Ok(names)
}

/// Runs a migration. `false` if another node of a cluster, which shares no locks with this one, did.
fn run_one<DB: Backend, C: MigrationHarness<DB>>(
    connection: &mut C,
    migration: &dyn Migration<DB>,
    dialect: &Dialect<impl Fn(&mut C, &str) -> ErrorClass>,
) -> Result<bool, MigrationError> {
    let mut step = Step {
        migration,
        in_transaction: dialect.in_transaction,
        is_applied: false,
    };
    let mut attempt = 1;
    loop {
        let Err(source) = connection.run_migration(&step) else {
            return Ok(true);
        };
        // Before the connection is used for anything else.
        let class = (dialect.classify)(connection, &source.to_string());
        if has_run(connection, migration)? {
            return Ok(false);
        }
        match class {
            // An earlier run was killed after the statement, before it recorded the migration. MySQL has no
            // `ADD COLUMN IF NOT EXISTS`, and no `DROP FOREIGN KEY IF EXISTS`.
            ErrorClass::AlreadyThere | ErrorClass::NothingToDrop if !step.is_applied => {
                step.is_applied = true;
            }
            ErrorClass::Contended if attempt < ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(PAUSE);
            }
            class => {
                let name = migration.name().to_string();
                let source = cause(class.of(source));
                return Err(MigrationError::Failed { name, source });
            }
        }
    }
}

/// A migration, or just the record that it ran.
struct Step<'m, DB: Backend> {
    migration: &'m dyn Migration<DB>,
    in_transaction: bool,
    is_applied: bool,
}

impl<DB: Backend> Migration<DB> for Step<'_, DB> {
    fn run(&self, connection: &mut dyn BoxableConnection<DB>) -> diesel::migration::Result<()> {
        if self.is_applied {
            Ok(())
        } else {
            self.migration.run(connection)
        }
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<DB>) -> diesel::migration::Result<()> {
        self.migration.revert(connection)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self.migration.name()
    }
}

impl<DB: Backend> MigrationMetadata for Step<'_, DB> {
    fn run_in_transaction(&self) -> bool {
        self.in_transaction
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
        Self::Unavailable(cause(error))
    }
}

impl From<Error> for MigrationError {
    fn from(error: Error) -> Self {
        Self::Unavailable(cause(error))
    }
}

impl From<StoreError> for MigrationError {
    fn from(fault: StoreError) -> Self {
        match fault {
            StoreError::Known(ImageStoreError::Contended(_)) => Self::Locked,
            fault => Self::Unavailable(fault.into_cause()),
        }
    }
}

impl From<JoinError> for MigrationError {
    fn from(error: JoinError) -> Self {
        Self::Unavailable(cause(error))
    }
}
