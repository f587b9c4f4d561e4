//! MySQL and MariaDB: connections, and their SQL dialect.

use std::{sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult, QueryResult, result::Error, sql_query};
use diesel_async::{
    AsyncMysqlConnection, RunQueryDsl,
    async_connection_wrapper::AsyncConnectionWrapper,
    methods::LoadQuery,
    pooled_connection::{
        PoolError,
        deadpool::{Hook, HookError, Pool},
    },
};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use domain::ports::ImageStoreError;
use futures_util::{FutureExt, future::BoxFuture};
use mysql_async::{Opts, OptsBuilder, SslOpts};
use secrecy::ExposeSecret;
use tokio::{runtime::Handle, task::spawn_blocking};

pub(crate) use self::facts::facts;
use self::{consistent::Consistent, diagnostics::Diagnostics, lease::Lease, nodes::Nodes};
use crate::{
    calls::Calls,
    connections::{self, Consistency, PoolSettings},
    error::ErrorClass,
    migrate::{self, Dialect, MigrationError},
    signals::Signals,
    url::{MysqlHost, MysqlServer, Tls},
};

type Connection = AsyncMysqlConnection;
type Backend = diesel::mysql::Mysql;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/mysql");

/// A join in the order in which the tables are written.
const JOIN_IN_ORDER: &str = "STRAIGHT_JOIN";
/// Index hints for tags: by label, and by image.
const BY_LABEL: &str = "FORCE INDEX (etiqueta_image_tag_newest)";
const BY_IMAGE: &str = "FORCE INDEX (PRIMARY)";
/// Index hints for images: by registration time, and by the time of taking.
const BY_TIME: &str = "FORCE INDEX (etiqueta_image_newest)";
const BY_TAKEN: &str = "FORCE INDEX (etiqueta_image_taken)";
/// Starts a transaction that writes.
const BEGIN: &str = "BEGIN";
/// Starts a transaction on a consistent snapshot.
const SNAPSHOT: &[&str] = &[
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
];
/// Starts a transaction that writes, and whose reads are from one snapshot: that of the first of them which
/// does not lock.
const SNAPSHOT_TO_WRITE: &[&str] = &[
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION",
];
/// The clause that locks what is read.
const FOR_UPDATE: &str = " FOR UPDATE";
/// Waits at most one second for row locks, and restores the session's previous wait.
const SHORT_LOCK_WAIT: &str = "SET @etiqueta_lock_wait = @@SESSION.innodb_lock_wait_timeout, \
     SESSION innodb_lock_wait_timeout = 1";
const RESTORE_LOCK_WAIT: &str = "SET SESSION innodb_lock_wait_timeout = @etiqueta_lock_wait";
/// Keeps an existing row unchanged.
const INSERT_IF_NEW: &str = "INSERT IGNORE";

/// Adds the counts of an inserted row to those that are there.
const ADD_TALLY: &str = "ON DUPLICATE KEY UPDATE gained = gained + VALUES(gained), \
     lost = lost + VALUES(lost), moved = moved + VALUES(moved), \
     sum_of_moves = sum_of_moves + VALUES(sum_of_moves)";

/// The time in microseconds since 1970, by the clock of the server, whatever the time zone of the session.
const NOW: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";

/// Locks the rows it reads until the end of the transaction.
macro_rules! locking {
    ($query:expr) => {
        $query.for_update()
    };
}

/// Loads many rows.
async fn load<C, R>(connection: &mut Connection, statement: sql::Typed<C>) -> QueryResult<Vec<R>>
where
    R: Send + 'static,
    sql::Typed<C>: LoadQuery<'static, Connection, R> + 'static,
{
    RunQueryDsl::load(statement, connection).await
}

mod consistent;
mod diagnostics;
mod facts;
mod lease;
mod nodes;
#[path = "sql/mod.rs"]
mod sql;
#[cfg(test)]
mod test_database;

