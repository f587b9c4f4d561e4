//! The id of the database.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::DatabaseId;

use super::Connection;
use crate::{error::StoreError, schema::database};

/// The key of the single row.
const ROW: i32 = 1;

/// The id, generated if there is none. Concurrent callers agree on one.
pub(super) async fn find_or_make(connection: &mut Connection) -> Result<DatabaseId, StoreError> {
    if let Some(id) = find(connection).await? {
        return Ok(id);
    }
    diesel::insert_or_ignore_into(database::table)
        .values((
            database::id.eq(ROW),
            database::uuid.eq(DatabaseId::random().as_bytes().as_slice()),
        ))
        .execute(connection)
        .await?;
    let found = find(connection).await?;
    found.ok_or_else(|| StoreError::corrupt("the id of the database is gone again"))
}

async fn find(connection: &mut Connection) -> Result<Option<DatabaseId>, StoreError> {
    let uuid: Option<Vec<u8>> = database::table
        .find(ROW)
        .select(database::uuid)
        .first(connection)
        .await
        .optional()?;
    let id = |uuid: Vec<u8>| <[u8; 16]>::try_from(uuid).map(DatabaseId::from_bytes);
    uuid.map(id)
        .transpose()
        .map_err(|_| StoreError::corrupt("the id of the database is not 16 bytes long"))
}
