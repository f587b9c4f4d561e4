//! Which migrations have run.

use diesel::{QueryDsl, migration::MigrationSource, result::Error};
use diesel_async::RunQueryDsl;

use super::{Backend, Connection, MIGRATIONS};
use crate::{fault::Fault, schema::migration};

/// The names of the migrations that have not run.
pub(in super::super) async fn pending(connection: &mut Connection) -> Result<Vec<String>, Fault> {
    let versions = migration::table.select(migration::version);
    let applied = match versions.load::<String>(connection).await {
        Err(Error::DatabaseError(_, information)) if is_missing(information.message()) => {
            Vec::new()
        }
        other => other?,
    };
    missing(&applied)
}

/// The names of the migrations that are not among those that ran.
pub(in super::super) fn missing<E: From<Error>>(applied: &[String]) -> Result<Vec<String>, E> {
    let migrations =
        MigrationSource::<Backend>::migrations(&MIGRATIONS).map_err(Error::QueryBuilderError)?;
    Ok(migrations
        .iter()
        .map(|migration| migration.name())
        .filter(|name| !applied.contains(&name.version().to_string()))
        .map(ToString::to_string)
        .collect())
}

/// Whether the text says that there is no such table, in MySQL or in SQLite.
fn is_missing(text: &str) -> bool {
    text.ends_with("doesn't exist") || text.starts_with("no such table")
}