/// A statement of tests: the digest and the id of an original are functions.
#[cfg(test)]
fn in_dialect(statement: &str) -> String {
    statement
        .replace("DIGEST(n + 1000 * k)", "UNHEX(SHA2(n + 1000 * k, 256))")
        .replace("ID(digest)", "LEFT(digest, 16)")
}

/// A connection idle for longer than this is pinged before use: the server may have closed it. Others are
/// not, because that would cost every call a round trip.
const IDLE: Duration = Duration::from_secs(2);

/// TCP keep-alive: how long the operating system waits on a silent connection before it probes the peer.
const KEEPALIVE_MILLIS: u32 = 30_000;

/// How long connecting for a migration may take.
const MIGRATION_CONNECT: Duration = Duration::from_secs(20);

/// Statements that set up each session. Nothing is left to the server's configuration:
/// - `READ COMMITTED` locks the rows that are written and no gaps between them, and every statement sees
///   what was committed before it, even after waiting for a lock;
/// - in strict mode a value that does not fit is an error;
/// - an error is kept for [`Diagnostics`] after as many warnings as there are rows in a statement. MySQL keeps
///   1024, and later versions let no ordinary account change that; the comment is for MariaDB alone, which keeps 64.
const SESSION: [&str; 2] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION autocommit = 1, /*M! max_error_count = 2048, */ \
     sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
];

/// How long a statement waits for a row lock, and for a table or metadata lock.
fn lock_wait(wait: Duration) -> String {
    let seconds = wait.as_secs().max(1);
    format!("SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}")
}

pub(crate) fn connect(
    server: &MysqlServer,
    settings: PoolSettings,
    signals: Signals,
) -> Result<sql::Store, ImageStoreError> {
    connect_with(server, settings, signals, sql::Sizes::default())
}

fn connect_with(
    server: &MysqlServer,
    settings: PoolSettings,
    signals: Signals,
    sizes: sql::Sizes,
) -> Result<sql::Store, ImageStoreError> {
    let hosts = options(server, &lock_wait(settings.lock_timeout));
    let nodes = Nodes::new(hosts, settings.consistency, settings.acquire_timeout);
    let diagnostics = Diagnostics::default();
    let (nodes, size) = (Arc::new(nodes), settings.max_connections.max(1));
    let open = |size, is_consistent| {
        let (nodes, diagnostics) = (Arc::clone(&nodes), diagnostics.clone());
        let setup = move || open(Arc::clone(&nodes), is_consistent, diagnostics.clone()).boxed();
        pool(size, settings.acquire_timeout, setup)
    };
    let pool = open(size, false)?;
    let readers = open((size / 2).max(1), true)?;
    signals.pools.add(&pool);
    Ok(sql::Store {
        calls: Calls::new("mysql"),
        reading: pool.clone(),
        writing: pool,
        call_timeout: settings.call_timeout,
        signals,
        label_cache: sql::LabelCache::default(),
        sizes,
        database: Database {
            diagnostics,
            consistent: Some(Consistent::new(readers, nodes, size - size / 2)),
        },
    })
}

/// A pool whose idle connections are pinged before use.
fn pool(
    size: usize,
    timeout: Duration,
    setup: impl Fn() -> BoxFuture<'static, ConnectionResult<Connection>> + Send + Sync + 'static,
) -> Result<Pool<Connection>, ImageStoreError> {
    let builder = connections::builder(size, timeout, setup);
    connections::build(builder.pre_recycle(Hook::async_fn(
        |connection: &mut Connection, metrics| {
            let is_idle = metrics.last_used() > IDLE;
            Box::pin(async move {
                if is_idle {
                    ping(connection)
                        .await
                        .map_err(|error| HookError::Backend(PoolError::QueryError(error)))?;
                }
                Ok(())
            })
        },
    )))
}

/// State of the server, apart from its connections.
#[derive(Default)]
struct Database {
    diagnostics: Diagnostics,
    consistent: Option<Consistent>,
}

impl Database {
    #[expect(clippy::unused_async, reason = "SQLite looks at its file")]
    async fn check(&self) -> Result<(), ImageStoreError> {
        // A server manages its own files.
        Ok(())
    }

