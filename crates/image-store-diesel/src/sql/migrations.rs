//! Applied and pending migrations.

use diesel::{QueryDsl, migration::MigrationSource, result::Error};
use diesel_async::RunQueryDsl;

use super::{Backend, Connection, Database, MIGRATIONS};
use crate::{
    error::{ErrorClass, StoreError},
    schema::migration,
};

/// The names of the pending migrations.
pub(in super::super) async fn pending(
    connection: &mut Connection,
    database: &Database,
) -> Result<Vec<String>, StoreError> {
    let versions = migration::table.select(migration::version);
    let applied = match versions.load::<String>(connection).await {
        Ok(applied) => applied,
        Err(error) => match database.classify(connection, &error).await {
            ErrorClass::NoTable => Vec::new(),
            class => return Err(StoreError::Known(class.of(error))),
        },
    };
    missing(&applied)
}

/// The names of the migrations missing in `applied`.
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
