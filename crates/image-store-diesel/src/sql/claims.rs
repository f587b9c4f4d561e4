//! Originals, and the claims on them.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, NullableExpressionMethods,
    OptionalExtension, QueryDsl, dsl::case_when,
};
use diesel_async::RunQueryDsl;
use domain::{ContentDigest, ImageFacts, ports::Claimed};

use super::{Connection, strays};
use crate::{
    fault::Fault,
    schema::{image, original},
    values::{self, FactsRow, micros, signed},
};

pub(super) async fn facts(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<Option<ImageFacts>, Fault> {
    let row: Option<FactsRow> = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::media_type.ne(strays::UNKNOWN))
        .select((
            original::media_type,
            original::width,
            original::height,
            original::byte_size,
        ))
        .first(connection)
        .await
        .optional()?;
    row.map(values::facts).transpose()
}

/// Claims an original for an upload. None while a removal holds it.
///
/// Known and new originals take as many statements as if damage were never noted.
pub(super) async fn claim(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Claimed>, Fault> {
    // Twice, because another upload may note the original between one statement and the next.
    for _ in 0..2 {
        if renew(connection, digest, facts, until).await?
            || note(connection, digest, facts, until).await?
        {
            return Ok(Some(Claimed { rewrite: false }));
        }
        if take_over(connection, digest, facts, now, until).await? {
            return Ok(Some(Claimed { rewrite: true }));
        }
    }
    Ok(None)
}

/// Until when the longest claim holds; stays NULL where it is, because an image protects the original
/// then.
macro_rules! longest {
    ($until:expr) => {
        case_when(original::claimed_until.lt($until), Some($until))
            .otherwise(original::claimed_until)
    };
}

/// Claims an original that is known, and sound as far as is known.
async fn renew(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    let found = diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::removing_until.is_null())
        .filter(original::damaged_at.is_null())
        .set((
            FactColumns::from(facts),
            original::claimed_until.eq(longest!(micros(until))),
        ))
        .execute(connection)
        .await?;
    Ok(found > 0)
}

/// Claims an original that is damaged, or whose removal ran out: that one may still unlink it, which is
/// noted as damage.
async fn take_over(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    let now = micros(now);
    let is_free = original::removing_until
        .is_null()
        .or(original::removing_until.assume_not_null().le(now));
    let first =
        case_when(original::damaged_at.is_null(), Some(now)).otherwise(original::damaged_at);
    let found = diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(is_free)
        .set((
            FactColumns::from(facts),
            original::removing_until.eq(None::<i64>),
            original::claimed_until.eq(longest!(micros(until))),
            original::damaged_at.eq(first),
        ))
        .execute(connection)
        .await?;
    Ok(found > 0)
}

/// The columns that hold the facts.
#[derive(AsChangeset, Insertable)]
#[diesel(table_name = original)]
struct FactColumns {
    media_type: &'static str,
    width: i64,
    height: i64,
    byte_size: i64,
}

impl From<&ImageFacts> for FactColumns {
    fn from(facts: &ImageFacts) -> Self {
        Self {
            media_type: facts.media_type.as_str(),
            width: facts.width.into(),
            height: facts.height.into(),
            byte_size: signed(facts.byte_size),
        }
    }
}

/// Notes that an original is damaged, unless that is noted.
pub(super) async fn note_damage(
    connection: &mut Connection,
    digest: &ContentDigest,
    at: DateTime<Utc>,
) -> Result<(), Fault> {
    diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::damaged_at.is_null())
        .set(original::damaged_at.eq(Some(micros(at))))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn clear_damage(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<(), Fault> {
    diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .set(original::damaged_at.eq(None::<i64>))
        .execute(connection)
        .await?;
    Ok(())
}

/// Claims an original that is not known.
async fn note(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_or_ignore_into(original::table)
        .values((
            FactColumns::from(facts),
            original::digest.eq(digest.as_bytes().as_slice()),
            original::claimed_until.eq(Some(micros(until))),
        ))
        .execute(connection)
        .await?;
    Ok(inserted > 0)
}

/// The key of an original and the ends of its claims, of an upload and of a removal. It is held to the
/// end of the transaction.
pub(super) async fn held(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<Option<(i64, Option<i64>, Option<i64>)>, Fault> {
    let held = holding!(
        original::table
            .filter(original::digest.eq(digest.as_bytes().as_slice()))
            .select((
                original::id,
                original::claimed_until,
                original::removing_until,
            ))
    );
    Ok(held.get_result(connection).await.optional()?)
}

/// Ends the upload claim on an original, and holds the original to the end of the transaction. None if
/// it is not claimed.
pub(super) async fn end(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<Option<i64>, Fault> {
    let row = held(connection, digest).await?;
    // A removal that ran out counts as well: nobody claimed the original anew since.
    let Some((id, claimed_until, None)) = row else {
        return Ok(None);
    };
    if claimed_until.is_some() {
        diesel::update(original::table.find(id))
            .set(original::claimed_until.eq(None::<i64>))
            .execute(connection)
            .await?;
    }
    Ok(Some(id))
}

pub(super) async fn abandoned(
    connection: &mut Connection,
    before: DateTime<Utc>,
    limit: NonZeroU32,
) -> Result<Vec<ContentDigest>, Fault> {
    let digests: Vec<Vec<u8>> = original::table
        .filter(original::claimed_until.lt(micros(before)))
        .order((original::claimed_until, original::id))
        .limit(i64::from(limit.get()))
        .select(original::digest)
        .load(connection)
        .await?;
    digests
        .iter()
        .map(|digest| values::digest(digest))
        .collect()
}

/// Claims an original for removal. A claim that is not NULL says that no image refers to it; asking
/// the images as well costs little, and what is removed cannot be brought back.
pub(super) async fn claim_for_removal(
    connection: &mut Connection,
    digest: &ContentDigest,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, Fault> {
    let now = micros(now);
    let is_free = original::removing_until
        .is_null()
        .or(original::removing_until.assume_not_null().le(now));
    let is_used = diesel::dsl::exists(image::table.filter(image::original_id.eq(original::id)));
    let found = diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::claimed_until.le(now))
        .filter(is_free)
        .filter(diesel::dsl::not(is_used))
        .set(original::removing_until.eq(Some(micros(until))))
        .execute(connection)
        .await?;
    Ok(found > 0)
}

/// Forgets an original that is claimed for removal.
pub(super) async fn forget(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<(), Fault> {
    diesel::delete(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::removing_until.is_not_null())
        .execute(connection)
        .await?;
    Ok(())
}