    async fn classify(&self, connection: &mut Connection, error: &Error) -> ErrorClass {
        self.diagnostics.classify(connection, error).await
    }

    /// The connections whose reads see what was committed on any node; those of `all` where they do anyway.
    fn consistent<'a>(&'a self, all: &'a Pool<Connection>) -> &'a Pool<Connection> {
        self.consistent.as_ref().map_or(all, |it| it.pool(all))
    }
}

async fn ping(connection: &mut Connection) -> QueryResult<()> {
    sql_query("SELECT 1").execute(connection).await.map(|_| ())
}

/// The options of each host.
fn options(server: &MysqlServer, wait: &str) -> Vec<Opts> {
    let hosts = server.hosts.iter();
    hosts.map(|host| options_of(host, server, wait)).collect()
}

fn options_of(host: &MysqlHost, server: &MysqlServer, wait: &str) -> Opts {
    let mut session = SESSION.to_vec();
    session.push(wait);
    OptsBuilder::default()
        .ip_or_hostname(&host.name)
        .tcp_port(host.port)
        .user(Some(&server.user))
        .pass(Some(server.password.expose_secret()))
        .db_name(Some(&server.database))
        .ssl_opts(server.tls.as_ref().map(tls))
        // Use the URL's address, not a socket that the server names.
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE_MILLIS))
        // Diesel caches prepared statements itself.
        .stmt_cache_size(0)
        // Updates report the rows matched, not the rows changed, as in SQLite.
        .client_found_rows(true)
        .init(session)
        .into()
}

/// Connects for migrations: waits for a table in use as long as the server's default.
async fn open_patiently(
    server: &MysqlServer,
    diagnostics: &Diagnostics,
) -> ConnectionResult<Connection> {
    let hosts = options(server, "SET SESSION innodb_lock_wait_timeout = 10");
    let nodes = Nodes::new(hosts, Consistency::Node, MIGRATION_CONNECT);
    open(Arc::new(nodes), false, diagnostics.clone()).await
}

fn tls(tls: &Tls) -> SslOpts {
    let roots = tls.ca.iter().map(|path| path.clone().into());
    SslOpts::default()
        .with_root_certs(roots.collect())
        .with_disable_built_in_roots(tls.ca.is_some())
        .with_danger_accept_invalid_certs(!tls.verify)
}

async fn open(
    nodes: Arc<Nodes>,
    is_consistent: bool,
    diagnostics: Diagnostics,
) -> ConnectionResult<Connection> {
    let bad = |error: mysql_async::Error| ConnectionError::BadConnection(error.to_string());
    let mut connection = nodes.connect(is_consistent).await.map_err(bad)?;
    diagnostics.detect(&mut connection).await.map_err(bad)?;
    Connection::try_from(connection).await
}

/// The names of the pending migrations.
pub(crate) async fn pending(server: &MysqlServer) -> Result<Vec<String>, MigrationError> {
    let database = Database::default();
    let mut connection = open_patiently(server, &database.diagnostics).await?;
    Ok(sql::migrations::pending(&mut connection, &database).await?)
}

