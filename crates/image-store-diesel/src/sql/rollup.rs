//! Rolls up past images into segments.
//!
//! A step is one bounded transaction: it counts a few segments of some hundred images, and merges a few of each
//! level at most.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use domain::ports::{ImageStoreError, cause};

use super::{
    BY_TIME, Connection, changes, changes::ChangeKey, recount, segments, span::Span,
    statement::Statement,
};
use crate::{error::StoreError, schema::summary_segment as segment};

#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sizes {
    /// The most images in a segment of level 0, except images of one and the same time.
    pub(in super::super) images: u32,
    /// How many segments of a level are merged into one of the next; at least 2.
    pub(in super::super) segments: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            images: 512,
            segments: 8,
        }
    }
}

/// Whether a segment of images before a time is due, or one is stale.
pub(super) async fn is_due(
    connection: &mut Connection,
    before: i64,
    sizes: Sizes,
) -> Result<bool, StoreError> {
    let sealed_until = segments::sealed_until(connection).await?;
    let past = Span {
        from: i64::MIN,
        until: sealed_until,
    };
    if changes::first(connection, past).await?.is_some() {
        return Ok(true);
    }
    let rest = Span {
        from: sealed_until,
        until: before,
    };
    Ok(next(connection, rest, sizes.images).await?.is_some())
}

/// Counts some stale segments again, rolls up a segment of images before a time, and merges the higher levels
/// that it completes. `false` if nothing of that is left to do.
pub(super) async fn roll_up(
    connection: &mut Connection,
    before: i64,
    sizes: Sizes,
) -> Result<bool, StoreError> {
    let state = segments::begin(connection).await?;
    let recount = recount::recount(connection, state.sealed_until).await?;
    let mut included = recount.included;
    let rest = Span {
        from: state.sealed_until,
        until: before,
    };
    let next = next(connection, rest, sizes.images).await?;
    if let Some(span) = next {
        included.extend(changes::inside(connection, span).await?);
        let counted = recount::counted(connection, span).await?;
        segments::insert(connection, 0, span, &counted).await?;
    }
    if next.is_none() && included.is_empty() {
        segments::cancel(connection).await?;
        return Ok(false);
    }
    let sealed_until = next.map_or(state.sealed_until, |span| span.until);
    merge_levels(connection, sizes.segments).await?;
    delete(connection, &included).await?;
    segments::commit(connection, state, sealed_until).await?;
    Ok(next.is_some() || recount.is_more)
}

/// Deletes changes that segments include now. All of them are there, as only rollups delete any.
async fn delete(connection: &mut Connection, included: &[ChangeKey]) -> Result<(), StoreError> {
    if changes::delete(connection, included).await? == included.len() {
        return Ok(());
    }
    let reason = cause("changes were included by another server");
    Err(ImageStoreError::Contended(reason).into())
}

/// The next span to roll up, at the start of the given one; `None` if it has no more than that many images.
/// It must not end between images of the same time.
pub(super) async fn next(
    connection: &mut Connection,
    span: Span,
    images: u32,
) -> Result<Option<Span>, StoreError> {
    let Some(end) = time_of(connection, span, images).await? else {
        return Ok(None);
    };
    let first = time_of(connection, span, 0).await?;
    // If they all have one time, there may be many more of it.
    let until = if first == Some(end) { end + 1 } else { end };
    Ok(Some(Span { until, ..span }))
}

#[derive(QueryableByName)]
struct TimeRow {
    #[diesel(sql_type = BigInt)]
    registered_at: i64,
}

/// The time of the image at that offset in a span.
async fn time_of(
    connection: &mut Connection,
    span: Span,
    others: u32,
) -> Result<Option<i64>, StoreError> {
    let statement = Statement::new(&format!(
        "SELECT registered_at FROM etiqueta_image {BY_TIME} WHERE registered_at >= "
    ))
    .long(span.from)
    .sql(" AND registered_at < ")
    .long(span.until)
    .sql(" ORDER BY registered_at LIMIT 1 OFFSET ")
    .long(i64::from(others));
    let row: Option<TimeRow> = statement.get_result(connection).await.optional()?;
    Ok(row.map(|row| row.registered_at))
}

/// Merges segments into those of higher levels, where enough of the lower ones exist.
async fn merge_levels(connection: &mut Connection, count: u32) -> Result<(), StoreError> {
    for level in 1.. {
        let Some(span) = complete(connection, level - 1, count).await? else {
            break;
        };
        let merged = recount::merged(connection, level, span).await?;
        segments::insert(connection, level, span, &merged).await?;
    }
    Ok(())
}

/// The span of a level's first segments that the next level does not cover; `None` if there are too few.
async fn complete(
    connection: &mut Connection,
    level: i32,
    count: u32,
) -> Result<Option<Span>, StoreError> {
    let held_until: Option<i64> = segment::table
        .filter(segment::level.eq(level + 1))
        .order(segment::from_time.desc())
        .select(segment::until_time)
        .first(connection)
        .await
        .optional()?;
    let from = held_until.unwrap_or(i64::MIN);
    let ends: Vec<i64> = segment::table
        .filter(segment::level.eq(level))
        .filter(segment::from_time.ge(from))
        .order(segment::from_time)
        .limit(i64::from(count))
        .select(segment::until_time)
        .load(connection)
        .await?;
    let is_complete = ends.len() == count as usize;
    let until = ends.last().filter(|_| is_complete);
    Ok(until.map(|until| Span {
        from,
        until: *until,
    }))
}
