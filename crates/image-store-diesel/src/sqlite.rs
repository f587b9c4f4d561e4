//! SQLite: how to connect, and what is said otherwise than in MySQL.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use diesel::{
    Connection as _, ConnectionError, ConnectionResult, SqliteConnection,
    connection::SimpleConnection,
};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use domain::ports::{ImageStore, ImageStoreError};
use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use tokio::task::spawn_blocking;

use crate::{
    connections::{self, PoolSettings},
    migrate::{self, MigrationError},
};

type Connection = SyncConnectionWrapper<SqliteConnection, Detached>;
type Backend = diesel::sqlite::Sqlite;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A join that reads the tables in the order in which they are written.
const JOIN_IN_ORDER: &str = "CROSS JOIN";
/// Reads tags in the order of their labels, or of their images.
const BY_LABEL: &str = "INDEXED BY etiqueta_image_tag_newest";
const BY_IMAGE: &str = "NOT INDEXED";
/// Begins a transaction that writes: it waits for its turn here, and not in the middle.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Leaves a row as it is that is there already.
const INSERT_IF_NEW: &str = "INSERT OR IGNORE";

/// Reads rows and holds them to the end of the transaction; a transaction that writes holds all there
/// are.
macro_rules! holding {
    ($query:expr) => {
        $query
    };
}

#[path = "sql/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the statements are compiled once for each backend"
)]
mod sql;

/// Runs statements on the threads for blocking work.
///
/// A call that nobody waits for any more leaves its statement running, and its connection to it.
/// Diesel's own way is to wait for the statement while the call is dropped, which a runtime of one
/// thread takes for a fault.
struct Detached;

impl SpawnBlocking for Detached {
    fn spawn_blocking<'a, R: Send + 'static>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync>>> {
        spawn_blocking(task).map_err(Into::into).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// How long a statement waits for another program that has the file.
const BUSY: Duration = Duration::from_secs(10);

pub(crate) fn connect(
    path: &Path,
    settings: PoolSettings,
) -> Result<Arc<dyn ImageStore>, ImageStoreError> {
    let pool = |size| {
        let path = path.to_owned();
        let setup = move || open(path.clone()).boxed();
        connections::build(connections::builder(size, settings.acquire_timeout, setup))
    };
    Ok(Arc::new(sql::Store {
        reading: pool(settings.max_connections.saturating_sub(1).max(1))?,
        // There is one writer at a time in any case; in a queue it is each one's turn.
        writing: pool(1)?,
    }))
}

async fn open(path: PathBuf) -> ConnectionResult<Connection> {
    let opened = spawn_blocking(move || open_blocking(&path, BUSY)).await;
    let connection =
        opened.map_err(|error| ConnectionError::BadConnection(error.to_string()))??;
    Ok(Connection::new(connection))
}

/// Opens the file, or makes it, with the folder it is in.
fn open_blocking(path: &Path, busy: Duration) -> ConnectionResult<SqliteConnection> {
    let bad = |text: String| ConnectionError::BadConnection(text);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| bad(error.to_string()))?;
    }
    let path = path
        .to_str()
        .ok_or_else(|| bad("the path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path)?;
    connection
        .batch_execute(&format!("PRAGMA busy_timeout = {}", busy.as_millis()))
        .and_then(|()| connection.batch_execute(SESSION))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// WAL lets readers read while one writes; `FULL` brings each commit to the disk before it returns.
const SESSION: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY";

/// The names of the migrations that have not run.
pub(crate) async fn pending(path: &Path) -> Result<Vec<String>, MigrationError> {
    // Looking must not make the file.
    if !path.exists() {
        return sql::migrations::missing(&[]);
    }
    let mut connection = open(path.to_owned()).await?;
    Ok(sql::migrations::pending(&mut connection).await?)
}

/// Runs the migrations that have not run, all or none of them.
pub(crate) async fn migrate(path: &Path, wait: Duration) -> Result<Vec<String>, MigrationError> {
    let path = path.to_owned();
    let run = spawn_blocking(move || {
        let mut connection = open_blocking(&path, wait)?;
        connection.immediate_transaction(|connection| migrate::run(connection, MIGRATIONS))
    });
    run.await?
}

#[cfg(test)]
mod tests {
    use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};

    use super::*;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(connection)
            .unwrap();
        steps.into_iter().map(|step| step.detail).collect()
    }

    fn migrated() -> SqliteConnection {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        migrate::run(&mut connection, MIGRATIONS).unwrap();
        connection
    }

    /// A page is read in its order from an index, with nothing sorted and nothing else walked along.
    #[test]
    fn lists_are_read_from_their_index() {
        let mut connection = migrated();
        for (labels, index) in [
            (
                0,
                "etiqueta_image_newest (registered_at>? AND registered_at<?)",
            ),
            (
                1,
                "etiqueta_image_tag_newest (label_id=? AND registered_at>? AND registered_at<?)",
            ),
            (
                3,
                "etiqueta_image_tag_newest (label_id=? AND registered_at>? AND registered_at<?)",
            ),
        ] {
            let steps = plan(&mut connection, &sql::pages::list_statement(labels));
            let first = format!("SEARCH listed USING COVERING INDEX {index}");
            assert_eq!(steps.first(), Some(&first), "{steps:?}");
            for step in &steps {
                assert!(step.starts_with("SEARCH "), "{steps:?}");
            }
        }
    }

    /// All tags are counted in the order of their labels, those of a short window by their images.
    #[test]
    fn summaries_are_read_from_the_index_that_suits_their_window() {
        let mut connection = migrated();
        let steps = plan(&mut connection, &sql::summaries::statement(false));
        let scan = "SCAN etiqueta_image_tag USING COVERING INDEX etiqueta_image_tag_newest";
        assert!(steps.iter().any(|step| step == scan), "{steps:?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
        let steps = plan(&mut connection, &sql::summaries::statement(true));
        let search = "SEARCH etiqueta_image_tag USING PRIMARY KEY (image_id>? AND image_id<?)";
        assert!(steps.iter().any(|step| step == search), "{steps:?}");
    }
}
