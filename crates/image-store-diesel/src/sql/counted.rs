//! Counting with a bound.

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;

use super::{Connection, statement::Statement};
use crate::error::StoreError;

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    counted: i64,
}

/// Counts rows, up to `most`.
pub(super) async fn counted(
    connection: &mut Connection,
    rows: Statement,
    most: u32,
) -> Result<u32, StoreError> {
    let statement = Statement::new("SELECT COUNT(*) AS counted FROM (")
        .then(rows)
        .sql(" LIMIT ")
        .long(i64::from(most))
        .sql(") AS first_rows");
    let row: CountRow = statement.get_result(connection).await?;
    Ok(u32::try_from(row.counted).unwrap_or(most))
}
