//! SQLite: connections, and its SQL dialect.

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
use diesel_async::{
    pooled_connection::deadpool::Pool,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use domain::ports::ImageStoreError;
use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use tokio::task::spawn_blocking;

pub use self::copy::CopyError;
pub(crate) use self::copy::{copy_into, verify, version};
use self::{
    classify::{by_text, classify},
    file::DatabaseFile,
};
use crate::{
    calls::Calls,
    connections::{self, PoolSettings},
    error::ErrorClass,
    migrate::{self, Dialect, MigrationError},
    signals::Signals,
};

type Connection = SyncConnectionWrapper<SqliteConnection, Detached>;
type Backend = diesel::sqlite::Sqlite;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A join in the order in which the tables are written.
const JOIN_IN_ORDER: &str = "CROSS JOIN";
/// Index hints for tags: by label, and by image.
const BY_LABEL: &str = "INDEXED BY etiqueta_image_tag_newest";
const BY_IMAGE: &str = "NOT INDEXED";
/// Index hints for images: by registration time, and by the time of taking.
const BY_TIME: &str = "INDEXED BY etiqueta_image_newest";
const BY_TAKEN: &str = "INDEXED BY etiqueta_image_taken";
/// Starts a transaction that writes: it waits for the write lock here, and not in the middle.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Starts a transaction on a consistent snapshot.
const SNAPSHOT: &[&str] = &["BEGIN"];
/// Like `BEGIN`, and all of the transaction's reads are from one snapshot.
const SNAPSHOT_TO_WRITE: &[&str] = &[BEGIN];
/// `BEGIN IMMEDIATE` locks the whole file, so row locks and their waits have no counterpart.
const FOR_UPDATE: &str = "";
const SHORT_LOCK_WAIT: &str = "";
const RESTORE_LOCK_WAIT: &str = "";
/// Keeps an existing row unchanged.
const INSERT_IF_NEW: &str = "INSERT OR IGNORE";

/// Adds the counts of an inserted row to those that are there.
const ADD_TALLY: &str = "ON CONFLICT (job_id, label_id) DO UPDATE SET gained = gained + excluded.gained, \
     lost = lost + excluded.lost, moved = moved + excluded.moved, \
     sum_of_moves = sum_of_moves + excluded.sum_of_moves";

/// The time in microseconds since 1970, by the clock of this machine.
const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";

/// Locks the rows it reads: `BEGIN IMMEDIATE` has done so already.
macro_rules! locking {
    ($query:expr) => {
        $query
    };
}

impl<C> RunQueryDsl<SqliteConnection> for sql::Typed<C> {}

/// Loads many rows. Diesel's own connection would copy each value before it is read.
async fn load<C, R>(connection: &mut Connection, statement: sql::Typed<C>) -> QueryResult<Vec<R>>
where
    C: Send + 'static,
    R: Send + 'static,
    sql::Typed<C>: LoadQuery<'static, SqliteConnection, R>,
{
    let rows = connection.spawn_blocking(move |connection| statement.load(connection));
    rows.await
}

mod classify;
mod copy;
mod file;
#[path = "sql/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the statements are compiled once for each backend"
)]
mod sql;
#[cfg(test)]
mod test_database;

/// A statement of tests: the digest and the id of an original are functions.
#[cfg(test)]
fn in_dialect(statement: &str) -> String {
    statement
        .replace(
            "DIGEST(n + 1000 * k)",
            "CAST(printf('%032d', (n + 1000 * k) * 7907 % 11003) AS BLOB)",
        )
        .replace("ID(digest)", "substr(digest, 17)")
}

/// Runs statements on blocking threads.
///
/// A cancelled call leaves its statement running, and its connection to it. Diesel's default waits for the
/// statement while the call is dropped, which panics on a single-threaded runtime.
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
    let reading = pool(settings.max_connections.saturating_sub(1).max(1))?;
    // SQLite has one writer at a time; the pool queues them fairly.
    let writing = pool(1)?;
    signals.pools.add(&reading);
    signals.pools.add(&writing);
    Ok(sql::Store {
        reading,
        writing,
        calls: Calls::new("sqlite"),
        call_timeout: settings.call_timeout,
        signals,
        label_cache: sql::LabelCache::default(),
        sizes,
        database: Database { file },
    })
}

/// State of the database, apart from its connections.
struct Database {
    file: DatabaseFile,
}

impl Database {
    /// Fails if the file was removed or replaced.
    async fn check(&self) -> Result<(), ImageStoreError> {
        self.file.check().await
    }

    #[expect(clippy::unused_async, reason = "MySQL asks the connection")]
    async fn classify(&self, _: &mut Connection, error: &Error) -> ErrorClass {
        classify(error)
    }

    #[expect(clippy::unused_self, reason = "MySQL may be a cluster")]
    fn consistent<'a>(&'a self, all: &'a Pool<Connection>) -> &'a Pool<Connection> {
        all
    }
}

/// Opens the file that the first connection opened; fails if it is gone.
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

/// Opens the file. A statement waits up to `busy` for a lock of another program.
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

/// Opens the file, or creates it and its folder.
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

/// The wait between two attempts to configure a connection.
const PAUSE: Duration = Duration::from_millis(5);

/// Configures a connection.
///
/// Connections that switch a new file to WAL concurrently would wait for each other: SQLite fails one of
/// them at once then, whatever its busy time-out.
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

/// WAL allows reads during a write; `FULL` syncs each commit before it returns.
const SESSION: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY";

