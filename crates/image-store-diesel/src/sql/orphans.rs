//! Removal claims on originals that no image needs, including unknown ones.

use chrono::{DateTime, Utc};
use diesel::{BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{ContentDigest, Fence};

use super::{
    BEGIN, Connection,
    claims::{self, LockedOriginal, UNKNOWN, is_free},
};
use crate::{error::StoreError, schema::original, values::micros};

/// Claims an original for removal. `false` if it is needed.
pub(super) async fn claim(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let row = claims::lock_original(connection, digest).await?;
    let time = micros(now);
    let is_claimed = match row {
        None => note(connection, digest, fence, until).await?,
        Some(row) if row.claimed_until > Some(time) => false,
        // Checked under the lock: no image of it is being recorded.
        Some(row) if claims::is_used(connection, row.id).await? => false,
        Some(row) => hold(connection, &row, fence, now, until).await?,
    };
    let end = if is_claimed { "COMMIT" } else { "ROLLBACK" };
    connection.batch_execute(end).await?;
    Ok(is_claimed)
}

/// Inserts an unknown original. `false` if it has become known.
async fn note(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = diesel::insert_or_ignore_into(original::table)
        .values((
            original::digest.eq(digest.as_bytes().as_slice()),
            original::media_type.eq(UNKNOWN),
            original::width.eq(0_i64),
            original::height.eq(0_i64),
            original::byte_size.eq(0_i64),
            original::removing_until.eq(Some(micros(until))),
            original::fence.eq(fence.as_i64()),
        ))
        .execute(connection)
        .await?;
    Ok(inserted > 0)
}

/// Claims a known original, unless it was claimed since it was read.
async fn hold(
    connection: &mut Connection,
    seen: &LockedOriginal,
    fence: Fence,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = diesel::update(original::table.find(seen.id))
        .filter(original::fence.eq(seen.fence))
        .filter(is_free!(micros(now)))
        .set((
            original::removing_until.eq(Some(micros(until))),
            original::fence.eq(fence.as_i64()),
        ))
        .execute(connection)
        .await?;
    Ok(found > 0)
}
