//! SQLite: how to connect, and what is said otherwise than in MySQL.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, ConnectionError, ConnectionResult, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection, query_dsl::LoadQuery, result::Error,
};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use domain::ports::ImageStoreError;
use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use tokio::task::spawn_blocking;

use self::{
    file::DatabaseFile,
    classify::{by_text, classify},
};
use crate::{
    connections::{self, PoolSettings},
    error::ErrorClass,
    migrate::{self, Dialect, MigrationError},
    signals::Signals,
};

type Connection = SyncConnectionWrapper<SqliteConnection, Detached>;
type Backend = diesel::sqlite::Sqlite;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A join that reads the tables in the order in which they are written.
const JOIN_IN_ORDER: &str = "CROSS JOIN";
/// Reads tags in the order of their labels, or of their images.
const BY_LABEL: &str = "INDEXED BY etiqueta_image_tag_newest";
const BY_IMAGE: &str = "NOT INDEXED";
/// Reads images in the order of their times.
const BY_TIME: &str = "INDEXED BY etiqueta_image_newest";
/// Begins a transaction that writes: it waits for its turn here, and not in the middle.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Begins a transaction that reads what was committed before its first statement, and nothing later.
const SNAPSHOT: &[&str] = &["BEGIN"];
/// `BEGIN IMMEDIATE` locks the whole file, so row locks and their waits have no counterpart.
const FOR_UPDATE: &str = "";
const IN_SHARE_MODE: &str = "";
const SHORT_LOCK_WAIT: &str = "";
const RESTORE_LOCK_WAIT: &str = "";
/// Leaves a row as it is that is there already.
const INSERT_IF_NEW: &str = "INSERT OR IGNORE";

/// Locks the rows it reads: `BEGIN IMMEDIATE` has done so already.
macro_rules! locking {
    ($query:expr) => {
        $query
    };
}

impl<C> RunQueryDsl<SqliteConnection> for sql::Typed<C> {}

/// Reads rows, many of them. Through the connection's own way each value would be copied before it is
/// read.
async fn load<C, R>(connection: &mut Connection, statement: sql::Typed<C>) -> QueryResult<Vec<R>>
where
    C: Send + 'static,
    R: Send + 'static,
    sql::Typed<C>: LoadQuery<'static, SqliteConnection, R>,
{
    let rows = connection.spawn_blocking(move |connection| statement.load(connection));
    rows.await
}

mod file;
mod classify;
#[path = "sql/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the statements are compiled once for each backend"
)]
mod sql;
#[cfg(test)]
mod test_database;

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
    ) -> BoxFuture<'a, Result<R, Box<dyn std::error::Error + Send + Sync>>> {
        spawn_blocking(task).map_err(Into::into).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

pub(crate) fn connect(
    path: &Path,
    settings: PoolSettings,
    signals: Signals,
) -> Result<sql::Store, ImageStoreError> {
    connect_with(path, settings, signals, sql::Sizes::default())
}

fn connect_with(
    path: &Path,
    settings: PoolSettings,
    signals: Signals,
    sizes: sql::Sizes,
) -> Result<sql::Store, ImageStoreError> {
    let file = DatabaseFile::new(path);
    let pool = |size| {
        let file = file.clone();
        let setup = move || open_same(file.clone(), settings.lock_timeout).boxed();
        connections::build(connections::builder(size, settings.acquire_timeout, setup))
    };
    Ok(sql::Store {
        reading: pool(settings.max_connections.saturating_sub(1).max(1))?,
        // There is one writer at a time in any case; in a queue it is each one's turn.
        writing: pool(1)?,
        call_timeout: settings.call_timeout,
        signals,
        label_cache: sql::LabelCache::default(),
        sizes,
        database: Database { file },
    })
}

/// The database, apart from its connections.
struct Database {
    file: DatabaseFile,
}

impl Database {
    /// Fails if another file, or none, is there by now.
    async fn check(&self) -> Result<(), ImageStoreError> {
        self.file.check().await
    }

    #[expect(clippy::unused_async, reason = "MySQL asks the connection")]
    async fn classify(&self, _: &mut Connection, error: &Error) -> ErrorClass {
        classify(error)
    }
}

