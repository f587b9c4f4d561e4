//! Providers' answers.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{Tagging, TaggingKey};

use super::Connection;
use crate::{
    error::StoreError,
    schema::tagging,
    values::{self, micros},
};

pub(super) async fn find(
    connection: &mut Connection,
    key: &TaggingKey,
) -> Result<Option<Tagging>, StoreError> {
    let row: Option<(i64, Vec<u8>)> = tagging::table
        .filter(tagging::digest.eq(key.digest.as_bytes().as_slice()))
        .filter(tagging::provider.eq(key.provider.name().as_bytes()))
        .filter(tagging::version.eq(key.provider.version().as_bytes()))
        .filter(tagging::language.eq(key.provider.language().as_bytes()))
        .filter(tagging::max_side.eq(i64::from(key.max_side)))
        .select((tagging::tagged_at, tagging::tags))
        .first(connection)
        .await
        .optional()?;
    row.map(|(tagged_at, tags)| values::tagging(tagged_at, &tags))
        .transpose()
}

/// Stores an answer, unless there is one.
pub(super) async fn keep(
    connection: &mut Connection,
    key: &TaggingKey,
    answer: &Tagging,
) -> Result<(), StoreError> {
    diesel::insert_or_ignore_into(tagging::table)
        .values((
            tagging::digest.eq(key.digest.as_bytes().as_slice()),
            tagging::provider.eq(key.provider.name().as_bytes()),
            tagging::version.eq(key.provider.version().as_bytes()),
            tagging::language.eq(key.provider.language().as_bytes()),
            tagging::max_side.eq(i64::from(key.max_side)),
            tagging::tagged_at.eq(micros(answer.tagged_at)),
            tagging::tags.eq(values::written_tags(&answer.tags)?),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
