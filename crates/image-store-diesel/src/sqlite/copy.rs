//! Copies of a whole database, and whether they are sound.

use std::{path::Path, time::Duration};

use diesel::{
    Connection as _, ConnectionError, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use thiserror::Error;

/// Why a database cannot be copied, or its copy not be used.
#[derive(Debug, Error)]
pub enum CopyError {
    /// SQLite failed.
    #[error("copying the database")]
    Copy(#[source] diesel::result::Error),
    /// A database cannot be opened: the original or the copy.
    #[error("opening the database")]
    Open(#[source] ConnectionError),
    /// The copy is not sound, so it was removed. That is mostly the original's fault.
    #[error("the copy is damaged, and so probably is the database: {0}")]
    Damaged(String),
}

/// How long to wait for a lock of another program.
const BUSY: Duration = Duration::from_secs(30);

/// At most so many findings are told.
const FINDINGS: usize = 3;

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

#[derive(QueryableByName)]
struct Images {
    #[diesel(sql_type = BigInt)]
    images: i64,
}

/// The version of the SQLite that is inside.
pub(crate) fn version() -> String {
    let mut connection = SqliteConnection::establish(":memory:").ok();
    let asked = connection.as_mut().and_then(|connection| {
        sql_query("SELECT sqlite_version() AS version")
            .get_result::<Version>(connection)
            .ok()
    });
    asked.map_or_else(|| "of an unknown version".to_owned(), |found| found.version)
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Writes what the database holds at one moment into an empty file.
pub(crate) fn copy_into(source: &Path, target: &Path) -> Result<(), CopyError> {
    let mut connection = open(source)?;
    let busy = format!("PRAGMA busy_timeout = {}", BUSY.as_millis());
    connection.batch_execute(&busy).map_err(CopyError::Copy)?;
    sql_query("VACUUM INTO ?")
        .bind::<Text, _>(text(target)?)
        .execute(&mut connection)
        .map_err(CopyError::Copy)?;
    Ok(())
}

/// Checks every page and index of a database, and counts its images.
pub(crate) fn verify(copy: &Path) -> Result<u64, CopyError> {
    let mut connection = open(copy)?;
    let findings: Vec<Finding> = sql_query("PRAGMA integrity_check")
        .load(&mut connection)
        .map_err(|error| CopyError::Damaged(error.to_string()))?;
    let findings = findings.into_iter().map(|finding| finding.integrity_check);
    let findings: Vec<_> = findings
        .filter(|finding| finding != "ok")
        .take(FINDINGS)
        .collect();
    if !findings.is_empty() {
        return Err(CopyError::Damaged(findings.join("; ")));
    }
    let counted: Images = sql_query("SELECT COUNT(*) AS images FROM etiqueta_image")
        .get_result(&mut connection)
        .map_err(CopyError::Copy)?;
    Ok(counted.images.unsigned_abs())
}

fn open(path: &Path) -> Result<SqliteConnection, CopyError> {
    SqliteConnection::establish(text(path)?).map_err(CopyError::Open)
}

fn text(path: &Path) -> Result<&str, CopyError> {
    path.to_str().ok_or_else(|| {
        let error = ConnectionError::BadConnection("the path is not UTF-8".to_owned());
        CopyError::Open(error)
    })
}
