//! Claims on originals that nobody needs.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::ContentDigest;

use super::{BEGIN, Connection, claims};
use crate::{
    fault::Fault,
    schema::{image, original},
    values::micros,
};

/// The media type of an original of which nothing is known but that a check holds it.
pub(super) const UNKNOWN: &str = "";

/// Claims an original for removal. `false` if somebody needs it.
pub(super) async fn claim(
    connection: &mut Connection,
    digest: &ContentDigest,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    connection.batch_execute(BEGIN).await?;
    let row = claims::held(connection, digest).await?;
    let now = micros(now);
    let is_claimed = match row {
        None => note(connection, digest, until).await?,
        Some((_, claimed, removing)) if claimed > Some(now) || removing > Some(now) => false,
        // Asked while the original is held: nobody records an image of it now.
        Some((id, ..)) if is_used(connection, id).await? => false,
        Some((id, ..)) => hold(connection, id, until).await?,
    };
    let end = if is_claimed { "COMMIT" } else { "ROLLBACK" };
    connection.batch_execute(end).await?;
    Ok(is_claimed)
}

/// Notes an original that is not known. `false` if it has become known meanwhile.
async fn note(
    connection: &mut Connection,
    digest: &ContentDigest,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_or_ignore_into(original::table)
        .values((
            original::digest.eq(digest.as_bytes().as_slice()),
            original::media_type.eq(UNKNOWN),
            original::width.eq(0_i64),
            original::height.eq(0_i64),
            original::byte_size.eq(0_i64),
            original::removing_until.eq(Some(micros(until))),
        ))
        .execute(connection)
        .await?;
    Ok(inserted > 0)
}

async fn is_used(connection: &mut Connection, id: i64) -> Result<bool, Fault> {
    let image: Option<i64> = image::table
        .filter(image::original_id.eq(id))
        .select(image::original_id)
        .first(connection)
        .await
        .optional()?;
    Ok(image.is_some())
}

async fn hold(connection: &mut Connection, id: i64, until: DateTime<Utc>) -> Result<bool, Fault> {
    let found = diesel::update(original::table.find(id))
        .set(original::removing_until.eq(Some(micros(until))))
        .execute(connection)
        .await?;
    Ok(found > 0)
}
