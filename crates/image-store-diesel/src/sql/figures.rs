//! Figures for operators.

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use domain::{
    JobState,
    ports::{Figures, ImageStoreError, MOST_COUNTED, StoreFigures},
};

use super::{Connection, Store, jobs::state_number, statement::Statement};
use crate::{calls::Operation, connections::Lease, error::StoreError};

#[async_trait::async_trait]
impl StoreFigures for Store {
    async fn figures(&self) -> Result<Figures, ImageStoreError> {
        let work =
            |mut connection: Lease<Connection>| async move { figures(&mut connection).await };
        // What is read from a file that was removed says nothing.
        self.repeat(Operation::Read, || async {
            self.database.check().await?;
            self.with_connection(&self.reading, &work).await
        })
        .await
    }
}

async fn figures(connection: &mut Connection) -> Result<Figures, StoreError> {
    let mut jobs = [0; JobState::ALL.len()];
    for (count, state) in jobs.iter_mut().zip(JobState::ALL) {
        let rows = Statement::new("SELECT 1 AS n FROM etiqueta_job WHERE state = ")
            .int(state_number(state));
        *count = counted(connection, rows).await?;
    }
    let changes = Statement::new("SELECT 1 AS n FROM etiqueta_summary_change");
    Ok(Figures {
        jobs,
        unrolled_changes: counted(connection, changes).await?,
    })
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    counted: i64,
}

/// Counts rows, up to [`MOST_COUNTED`].
async fn counted(connection: &mut Connection, rows: Statement) -> Result<u32, StoreError> {
    let statement = Statement::new("SELECT COUNT(*) AS counted FROM (")
        .then(rows)
        .sql(" LIMIT ")
        .long(i64::from(MOST_COUNTED))
        .sql(") AS first_rows");
    let row: CountRow = statement.get_result(connection).await?;
    Ok(u32::try_from(row.counted).unwrap_or(MOST_COUNTED))
}
