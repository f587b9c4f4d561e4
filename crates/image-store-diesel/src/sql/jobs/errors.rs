//! The first errors of jobs.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{ItemError, JobId, MAX_ITEM_ERRORS};

use super::super::Connection;
use crate::{error::StoreError, job_text, schema::job_detail};

/// Adds to the errors of a job, as far as there is room.
pub(super) async fn add(
    connection: &mut Connection,
    id: &JobId,
    errors: &[ItemError],
) -> Result<(), StoreError> {
    let mut known = of(connection, id).await?;
    let room = MAX_ITEM_ERRORS.saturating_sub(known.len());
    if room == 0 {
        return Ok(());
    }
    known.extend(errors.iter().take(room).cloned());
    diesel::update(job_detail::table.find(id.as_bytes().as_slice()))
        .set(job_detail::errors.eq(Some(job_text::written_errors(&known))))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn of(
    connection: &mut Connection,
    id: &JobId,
) -> Result<Vec<ItemError>, StoreError> {
    let text: Option<Option<Vec<u8>>> = job_detail::table
        .find(id.as_bytes().as_slice())
        .select(job_detail::errors)
        .first(connection)
        .await
        .optional()?;
    match text.flatten() {
        None => Ok(Vec::new()),
        Some(text) => job_text::read_errors(&text),
    }
}