/// Opens the file that the first connection opened; fails where it is gone.
async fn open_same(file: DatabaseFile, busy: Duration) -> ConnectionResult<Connection> {
    let bad = |error: std::io::Error| ConnectionError::BadConnection(error.to_string());
    on_a_thread(move || {
        file.look().map_err(bad)?;
        let connection = open_blocking(file.path(), busy)?;
        file.opened().map_err(bad)?;
        Ok(connection)
    })
    .await
}

/// Opens the file. A statement waits so long for another program that has it.
async fn open(path: PathBuf, busy: Duration) -> ConnectionResult<Connection> {
    on_a_thread(move || open_blocking(&path, busy)).await
}

async fn on_a_thread(
    open: impl FnOnce() -> ConnectionResult<SqliteConnection> + Send + 'static,
) -> ConnectionResult<Connection> {
    let opened = spawn_blocking(open).await;
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
    configure(&mut connection, busy).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Between two tries to configure a connection.
const PAUSE: Duration = Duration::from_millis(5);

/// Tells a connection how it is to work.
///
/// Where several make a new file use WAL at once, each would wait for the others: SQLite refuses one of
/// them at once then, whatever it was told about waiting.
fn configure(connection: &mut SqliteConnection, busy: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", busy.as_millis()))?;
    let end = Instant::now() + busy;
    loop {
        match connection.batch_execute(SESSION) {
            Err(error) if classify(&error) == ErrorClass::Contended && Instant::now() < end => {
                thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// WAL lets readers read while one writes; `FULL` brings each commit to the disk before it returns.
const SESSION: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY";

/// The names of the migrations that have not run.
pub(crate) async fn pending(path: &Path) -> Result<Vec<String>, MigrationError> {
    // Looking must not make the file.
    if !path.exists() {
        return sql::migrations::missing(&[]);
    }
    let busy = PoolSettings::default().lock_timeout;
    let opened = open(path.to_owned(), busy).await;
    let mut connection = opened.map_err(not_opened)?;
    let database = Database {
        file: DatabaseFile::new(path),
    };
    Ok(sql::migrations::pending(&mut connection, &database).await?)
}

/// How migrations run in SQLite.
const DIALECT: Dialect<fn(&mut SqliteConnection, &str) -> ErrorClass> = Dialect {
    in_transaction: true,
    classify: |_, text| by_text(text),
};

/// Runs the migrations that have not run, all or none of them.
pub(crate) async fn migrate(path: &Path, wait: Duration) -> Result<Vec<String>, MigrationError> {
    let path = path.to_owned();
    let run = spawn_blocking(move || {
        let mut connection = open_blocking(&path, wait).map_err(not_opened)?;
        let migrated = connection.immediate_transaction(|connection| {
            Ok(migrate::run(connection, MIGRATIONS, &DIALECT)?)
        });
        migrated.map_err(|stop| match stop {
            Stop::Transaction(error) => not_run(error),
            Stop::Migration(error) => error,
        })
    });
    run.await?
}

/// Why a transaction that migrates was rolled back, or not begun.
#[derive(Debug)]
enum Stop {
    Transaction(Error),
    Migration(MigrationError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

impl From<MigrationError> for Stop {
    fn from(error: MigrationError) -> Self {
        Self::Migration(error)
    }
}

fn not_opened(error: ConnectionError) -> MigrationError {
    match error {
        ConnectionError::CouldntSetupConfiguration(error) => not_run(error),
        error => error.into(),
    }
}

fn not_run(error: Error) -> MigrationError {
    match classify(&error) {
        ErrorClass::Contended => MigrationError::Locked,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use diesel::{QueryableByName, sql_query, sql_types::Text};
    use domain::{Comparison, Condition, MediaType, Operator, TimeWindow};

    use super::{
        sql::{
            Statement,
            pages::{
                ScanRange,
                listing::{LabelIds, Scan, listing},
                plan::measuring,
            },
            tags::{AccessPath, statement},
        },
        *,
    };

    impl RunQueryDsl<SqliteConnection> for Statement {}

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

    fn plan_of(connection: &mut SqliteConnection, statement: Statement) -> Vec<String> {
        let steps: Vec<Step> = Statement::new("EXPLAIN QUERY PLAN ")
            .then(statement)
            .load(connection)
            .unwrap();
        steps.into_iter().map(|step| step.detail).collect()
    }

    fn migrated() -> SqliteConnection {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        migrate::run(&mut connection, MIGRATIONS, &DIALECT).unwrap();
        connection
    }

    fn anywhere() -> ScanRange {
        ScanRange::new(&TimeWindow::default(), None)
    }

    const BY_TIME_ALONE: &str = "etiqueta_image_newest (registered_at>? AND registered_at<?)";
    const BY_LABEL_AND_TIME: &str =
        "etiqueta_image_tag_newest (label_id=? AND registered_at>? AND registered_at<?)";

    /// Conditions of every kind that is looked up image by image.
    fn conditions() -> Vec<Condition> {
        let width = Comparison {
            operator: Operator::AtLeast,
            value: 1000,
        };
        let any = vec![Condition::Type(MediaType::Jpeg), Condition::Width(width)];
        vec![
            Condition::Not(Box::new(Condition::Untagged)),
            Condition::Any(any),
        ]
    }

    /// A page is read in its order from an index, with nothing sorted but the page itself and the
    /// stride of several labels, and with nothing else walked along.
    #[test]
    fn lists_are_read_from_their_index() {
        let mut connection = migrated();
        let many: Vec<i32> = (10..70).collect();
        let asked = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            any_of: vec![4, 5],
            none_of: many.clone(),
            lowest: Some(50.0),
            ..LabelIds::default()
        };
        let conditional = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            conditions: conditions(),
            ..LabelIds::default()
        };
        for (scan, wanted, index) in [
            (Scan::AllImages, LabelIds::default(), BY_TIME_ALONE),
            (Scan::AllImages, asked(&[]), BY_TIME_ALONE),
            (Scan::Label(1), asked(&[1]), BY_LABEL_AND_TIME),
            (Scan::Label(2), asked(&[1, 2, 3]), BY_LABEL_AND_TIME),
            (Scan::Label(10), asked(&many), BY_LABEL_AND_TIME),
            (Scan::AnyLabel, asked(&[1, 2]), BY_LABEL_AND_TIME),
            (Scan::AllImages, conditional(&[]), BY_TIME_ALONE),
            (Scan::Label(1), conditional(&[1]), BY_LABEL_AND_TIME),
        ] {
            let steps = plan_of(&mut connection, listing(scan, &wanted, &anywhere(), 50));
            let first = format!("SEARCH walked USING COVERING INDEX {index}");
            assert!(steps.contains(&first), "{steps:?}");
            for step in &steps {
                let is_looked_up = step.starts_with("SEARCH ")
                    && ["carried", "other", "image", "original", "pictured", "fact"]
                        .iter()
                        .any(|table| step.starts_with(&format!("SEARCH {table}")));
                let is_sorted = step.starts_with("USE TEMP B-TREE") && scan == Scan::AnyLabel
                    || step == "USE TEMP B-TREE FOR ORDER BY";
                let is_page = step == "SCAN listed" || step.starts_with("CO-ROUTINE");
                let is_subquery = step.starts_with("CORRELATED SCALAR SUBQUERY");
                assert!(
                    *step == first || is_looked_up || is_sorted || is_page || is_subquery,
                    "{step} in {steps:#?}"
                );
            }
        }
    }

    /// How common labels are is read off the same index.
    #[test]
    fn labels_are_measured_by_their_index() {
        let mut connection = migrated();
        let steps = plan_of(&mut connection, measuring(&[1, 2], &anywhere(), 1000));
        let search = format!("SEARCH etiqueta_image_tag USING COVERING INDEX {BY_LABEL_AND_TIME}");
        let searches = steps.iter().filter(|step| **step == search).count();
        assert_eq!(searches, 2, "{steps:?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
    }

    /// All tags are counted in the order of their labels, those of a short stretch by their images.
    #[test]
    fn tags_are_counted_from_the_index_that_suits_their_stretch() {
        let mut connection = migrated();
        let steps = plan(&mut connection, &statement(AccessPath::Labels));
        let scan = "SCAN tag USING COVERING INDEX etiqueta_image_tag_newest";
        assert!(steps.iter().any(|step| step == scan), "{steps:?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
        let steps = plan(&mut connection, &statement(AccessPath::Images));
        let images = format!("SEARCH image USING COVERING INDEX {BY_TIME_ALONE}");
        for search in [&images, "SEARCH tag USING PRIMARY KEY (image_id=?)"] {
            assert!(steps.iter().any(|step| step == search), "{steps:?}");
        }
    }
}
