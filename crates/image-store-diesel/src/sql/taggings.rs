//! Providers' answers.

use std::num::NonZeroU32;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{ContentDigest, ProviderIdentity, Tagging, TaggingKey};

use super::{Connection, statement::LISTED};
use crate::{
    error::StoreError,
    schema::tagging,
    values::{self, DigestBytes, micros},
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

/// The columns of an answer.
type Row = (DigestBytes, Vec<u8>, Vec<u8>, Vec<u8>, i64, i64, Vec<u8>);

/// All answers for some bytes.
pub(super) async fn of(
    connection: &mut Connection,
    digests: &[ContentDigest],
) -> Result<Vec<(TaggingKey, Tagging)>, StoreError> {
    let mut found = Vec::new();
    for digests in digests.chunks(LISTED) {
        let digests: Vec<&[u8]> = digests
            .iter()
            .map(|digest| digest.as_bytes().as_slice())
            .collect();
        let rows: Vec<Row> = tagging::table
            .filter(tagging::digest.eq_any(digests))
            .select((
                tagging::digest,
                tagging::provider,
                tagging::version,
                tagging::language,
                tagging::max_side,
                tagging::tagged_at,
                tagging::tags,
            ))
            .load(connection)
            .await?;
        for row in rows {
            found.push(answer(row)?);
        }
    }
    Ok(found)
}

/// The next digests with an answer, in order.
pub(super) async fn digests(
    connection: &mut Connection,
    after: Option<ContentDigest>,
    limit: NonZeroU32,
) -> Result<Vec<ContentDigest>, StoreError> {
    let after = after.map(|digest| *digest.as_bytes());
    // No digest is empty.
    let after = after.as_ref().map_or(&[][..], <[u8; 32]>::as_slice);
    let digests: Vec<DigestBytes> = tagging::table
        .filter(tagging::digest.gt(after))
        .select(tagging::digest)
        .distinct()
        .order(tagging::digest)
        .limit(i64::from(limit.get()))
        .load(connection)
        .await?;
    let digests = digests.into_iter();
    digests
        .map(|digest| Ok(ContentDigest::from_bytes(digest.get()?)))
        .collect()
}

fn answer(row: Row) -> Result<(TaggingKey, Tagging), StoreError> {
    let (digest, provider, version, language, max_side, tagged_at, tags) = row;
    let text = |bytes| String::from_utf8(bytes).map_err(StoreError::corrupt);
    let provider = ProviderIdentity::parse(text(provider)?, text(version)?, text(language)?);
    let key = TaggingKey {
        digest: ContentDigest::from_bytes(digest.get()?),
        provider: provider.map_err(StoreError::corrupt)?,
        max_side: u32::try_from(max_side).map_err(StoreError::corrupt)?,
    };
    Ok((key, values::tagging(tagged_at, &tags)?))
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
