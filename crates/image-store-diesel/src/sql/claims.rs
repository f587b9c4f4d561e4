//! Originals, and the claims on them.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, IntoSql,
    NullableExpressionMethods, OptionalExtension, QueryDsl, Queryable, dsl::case_when,
    sql_types::Bool,
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ContentDigest, Fence, ImageFacts,
    ports::{Claimed, StoredBytes},
};

use super::{BEGIN, Connection, features};
use crate::{
    error::StoreError,
    schema::{image, original},
    values::{self, FactsRow, micros, signed},
};

/// Whether no removal holds an original at a given time.
macro_rules! is_free {
    ($now:expr) => {
        original::removing_until
            .is_null()
            .or(original::removing_until.assume_not_null().le($now))
    };
}
pub(super) use is_free;

/// The media type of an original that is only claimed for removal, without facts.
pub(super) const UNKNOWN: &str = "";

pub(super) async fn facts(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<Option<ImageFacts>, StoreError> {
    let row: Option<FactsRow> = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::media_type.ne(UNKNOWN))
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

/// Sums up originals in the order of their ids. The sum is made here: both databases would read the same rows, and MySQL
/// answers a decimal.
pub(super) async fn stored_bytes(
    connection: &mut Connection,
    after: u64,
    limit: NonZeroU32,
) -> Result<StoredBytes, StoreError> {
    let rows: Vec<(i64, i64)> = original::table
        .filter(original::id.gt(signed(after)))
        .order(original::id)
        .limit(i64::from(limit.get()))
        .select((original::id, original::byte_size))
        .load(connection)
        .await?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    let sizes = rows.iter().map(|(_, size)| unsigned(*size));
    Ok(StoredBytes {
        bytes: sizes.fold(0, u64::saturating_add),
        originals: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        until: rows.last().map_or(after, |(id, _)| unsigned(*id)),
    })
}

/// How often a claim is tried: another session may claim the original between two statements.
const ATTEMPTS: usize = 3;

/// Claims an original for an upload. `None` while a removal holds it.
pub(super) async fn claim(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    for _ in 0..ATTEMPTS {
        let claimed = match seen(connection, digest).await? {
            None => note(connection, digest, facts, until).await?,
            Some(seen) if seen.removing_until > Some(micros(now)) => return Ok(None),
            Some(seen) => renew(connection, &seen, facts, now, until).await?,
        };
        if claimed.is_some() {
            return Ok(claimed);
        }
    }
    Ok(None)
}

/// The row of an original, as read before a claim.
#[derive(Queryable)]
struct ClaimRow {
    id: i64,
    facts: FactsRow,
    claimed_until: Option<i64>,
    removing_until: Option<i64>,
    damaged_at: Option<i64>,
    fence: i64,
}

impl ClaimRow {
    /// Whether a claim need not write anything: an image protects the original, and its facts are
    /// unchanged.
    fn is_safe(&self, facts: &ImageFacts) -> bool {
        let claims = (self.claimed_until, self.removing_until, self.damaged_at);
        let columns = FactColumns::from(facts);
        let (media_type, width, height, byte_size) = &self.facts;
        claims == (None, None, None)
            && *media_type == columns.media_type
            && (*width, *height, *byte_size) == (columns.width, columns.height, columns.byte_size)
    }
}

async fn seen(
    connection: &mut Connection,
    digest: &ContentDigest,
) -> Result<Option<ClaimRow>, StoreError> {
    let seen = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .select((
            original::id,
            (
                original::media_type,
                original::width,
                original::height,
                original::byte_size,
            ),
            original::claimed_until,
            original::removing_until,
            original::damaged_at,
            original::fence,
        ))
        .first(connection)
        .await;
    Ok(seen.optional()?)
}

/// Claims a known original. Taking over an expired removal changes the fence, and marks the original as
/// damaged, because the removal may still take it away. `None` if it was claimed since `seen` was read.
async fn renew(
    connection: &mut Connection,
    seen: &ClaimRow,
    facts: &ImageFacts,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let (now, until) = (micros(now), micros(until));
    let takes_over = seen.removing_until.is_some();
    let is_damaged = takes_over || seen.damaged_at.is_some();
    let fence = if takes_over {
        Fence::random()
    } else {
        Fence::from_i64(seen.fence)
    };
    let claimed = Claimed {
        fence,
        rewrite: is_damaged,
        is_damaged,
    };
    if seen.is_safe(facts) {
        return Ok(Some(claimed));
    }
    // Stays NULL if it is: an image protects the original then.
    let longest = case_when(original::claimed_until.lt(until), Some(until))
        .otherwise(original::claimed_until);
    let first =
        case_when(original::damaged_at.is_null(), Some(now)).otherwise(original::damaged_at);
    let found = diesel::update(original::table.find(seen.id))
        .filter(original::fence.eq(seen.fence))
        .filter(is_free!(now))
        .set((
            FactColumns::from(facts),
            original::fence.eq(fence.as_i64()),
            original::removing_until.eq(None::<i64>),
            original::claimed_until.eq(longest),
            takes_over.then_some(original::damaged_at.eq(first)),
        ))
        .execute(connection)
        .await?;
    Ok((found > 0).then_some(claimed))
}

/// The columns of the facts.
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

/// Marks an original as damaged, unless it is marked.
pub(super) async fn note_damage(
    connection: &mut Connection,
    digest: &ContentDigest,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
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
) -> Result<(), StoreError> {
    diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .set(original::damaged_at.eq(None::<i64>))
        .execute(connection)
        .await?;
    Ok(())
}

/// Claims an unknown original. `None` if it has become known.
async fn note(
    connection: &mut Connection,
    digest: &ContentDigest,
    facts: &ImageFacts,
    until: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let claimed = Claimed {
        fence: Fence::random(),
        rewrite: true,
        is_damaged: false,
    };
    let inserted = diesel::insert_or_ignore_into(original::table)
        .values((
            FactColumns::from(facts),
            original::digest.eq(digest.as_bytes().as_slice()),
            original::claimed_until.eq(Some(micros(until))),
            original::fence.eq(claimed.fence.as_i64()),
        ))
        .execute(connection)
        .await?;
    Ok((inserted > 0).then_some(claimed))
}

/// Ends the upload claim on an original, and returns its number. `None` if it is not claimed, or under another
/// fence.
///
/// It always writes the row. So do claims for removal and the deletion of an image, so that on every kind of
/// cluster two of these at once conflict at the commit, if not at a lock.
pub(super) async fn end(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Option<Fence>,
) -> Result<Option<i64>, StoreError> {
    let key = digest.as_bytes().as_slice();
    let is_any = fence.is_none().into_sql::<Bool>();
    let fence = fence.map_or(0, Fence::as_i64);
    // An expired removal counts as well: no upload has claimed the original since.
    let found = diesel::update(original::table)
        .filter(original::digest.eq(key))
        .filter(original::removing_until.is_null())
        .filter(original::fence.eq(fence).or(is_any))
        .set((
            original::claimed_until.eq(None::<i64>),
            original::revision.eq(original::revision + 1),
        ))
        .execute(connection)
        .await?;
    if found == 0 {
        return Ok(None);
    }
    let id = original::table
        .filter(original::digest.eq(key))
        .select(original::id)
        .first(connection)
        .await?;
    Ok(Some(id))
}

pub(super) async fn abandoned(
    connection: &mut Connection,
    before: DateTime<Utc>,
    limit: NonZeroU32,
) -> Result<Vec<ContentDigest>, StoreError> {
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

/// Claims an original for removal. A claim that is not NULL implies that no image refers to it; checking
/// the images as well costs little, and what is removed cannot be restored.
pub(super) async fn claim_for_removal(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let now = micros(now);
    let is_used = diesel::dsl::exists(image::table.filter(image::original_id.eq(original::id)));
    let found = diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::claimed_until.le(now))
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

/// Whether an image refers to an original, or an upload claims it.
pub(super) async fn is_needed(
    connection: &mut Connection,
    digest: &ContentDigest,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row: Option<(i64, Option<i64>)> = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .select((original::id, original::claimed_until))
        .first(connection)
        .await
        .optional()?;
    match row {
        None => Ok(false),
        Some((_, claimed)) if claimed > Some(micros(now)) => Ok(true),
        Some((id, _)) => is_used(connection, id).await,
    }
}

/// Whether an image refers to an original.
pub(super) async fn is_used(connection: &mut Connection, id: i64) -> Result<bool, StoreError> {
    let image: Option<i64> = image::table
        .filter(image::original_id.eq(id))
        .select(image::original_id)
        .first(connection)
        .await
        .optional()?;
    Ok(image.is_some())
}

/// Deletes the row of an original whose latest claim is this removal's.
pub(super) async fn forget(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let forgotten = diesel::delete(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::fence.eq(fence.as_i64()))
        .filter(original::removing_until.is_not_null())
        .execute(connection)
        .await?;
    if forgotten > 0 {
        features::forget(connection, digest).await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(forgotten > 0)
}

/// Defers an original whose latest claim is this removal's: it is not abandoned before that time.
pub(super) async fn postpone(
    connection: &mut Connection,
    digest: &ContentDigest,
    fence: Fence,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(original::table)
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .filter(original::fence.eq(fence.as_i64()))
        .filter(original::removing_until.is_not_null())
        .filter(original::claimed_until.is_not_null())
        .set(original::claimed_until.eq(Some(micros(until))))
        .execute(connection)
        .await?;
    Ok(())
}
