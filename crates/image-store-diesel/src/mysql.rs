//! MySQL and MariaDB: how to connect, and what is said otherwise than in SQLite.

use std::{sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult, QueryResult, sql_query, sql_types};
use diesel_async::{
    AsyncMysqlConnection, RunQueryDsl,
    async_connection_wrapper::AsyncConnectionWrapper,
    pooled_connection::{
        PoolError,
        deadpool::{Hook, HookError},
    },
};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use domain::ports::{ImageStore, ImageStoreError};
use futures_util::FutureExt;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use secrecy::ExposeSecret;

use crate::{
    connections::{self, PoolSettings},
    migrate::{self, MigrationError},
    url::{MysqlServer, Tls},
};

type Connection = AsyncMysqlConnection;
type Backend = diesel::mysql::Mysql;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/mysql");

/// A join that reads the tables in the order in which they are written.
const JOIN_IN_ORDER: &str = "STRAIGHT_JOIN";
/// Reads tags in the order of their labels, or of their images.
const BY_LABEL: &str = "FORCE INDEX (etiqueta_image_tag_newest)";
const BY_IMAGE: &str = "FORCE INDEX (PRIMARY)";
/// Begins a transaction that writes.
const BEGIN: &str = "BEGIN";
/// Leaves a row as it is that is there already.
const INSERT_IF_NEW: &str = "INSERT IGNORE";

/// Reads rows and holds them to the end of the transaction.
macro_rules! holding {
    ($query:expr) => {
        $query.for_update()
    };
}

#[path = "sql/mod.rs"]
mod sql;

/// A connection that lay idle longer than this is tried before it is used: the server may have closed
/// it. One that was used just now is not, because that would cost every call a round trip.
const IDLE: Duration = Duration::from_secs(2);

/// How long the operating system waits on a silent connection before it asks whether anybody is there.
const KEEPALIVE_MILLIS: u32 = 30_000;

/// What each session is told first. Nothing is left to the server's configuration:
/// - `READ COMMITTED` locks the rows that are written and no gaps between them, and every statement
///   sees what was committed before it, after waiting for a lock too;
/// - in strict mode a value that does not fit is an error;
/// - errors are recognised by their English texts.
const SESSION: [&str; 2] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION autocommit = 1, innodb_lock_wait_timeout = 10, lc_messages = 'en_US', \
     sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
];

pub(crate) fn connect(
    server: &MysqlServer,
    settings: PoolSettings,
) -> Result<Arc<dyn ImageStore>, ImageStoreError> {
    let options = options(server);
    let setup = move || open(options.clone()).boxed();
    let size = settings.max_connections.max(1);
    let pool = connections::builder(size, settings.acquire_timeout, setup).pre_recycle(
        Hook::async_fn(|connection: &mut Connection, metrics| {
            let is_idle = metrics.last_used() > IDLE;
            Box::pin(async move {
                if is_idle {
                    ping(connection)
                        .await
                        .map_err(|error| HookError::Backend(PoolError::QueryError(error)))?;
                }
                Ok(())
            })
        }),
    );
    let pool = connections::build(pool)?;
    Ok(Arc::new(sql::Store {
        reading: pool.clone(),
        writing: pool,
    }))
}

async fn ping(connection: &mut Connection) -> QueryResult<()> {
    sql_query("SELECT 1").execute(connection).await.map(|_| ())
}

fn options(server: &MysqlServer) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(&server.host)
        .tcp_port(server.port)
        .user(Some(&server.user))
        .pass(Some(server.password.expose_secret()))
        .db_name(Some(&server.database))
        .ssl_opts(server.tls.as_ref().map(tls))
        // What the URL says, and not a socket that the server names.
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE_MILLIS))
        // Diesel keeps prepared statements itself.
        .stmt_cache_size(0)
        // An update says how many rows it found, not how many it changed: so does SQLite.
        .client_found_rows(true)
        .init(SESSION.to_vec())
        .into()
}

fn tls(tls: &Tls) -> SslOpts {
    let roots = tls.ca.iter().map(|path| path.clone().into());
    SslOpts::default()
        .with_root_certs(roots.collect())
        .with_disable_built_in_roots(tls.ca.is_some())
        .with_danger_accept_invalid_certs(!tls.verify)
}

async fn open(options: Opts) -> ConnectionResult<Connection> {
    let connection = Conn::new(options)
        .await
        .map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
    Connection::try_from(connection).await
}

/// The names of the migrations that have not run.
pub(crate) async fn pending(server: &MysqlServer) -> Result<Vec<String>, MigrationError> {
    let mut connection = open(options(server)).await?;
    Ok(sql::migrations::pending(&mut connection).await?)
}

/// Runs the migrations that have not run. Servers that start at the same time do it one after the
/// other, under a lock that the database drops when its holder goes.
pub(crate) async fn migrate(
    server: &MysqlServer,
    wait: Duration,
) -> Result<Vec<String>, MigrationError> {
    let mut connection = open(options(server)).await?;
    lock(&mut connection, wait).await?;
    let run = tokio::task::spawn_blocking(move || {
        let mut connection = AsyncConnectionWrapper::<Connection>::from(connection);
        let outcome = migrate::run(&mut connection, MIGRATIONS);
        (outcome, connection.into_inner())
    });
    let (outcome, mut connection) = run.await?;
    // Closing the connection would do it too, at a time of its own.
    sql_query(format!("DO RELEASE_LOCK({LOCK})"))
        .execute(&mut connection)
        .await?;
    outcome
}

/// The lock's name as SQL: one for each database of the server, and short enough.
const LOCK: &str = "CONCAT('etiqueta_migrate_', LEFT(SHA2(DATABASE(), 256), 32))";

#[derive(diesel::QueryableByName)]
struct Lock {
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    granted: Option<i64>,
}

async fn lock(connection: &mut Connection, wait: Duration) -> Result<(), MigrationError> {
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    let lock: Lock = sql_query(format!("SELECT GET_LOCK({LOCK}, ?) AS granted"))
        .bind::<sql_types::BigInt, _>(seconds)
        .get_result(connection)
        .await?;
    if lock.granted == Some(1) {
        Ok(())
    } else {
        Err(MigrationError::Locked)
    }
}