/// The names of the pending migrations.
pub(crate) async fn pending(path: &Path) -> Result<Vec<String>, MigrationError> {
    // A check must not create the file.
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

/// How migrations run on SQLite.
const DIALECT: Dialect<fn(&mut SqliteConnection, &str) -> ErrorClass> = Dialect {
    in_transaction: true,
    classify: |_, text| by_text(text),
};

/// Runs the pending migrations, all or none of them.
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

/// Why a migrating transaction was rolled back, or not started.
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
    use domain::{
        Comparison, Condition, ImageOrder, ImageQuery, LocalWindow, MediaType, Operator,
        SourceKind, TimeWindow,
    };

    use super::{
        sql::{
            Statement,
            changes::deletion,
            pages::{
                confidences,
                listing::{LabelIds, Scan, listing},
                plan::{measuring, taken},
                range::ListRange,
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

    fn anywhere() -> ListRange {
        ListRange::new(&ImageQuery::default(), None)
    }

    /// A list in the order of taking, of images that were registered and taken in a while.
    fn taken_within() -> ListRange {
        let query = ImageQuery {
            order: ImageOrder::Taken,
            window: TimeWindow {
                from: Some(domain_testing::at(0)),
                until: None,
            },
            taken: LocalWindow {
                from: None,
                until: Some(domain_testing::at(0).naive_utc()),
            },
            ..ImageQuery::default()
        };
        ListRange::new(&query, None)
    }

    const BY_TIME_ALONE: &str = "etiqueta_image_newest (registered_at>? AND registered_at<?)";
    const BY_TAKEN_ALONE: &str = "etiqueta_image_taken (taken_order>? AND taken_order<?)";
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
            Condition::Source(SourceKind::Person),
            Condition::Any(any),
        ]
    }

    /// A page is read in order from an index; only the page itself and the stride of several labels are
    /// sorted, and nothing else is scanned.
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
                    && [
                        "carried", "other", "image", "original", "pictured", "fact", "given",
                    ]
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

    /// Nothing is sorted, so a stride costs no more than its rows.
    #[test]
    fn confidences_are_read_from_their_index() {
        let mut connection = migrated();
        let steps = plan_of(
            &mut connection,
            confidences::stride(1, anywhere().by(ImageOrder::Registered)),
        );
        let search = format!("SEARCH walked USING COVERING INDEX {BY_LABEL_AND_TIME}");
        assert_eq!(steps, [search]);
    }

    /// Images are read in order from the index of taking. Only those that are few are sorted, read from the index
    /// that finds them.
    #[test]
    fn lists_in_the_order_of_taking_are_read_from_their_index() {
        let mut connection = migrated();
        let asked = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            none_of: vec![7, 8],
            conditions: vec![Condition::Taken(LocalWindow::default())],
            ..LabelIds::default()
        };
        let any = LabelIds {
            any_of: vec![4, 5],
            ..LabelIds::default()
        };
        let ordered = ImageQuery {
            order: ImageOrder::Taken,
            ..ImageQuery::default()
        };
        let whole = ListRange::new(&ordered, None);
        for (scan, wanted, range, index) in [
            (Scan::Taken, LabelIds::default(), &whole, BY_TAKEN_ALONE),
            (Scan::Taken, asked(&[1, 2]), &whole, BY_TAKEN_ALONE),
            (Scan::Taken, asked(&[1]), &taken_within(), BY_TAKEN_ALONE),
            (Scan::AllImages, asked(&[]), &taken_within(), BY_TIME_ALONE),
            (Scan::Label(1), asked(&[1, 2]), &whole, BY_LABEL_AND_TIME),
            (
                Scan::Label(1),
                asked(&[1]),
                &taken_within(),
                BY_LABEL_AND_TIME,
            ),
            (Scan::AnyLabel, any, &whole, BY_LABEL_AND_TIME),
        ] {
            let steps = plan_of(&mut connection, listing(scan, &wanted, range, 50));
            let walked = steps.iter().find(|step| step.starts_with("SEARCH walked"));
            let walked = walked.unwrap_or_else(|| panic!("{steps:#?}"));
            assert!(walked.ends_with(index), "{steps:#?}");
            let sorts = steps
                .iter()
                .filter(|step| step.starts_with("USE TEMP B-TREE FOR"));
            // The page itself is sorted once more, unless it was sorted already.
            let is_in_order = sorts.count() <= 1;
            assert!(is_in_order || scan != Scan::Taken, "{steps:#?}");
            assert!(
                !steps
                    .iter()
                    .any(|step| step.starts_with("SCAN ") && step != "SCAN listed"),
                "{steps:#?}"
            );
        }
        let steps = plan_of(&mut connection, taken(whole.by(ImageOrder::Taken), 1000));
        // SQLite takes no index with a generated column for a covering one.
        let search = format!("SEARCH etiqueta_image USING INDEX {BY_TAKEN_ALONE}");
        assert_eq!(steps, [search]);
    }

    /// The frequency of labels is measured on the same index.
    #[test]
    fn labels_are_measured_by_their_index() {
        let mut connection = migrated();
        let steps = plan_of(
            &mut connection,
            measuring(&[1, 2], anywhere().by(ImageOrder::Registered), 1000),
        );
        let search = format!("SEARCH etiqueta_image_tag USING COVERING INDEX {BY_LABEL_AND_TIME}");
        let searches = steps.iter().filter(|step| **step == search).count();
        assert_eq!(searches, 2, "{steps:?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
    }

    #[test]
    fn changes_are_deleted_by_their_keys() {
        let steps = plan_of(&mut migrated(), deletion(&(1, vec![1; 16])));
        let search = "SEARCH etiqueta_summary_change USING PRIMARY KEY (registered_at=? AND id=?)";
        assert_eq!(steps, [search]);
    }

    /// All tags are counted in label order, those of a short span by their images.
    #[test]
    fn tags_are_counted_by_the_index_that_suits_the_span() {
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
