#![doc = include_str!("../README.md")]

mod values;

use std::{collections::HashMap, mem, num::NonZeroU32, path::PathBuf};

use async_trait::async_trait;
use domain::ports::{ArchiveError, ArchivedPicture, PictureArchive, cause};
use futures_util::lock::{Mutex, MutexGuard};
use mysql_async::{Conn, Error, OptsBuilder, Row, SslOpts, prelude::Queryable};
use secrecy::{ExposeSecret, SecretString};

use self::values::{confidence, text};

/// The session and the transaction: read only, and of one snapshot.
const BEGIN: [&str; 4] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
    // Pages are hours apart where a slow provider had to be asked; servers may be set to a minute.
    "SET SESSION wait_timeout = 28800",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
];

/// Where the database is, and how it is entered.
#[derive(Debug, Clone)]
pub struct FlaskDatabase {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The user, who needs to read the two tables only.
    pub user: String,
    /// The user's password; may be empty.
    pub password: SecretString,
    /// The name of the database.
    pub name: String,
    /// TLS; `None` leaves the connection unencrypted.
    pub tls: Option<FlaskTls>,
}

/// How the server's certificate is checked.
#[derive(Debug, Clone)]
pub struct FlaskTls {
    /// A PEM file with trusted authorities; `None` trusts Mozilla's list.
    pub ca: Option<PathBuf>,
    /// Whether the certificate must be valid for the host's name.
    pub verify: bool,
}

/// The pictures of the Flask program.
pub struct FlaskArchive {
    database: FlaskDatabase,
    /// Opened by the first call, and not again: another transaction would see another snapshot.
    connection: Mutex<State>,
}

enum State {
    New,
    Open(Conn),
    Failed,
}

impl FlaskArchive {
    /// Opens nothing yet.
    pub fn new(database: FlaskDatabase) -> Self {
        Self {
            database,
            connection: Mutex::new(State::New),
        }
    }

    /// The connection, which the caller puts back after success alone.
    async fn take(&self) -> Result<(MutexGuard<'_, State>, Conn), ArchiveError> {
        let mut state = self.connection.lock().await;
        let connection = match mem::replace(&mut *state, State::Failed) {
            State::New => open(&self.database).await.map_err(unavailable)?,
            State::Open(connection) => connection,
            State::Failed => {
                let reason = "the connection was lost before";
                return Err(ArchiveError::Unavailable(cause(reason)));
            }
        };
        Ok((state, connection))
    }
}

#[async_trait]
impl PictureArchive for FlaskArchive {
    async fn count(&self) -> Result<u64, ArchiveError> {
        let (mut state, mut connection) = self.take().await?;
        let counted = connection
            .query_first("SELECT COUNT(*) FROM pictures")
            .await;
        let counted: Option<u64> = counted.map_err(failed)?;
        *state = State::Open(connection);
        Ok(counted.unwrap_or(0))
    }

    async fn page(
        &self,
        after: Option<&str>,
        limit: NonZeroU32,
    ) -> Result<Vec<ArchivedPicture>, ArchiveError> {
        let (mut state, mut connection) = self.take().await?;
        let page = page(&mut connection, after, limit.get()).await;
        let page = page.map_err(failed)?;
        *state = State::Open(connection);
        Ok(page)
    }
}

async fn open(database: &FlaskDatabase) -> mysql_async::Result<Conn> {
    let tls = database.tls.as_ref().map(|tls| {
        let roots = tls.ca.iter().map(|path| path.clone().into());
        SslOpts::default()
            .with_root_certs(roots.collect())
            .with_disable_built_in_roots(tls.ca.is_some())
            .with_danger_accept_invalid_certs(!tls.verify)
    });
    let options = OptsBuilder::default()
        .ip_or_hostname(&database.host)
        .tcp_port(database.port)
        .user(Some(&database.user))
        .pass(Some(database.password.expose_secret()))
        .db_name(Some(&database.name))
        .ssl_opts(tls)
        .prefer_socket(false);
    let mut connection = Conn::new(options).await?;
    for statement in BEGIN {
        connection.query_drop(statement).await?;
    }
    Ok(connection)
}

async fn page(
    connection: &mut Conn,
    after: Option<&str>,
    limit: u32,
) -> mysql_async::Result<Vec<ArchivedPicture>> {
    let columns = "SELECT id, path, date FROM pictures";
    let rows: Vec<Row> = match after {
        None => {
            let statement = format!("{columns} ORDER BY id LIMIT ?");
            connection.exec(statement, (limit,)).await?
        }
        Some(after) => {
            let statement = format!("{columns} WHERE id > ? ORDER BY id LIMIT ?");
            connection.exec(statement, (after, limit)).await?
        }
    };
    let mut pictures: Vec<ArchivedPicture> = rows.iter().map(picture).collect();
    let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else {
        return Ok(pictures);
    };
    let mut tags = tags(connection, &first.id, &last.id).await?;
    for picture in &mut pictures {
        picture.tags = tags.remove(&picture.id).unwrap_or_default();
    }
    Ok(pictures)
}

fn picture(row: &Row) -> ArchivedPicture {
    ArchivedPicture {
        id: text(row.as_ref(0)),
        path: text(row.as_ref(1)),
        date: text(row.as_ref(2)),
        tags: Vec::new(),
    }
}

/// The tags of a range of pictures, by the id as the picture has it: a tag may spell it in another case.
async fn tags(
    connection: &mut Conn,
    first: &str,
    last: &str,
) -> mysql_async::Result<HashMap<String, Vec<(String, Option<f64>)>>> {
    let statement = "SELECT pictures.id, tags.tag, tags.confidence FROM pictures \
                     JOIN tags ON tags.picture_id = pictures.id \
                     WHERE pictures.id BETWEEN ? AND ?";
    let rows: Vec<Row> = connection.exec(statement, (first, last)).await?;
    let mut tags: HashMap<_, Vec<_>> = HashMap::new();
    for row in &rows {
        let tag = (text(row.as_ref(1)), confidence(row.as_ref(2)));
        tags.entry(text(row.as_ref(0))).or_default().push(tag);
    }
    Ok(tags)
}

fn unavailable(error: Error) -> ArchiveError {
    ArchiveError::Unavailable(cause(error))
}

/// What the server refuses is not going to be better later, a missing table say.
fn failed(error: Error) -> ArchiveError {
    match error {
        error @ Error::Server(_) => ArchiveError::Foreign(cause(error)),
        error => unavailable(error),
    }
}
