//! Figures for operators.

use domain::{
    JobState,
    ports::{Figures, ImageStoreError, MOST_COUNTED, StoreFigures},
};

use super::{
    Connection, Store, counted::counted, jobs::state_number, statement::Statement, webhooks,
};
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
        *count = counted(connection, rows, MOST_COUNTED).await?;
    }
    let changes = Statement::new("SELECT 1 AS n FROM etiqueta_summary_change");
    Ok(Figures {
        jobs,
        unrolled_changes: counted(connection, changes, MOST_COUNTED).await?,
        waiting_deliveries: waiting_deliveries(connection).await?,
    })
}

/// Counts webhook by webhook, each along the index.
async fn waiting_deliveries(connection: &mut Connection) -> Result<u32, StoreError> {
    let mut waiting = 0;
    for webhook in webhooks::ids(connection).await? {
        waiting += webhooks::waiting(connection, &webhook, MOST_COUNTED - waiting).await?;
    }
    Ok(waiting)
}
