//! Rolls up past images into segments.
//!
//! A step is one bounded transaction: it counts some hundred images and merges a few segments of each level
//! at most.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, sql_types::BigInt};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{
    BEGIN, BY_TIME, Connection, FOR_UPDATE, RESTORE_LOCK_WAIT, SHORT_LOCK_WAIT,
    segments::{Span, add_segments, lock_state, sealed_until},
    statement::Statement,
    tags,
};
use crate::{
    error::StoreError,
    schema::{summary_segment as segment, summary_state as state},
    usage::{self, Usage},
};

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

/// Whether a segment of images before a time is due.
pub(super) async fn is_due(
    connection: &mut Connection,
    before: i64,
    sizes: Sizes,
) -> Result<bool, StoreError> {
    let from = sealed_until(connection).await?;
    let span = Span {
        from,
        until: before,
    };
    Ok(next(connection, span, sizes.images).await?.is_some())
}

/// Rolls up a segment of images before a time, and merges the higher levels that it completes. `false` if
/// there are not enough images.
pub(super) async fn roll_up(
    connection: &mut Connection,
    before: i64,
    sizes: Sizes,
) -> Result<bool, StoreError> {
    // Recordings queue behind this transaction while it waits for running ones.
    connection.batch_execute(SHORT_LOCK_WAIT).await?;
    connection.batch_execute(BEGIN).await?;
    let from = lock_state(connection, FOR_UPDATE).await?;
    let span = Span {
        from,
        until: before,
    };
    let next = next(connection, span, sizes.images).await?;
    if let Some(span) = next {
        let usages = tags::usages(connection, span).await?;
        insert(connection, 0, span, usages).await?;
        diesel::update(state::table.find(1))
            .set(state::sealed_until.eq(span.until))
            .execute(connection)
            .await?;
        merge_levels(connection, sizes.segments).await?;
    }
    connection.batch_execute("COMMIT").await?;
    connection.batch_execute(RESTORE_LOCK_WAIT).await?;
    Ok(next.is_some())
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

pub(super) async fn insert(
    connection: &mut Connection,
    level: i32,
    span: Span,
    usages: Vec<Usage>,
) -> Result<(), StoreError> {
    diesel::insert_into(segment::table)
        .values((
            segment::level.eq(level),
            segment::from_time.eq(span.from),
            segment::until_time.eq(span.until),
            segment::content.eq(usage::encode(&usage::merged(usages))),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Merges segments into those of higher levels, where enough of the lower ones exist.
async fn merge_levels(connection: &mut Connection, count: u32) -> Result<(), StoreError> {
    for level in 0.. {
        let Some(span) = complete(connection, level, count).await? else {
            break;
        };
        let mut usages = Vec::new();
        for rest in add_segments(connection, level, span, &mut usages).await? {
            usages.extend(tags::usages(connection, rest).await?);
        }
        insert(connection, level + 1, span, usages).await?;
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