/// Runs the pending migrations. Servers that start at the same time are serialised by a lease; where nothing
/// is pending, none is needed.
pub(crate) async fn migrate(
    server: &MysqlServer,
    wait: Duration,
) -> Result<Vec<String>, MigrationError> {
    let database = Database::default();
    let diagnostics = database.diagnostics.clone();
    let mut connection = open_patiently(server, &diagnostics).await?;
    if sql::migrations::pending(&mut connection, &database)
        .await?
        .is_empty()
    {
        return Ok(Vec::new());
    }
    let renewing = open_patiently(server, &diagnostics).await?;
    let lease = Lease::take(&mut connection, renewing, &diagnostics, wait).await?;
    let runtime = Handle::current();
    let run = spawn_blocking(move || {
        let dialect = Dialect {
            in_transaction: false,
            classify: |connection: &mut AsyncConnectionWrapper<Connection>, text: &str| {
                runtime.block_on(diagnostics.last(connection, text))
            },
        };
        let mut connection = AsyncConnectionWrapper::<Connection>::from(connection);
        let outcome = migrate::run(&mut connection, MIGRATIONS, &dialect);
        (outcome, connection.into_inner())
    });
    let (outcome, mut connection) = run.await?;
    let released = lease.release(&mut connection).await;
    let names = outcome?;
    released?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use diesel::{
        QueryableByName,
        sql_types::{self, Text},
    };
    use diesel_async::SimpleAsyncConnection;
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
        test_database::TestDatabase,
        *,
    };

    /// A new database, with three labels on each of a thousand images.
    async fn filled() -> (Connection, TestDatabase) {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        for statement in FILLING {
            sql_query(statement).execute(&mut connection).await.unwrap();
        }
        (connection, database)
    }

    const FILLING: [&str; 6] = [
        "INSERT INTO etiqueta_label (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "INSERT INTO etiqueta_original (id, digest, media_type, width, height, byte_size) \
         WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 1000) \
         SELECT n, UNHEX(SHA2(n, 256)), 'image/png', 1, 1, 1 FROM n",
        "INSERT INTO etiqueta_image (id, original_id, registered_at) \
         SELECT LEFT(digest, 16), id, id FROM etiqueta_original",
        "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) \
         SELECT image.id, label.id, image.registered_at, 90 \
         FROM etiqueta_image AS image JOIN etiqueta_label AS label",
        "INSERT INTO etiqueta_summary_change (registered_at, id) \
         SELECT registered_at, id FROM etiqueta_image",
        "ANALYZE TABLE etiqueta_image, etiqueta_image_tag, etiqueta_original, etiqueta_summary_change",
    ];

    #[derive(QueryableByName, Debug)]
    struct Step {
        #[diesel(sql_type = sql_types::Nullable<Text>)]
        table: Option<String>,
        #[diesel(sql_type = sql_types::Nullable<Text>, column_name = "type")]
        access: Option<String>,
        #[diesel(sql_type = sql_types::Nullable<Text>)]
        key: Option<String>,
        #[diesel(sql_type = sql_types::Nullable<Text>, column_name = "Extra")]
        extra: Option<String>,
    }

    impl Step {
        fn is(&self, table: &str, key: &str) -> bool {
            self.table.as_deref() == Some(table) && self.key.as_deref() == Some(key)
        }

        fn says(&self, what: &str) -> bool {
            self.extra
                .as_deref()
                .is_some_and(|extra| extra.contains(what))
        }
    }

    async fn plan(connection: &mut Connection, statement: Statement) -> Vec<Step> {
        let explain = Statement::new("EXPLAIN FORMAT=TRADITIONAL ").then(statement);
        explain.load(connection).await.unwrap()
    }

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

    /// A page is read in order from a covering index; only a stride of several labels is sorted. Everything
    /// else is looked up by primary key.
    async fn assert_lists_are_read_from_their_index(connection: &mut Connection) {
        let span = ListRange::new(&ImageQuery::default(), None);
        let asked = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            any_of: vec![2, 3],
            none_of: (10..70).collect(),
            lowest: Some(50.0),
            ..LabelIds::default()
        };
        let conditional = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            conditions: conditions(),
            ..LabelIds::default()
        };
        let many: Vec<i32> = (1..70).collect();
        for (scan, wanted, key) in [
            (
                Scan::AllImages,
                LabelIds::default(),
                "etiqueta_image_newest",
            ),
            (Scan::AllImages, asked(&[]), "etiqueta_image_newest"),
            (Scan::Label(1), asked(&[1]), "etiqueta_image_tag_newest"),
            (
                Scan::Label(2),
                asked(&[1, 2, 3]),
                "etiqueta_image_tag_newest",
            ),
            (Scan::Label(1), asked(&many), "etiqueta_image_tag_newest"),
            (Scan::AnyLabel, asked(&[1, 2]), "etiqueta_image_tag_newest"),
            (Scan::AllImages, conditional(&[]), "etiqueta_image_newest"),
            (
                Scan::Label(1),
                conditional(&[1]),
                "etiqueta_image_tag_newest",
            ),
        ] {
            let steps = plan(connection, listing(scan, &wanted, &span, 50)).await;
            let walked = steps.iter().find(|step| step.is("walked", key));
            let walked = walked.unwrap_or_else(|| panic!("{steps:#?}"));
            assert!(walked.says("Using index"), "{steps:#?}");
            assert!(
                scan == Scan::AnyLabel || !walked.says("filesort"),
                "{steps:#?}"
            );
            for step in &steps {
                let table = step.table.as_deref().unwrap_or_default();
                let is_page = table.starts_with("<derived");
                let is_looked_up = step.key.as_deref() == Some("PRIMARY") && !step.says("filesort");
                assert!(table == "walked" || is_page || is_looked_up, "{steps:#?}");
            }
        }
    }

    /// Nothing is sorted, so a stride costs no more than its rows.
    async fn assert_confidences_are_read_from_their_index(connection: &mut Connection) {
        let span = ListRange::new(&ImageQuery::default(), None);
        let steps = plan(
            connection,
            confidences::stride(1, span.by(ImageOrder::Registered)),
        )
        .await;
        let [walked] = steps.as_slice() else {
            panic!("{steps:#?}");
        };
        assert!(
            walked.is("walked", "etiqueta_image_tag_newest"),
            "{steps:#?}"
        );
        assert!(walked.says("Using index"), "{steps:#?}");
        assert!(!walked.says("filesort"), "{steps:#?}");
    }

    /// Images are read in order from the index of taking. Only those that are few are sorted, read from the index
    /// that finds them.
    async fn assert_lists_by_taking_are_read_from_their_index(connection: &mut Connection) {
        let ordered = ImageQuery {
            order: ImageOrder::Taken,
            ..ImageQuery::default()
        };
        let whole = ListRange::new(&ordered, None);
        let within = ImageQuery {
            window: TimeWindow {
                from: DateTime::from_timestamp_micros(10),
                until: None,
            },
            taken: LocalWindow {
                from: None,
                until: DateTime::from_timestamp_micros(900).map(|time| time.naive_utc()),
            },
            ..ordered
        };
        let within = ListRange::new(&within, None);
        let asked = |all_of: &[i32]| LabelIds {
            all_of: all_of.to_vec(),
            none_of: vec![7, 8],
            conditions: vec![Condition::Taken(LocalWindow::default())],
            ..LabelIds::default()
        };
        let any = LabelIds {
            any_of: vec![2, 3],
            ..LabelIds::default()
        };
        let (by_taking, by_label) = ("etiqueta_image_taken", "etiqueta_image_tag_newest");
        for (scan, wanted, range, key) in [
            (Scan::Taken, LabelIds::default(), &whole, by_taking),
            (Scan::Taken, asked(&[1, 2]), &whole, by_taking),
            (Scan::Taken, asked(&[1]), &within, by_taking),
            (
                Scan::AllImages,
                asked(&[]),
                &within,
                "etiqueta_image_newest",
            ),
            (Scan::Label(1), asked(&[1, 2]), &whole, by_label),
            (Scan::Label(1), asked(&[1]), &within, by_label),
            (Scan::AnyLabel, any, &whole, by_label),
        ] {
            let steps = plan(connection, listing(scan, &wanted, range, 50)).await;
            let walked = steps.iter().find(|step| step.is("walked", key));
            let walked = walked.unwrap_or_else(|| panic!("{steps:#?}"));
            assert!(
                scan != Scan::Taken || !walked.says("filesort"),
                "{steps:#?}"
            );
            for step in &steps {
                let table = step.table.as_deref().unwrap_or_default();
                let is_page = table.starts_with("<derived");
                let is_looked_up = step.key.as_deref() == Some("PRIMARY") && !step.says("filesort");
                assert!(table == "walked" || is_page || is_looked_up, "{steps:#?}");
            }
        }
    }

    async fn assert_times_of_taking_are_measured_by_their_index(connection: &mut Connection) {
        let query = ImageQuery {
            order: ImageOrder::Taken,
            ..ImageQuery::default()
        };
        let whole = ListRange::new(&query, None);
        let steps = plan(connection, taken(whole.by(ImageOrder::Taken), 100)).await;
        let [step] = &steps[..] else {
            panic!("{steps:#?}");
        };
        assert!(
            step.is("etiqueta_image", "etiqueta_image_taken"),
            "{step:#?}"
        );
        assert!(
            step.says("Using index") && !step.says("filesort"),
            "{step:#?}"
        );
    }

    async fn assert_labels_are_measured_by_their_index(connection: &mut Connection) {
        let span = ListRange::new(&ImageQuery::default(), None);
        let span = span.by(ImageOrder::Registered);
        let steps = plan(connection, measuring(&[1, 2], span, 100)).await;
        let measured = steps
            .iter()
            .filter(|step| step.is("etiqueta_image_tag", "etiqueta_image_tag_newest"));
        assert_eq!(measured.count(), 2, "{steps:#?}");
        assert!(
            !steps.iter().any(|step| step.says("filesort")),
            "{steps:#?}"
        );
    }

    /// A short span by its images in the order of their times, all tags by a covering index.
    async fn assert_tags_are_counted_by_their_index(connection: &mut Connection) {
        let counting = |way| {
            let statement = statement(way).replacen('?', "400", 1);
            Statement::new(&statement.replacen('?', "500", 1))
        };
        let steps = plan(connection, counting(AccessPath::Images)).await;
        let images = steps
            .iter()
            .find(|step| step.is("image", "etiqueta_image_newest"));
        assert!(
            images.is_some_and(|step| step.says("Using index")),
            "{steps:#?}"
        );
        assert!(
            steps.iter().any(|step| step.is("tag", "PRIMARY")),
            "{steps:#?}"
        );
        assert_eq!(steps.len(), 2, "{steps:#?}");
        let steps = plan(connection, counting(AccessPath::Labels)).await;
        let [step] = &steps[..] else {
            panic!("{steps:#?}");
        };
        assert!(step.is("tag", "etiqueta_image_tag_newest"), "{step:#?}");
        assert!(
            step.says("Using index") && !step.says("filesort"),
            "{step:#?}"
        );
    }

    /// A scan would wait for images that are being recorded, and lock them out.
    async fn assert_changes_are_deleted_by_their_keys(connection: &mut Connection) {
        let steps = plan(connection, deletion(&(1, vec![1; 16]))).await;
        let [step] = &steps[..] else {
            panic!("{steps:#?}");
        };
        assert!(step.is("etiqueta_summary_change", "PRIMARY"), "{step:#?}");
        let access = step.access.as_deref().unwrap_or_default();
        assert!(["range", "const", "eq_ref"].contains(&access), "{step:#?}");
    }

    #[derive(QueryableByName)]
    struct Wait {
        #[diesel(sql_type = sql_types::Unsigned<sql_types::BigInt>)]
        seconds: u64,
    }

    async fn waits(connection: &mut Connection) -> u64 {
        let asked = sql_query("SELECT @@SESSION.innodb_lock_wait_timeout AS seconds");
        let wait: Wait = asked.get_result(connection).await.unwrap();
        wait.seconds
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_short_lock_wait_leaves_the_sessions_as_it_was() {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        let wait = lock_wait(Duration::from_secs(3));
        sql_query(wait).execute(&mut connection).await.unwrap();
        for _ in 0..2 {
            sql_query(SHORT_LOCK_WAIT)
                .execute(&mut connection)
                .await
                .unwrap();
            assert_eq!(waits(&mut connection).await, 1);
            sql_query(RESTORE_LOCK_WAIT)
                .execute(&mut connection)
                .await
                .unwrap();
            assert_eq!(waits(&mut connection).await, 3);
        }
        database.remove().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn everything_is_read_from_its_index() {
        let (mut connection, database) = filled().await;
        assert_lists_are_read_from_their_index(&mut connection).await;
        assert_confidences_are_read_from_their_index(&mut connection).await;
        assert_lists_by_taking_are_read_from_their_index(&mut connection).await;
        assert_times_of_taking_are_measured_by_their_index(&mut connection).await;
        assert_labels_are_measured_by_their_index(&mut connection).await;
        assert_tags_are_counted_by_their_index(&mut connection).await;
        assert_changes_are_deleted_by_their_keys(&mut connection).await;
        database.remove().await;
    }

    /// One that is being recorded is not in the rollup's snapshot, however old it is, and makes its segment stale.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_rollup_waits_for_no_recording() {
        let (mut connection, database) = filled().await;
        let store = database.store(sql::Sizes::default());
        connection.batch_execute("BEGIN").await.unwrap();
        for statement in LATE {
            sql_query(statement).execute(&mut connection).await.unwrap();
        }
        let rolled_up = tokio::time::timeout(Duration::from_secs(5), async {
            while store.roll_up(domain_testing::at(1000)).await.unwrap() {}
        });
        rolled_up.await.unwrap();
        connection.batch_execute("COMMIT").await.unwrap();
        for _ in 0..2 {
            let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
            let counts: Vec<u64> = found.iter().map(|summary| summary.images).collect();
            assert_eq!(counts, [1001, 1000, 1000]);
            while store.roll_up(domain_testing::at(1000)).await.unwrap() {}
        }
        drop(store);
        database.remove().await;
    }

    /// It notes no change, but holds the state row shared while it records.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_rollup_waits_for_recordings_of_earlier_versions() {
        let (mut connection, database) = filled().await;
        let store = database.store(sql::Sizes::default());
        connection.batch_execute("BEGIN").await.unwrap();
        let [image, tag, _] = LATE;
        let shared = "SELECT sealed_until FROM etiqueta_summary_state LOCK IN SHARE MODE";
        for statement in [shared, image, tag] {
            sql_query(statement).execute(&mut connection).await.unwrap();
        }
        let mut rollup = store.roll_up(domain_testing::at(1000));
        let soon = Duration::from_millis(300);
        let waited = tokio::time::timeout(soon, &mut rollup).await;
        assert!(waited.is_err(), "{waited:?}");
        connection.batch_execute("COMMIT").await.unwrap();
        assert!(rollup.await.unwrap());
        while store.roll_up(domain_testing::at(1000)).await.unwrap() {}
        let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
        let counts: Vec<u64> = found.iter().map(|summary| summary.images).collect();
        assert_eq!(counts, [1001, 1000, 1000]);
        drop(store);
        database.remove().await;
    }

    /// An image of long ago with the first label.
    const LATE: [&str; 3] = [
        "INSERT INTO etiqueta_image (id, original_id, registered_at) VALUES (REPEAT('x', 16), 1, 7)",
        "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) \
         VALUES (REPEAT('x', 16), 1, 7, 90)",
        "INSERT INTO etiqueta_summary_change (registered_at, id) VALUES (7, REPEAT('x', 16))",
    ];

    /// Waiting servers of an earlier version get their turn: one lock wait of a second, and not eleven of them.
    #[tokio::test(flavor = "multi_thread")]
    async fn rolling_up_is_not_retried() {
        let (mut connection, database) = filled().await;
        let store = database.store(sql::Sizes::default());
        connection.batch_execute("BEGIN").await.unwrap();
        let hold = "SELECT sealed_until FROM etiqueta_summary_state FOR UPDATE";
        connection.batch_execute(hold).await.unwrap();
        let began = std::time::Instant::now();
        let outcome = store.roll_up(domain_testing::at(1000)).await;
        assert!(
            matches!(outcome, Err(ImageStoreError::Contended(_))),
            "{outcome:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(8));
        connection.batch_execute("COMMIT").await.unwrap();
        assert!(store.roll_up(domain_testing::at(1000)).await.unwrap());
        drop(store);
        database.remove().await;
    }
}
