//! Removal claims on originals that no image needs, including unknown ones.

use chrono::{DateTime, Utc};
use diesel::{BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{ContentDigest, Fence};

use super::{
    Connection,
    claims::{UNKNOWN, is_free},
};
use crate::{
    error::StoreError,
    schema::{image, original},
    values::micros,
};

/// Claims an original for removal. `false` if it is needed.
pub(super) async fn claim(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let is_held = hold(connection, digest, fence, now, until).await?;
    Ok(is_held || note(connection, digest, fence, until).await?)
}

/// Claims a known original that no image refers to and nothing else claims.
async fn hold(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let now = micros(now);
    let is_unclaimed = original::claimed_until
        .is_null()
        .or(original::claimed_until.assume_not_null().le(now));
    let is_used = diesel::dsl::exists(image::table.filter(image::original_id.eq(original::id)));
    let found = diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(is_unclaimed)
        .filter(is_free!(now))
        .filter(diesel::dsl::not(is_used))
        .set((
            original::removing_until.eq(Some(micros(until))),
            original::fence.eq(fence.as_i64()),
        ))
        .execute(connection)
        .await?;
    Ok(found > 0)
}

/// Inserts an unknown original. `false` if it is known.
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
