//! Rollup segments: statistics of past time spans, counted once and stored.
//!
//! Images are never removed, and their times never change, so the past can be *rolled up*. Level 0 consists
//! of consecutive spans of some hundred images, from the beginning of time. When a level has enough new
//! segments, they are merged into one of the next level; the merged ones stay, for the edges of windows. So
//! any span of the rolled-up past is covered by a few segments of each level, and less than a segment of
//! level 0 at each end.
//!
//! A rollup locks the state row exclusively, a recording locks it shared, before anything else: so an image
//! is either recorded before its time is rolled up, and counted by the rollup, or after, and then added to
//! the segments by the recording (only wrong clocks, and commits that take seconds, cause this). Every
//! transaction locks this row first, so lock-order deadlocks cannot occur.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, sql_types::BigInt};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use thiserror::Error;

use super::{BEGIN, Connection, FOR_UPDATE, IN_SHARE_MODE, statement::Statement};
use crate::{
    error::StoreError,
    schema::summary_segment as segment,
    usage::{self, Usage},
};

/// A time span in microseconds: `from` is included, `until` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Span {
    pub(super) fn is_empty(self) -> bool {
        self.from >= self.until
    }
}

#[derive(Debug, Error)]
enum Broken {
    #[error("the table etiqueta_summary_state has no row")]
    NoState,
    #[error("a segment of the summaries begins inside another one, at {0}")]
    Overlap(i64),
}

#[derive(QueryableByName)]
struct SealedRow {
    #[diesel(sql_type = BigInt)]
    sealed_until: i64,
}

/// Reads the time before which everything is rolled up, and locks its row with a lock clause.
pub(super) async fn lock_state(connection: &mut Connection, lock: &str) -> Result<i64, StoreError> {
    let statement = Statement::new(&format!(
        "SELECT sealed_until FROM etiqueta_summary_state WHERE id = 1{lock}"
    ));
    let row: Option<SealedRow> = statement.get_result(connection).await.optional()?;
    let row = row.ok_or_else(|| StoreError::corrupt(Broken::NoState))?;
    Ok(row.sealed_until)
}

/// The time before which everything is rolled up, as this transaction sees it.
pub(super) async fn sealed_until(connection: &mut Connection) -> Result<i64, StoreError> {
    lock_state(connection, "").await
}

/// Starts the transaction that records an image of that time. `true` if that time is rolled up: then the
/// transaction must [`add`] the image's tags.
pub(super) async fn begin_recording(
    connection: &mut Connection,
    time: i64,
) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    if lock_state(connection, IN_SHARE_MODE).await? <= time {
        return Ok(false);
    }
    // Upgrading a shared lock would deadlock with another session that does the same.
    connection.batch_execute("ROLLBACK").await?;
    connection.batch_execute(BEGIN).await?;
    Ok(lock_state(connection, FOR_UPDATE).await? > time)
}

/// Adds an image's tags to the segments that cover its time. If one is missing, its images, including this
/// one, are counted on each read.
pub(super) async fn add(
    connection: &mut Connection,
    time: i64,
    tags: &[Usage],
) -> Result<(), StoreError> {
    let Some(highest) = highest(connection).await? else {
        return Ok(());
    };
    for level in 0..=highest {
        let Some((from, content)) = holding(connection, level, time).await? else {
            continue;
        };
        let mut usages = Vec::new();
        usage::read(&content, &mut usages)?;
        usages.extend(tags);
        diesel::update(segment::table.find((level, from)))
            .set(segment::content.eq(usage::encode(&usage::merged(usages))))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// A level's segment that covers a time: its start and its content.
async fn holding(
    connection: &mut Connection,
    level: i32,
    time: i64,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let last: Option<(i64, i64, Vec<u8>)> = segment::table
        .filter(segment::level.eq(level))
        .filter(segment::from_time.le(time))
        .order(segment::from_time.desc())
        .select((segment::from_time, segment::until_time, segment::content))
        .first(connection)
        .await
        .optional()?;
    Ok(last.and_then(|(from, until, content)| (time < until).then_some((from, content))))
}

pub(super) async fn highest(connection: &mut Connection) -> Result<Option<i32>, StoreError> {
    let level: Option<i32> = segment::table
        .order(segment::level.desc())
        .select(segment::level)
        .first(connection)
        .await
        .optional()?;
    Ok(level)
}

/// The segments of a level that lie wholly inside a span, in order: start, end, content.
pub(super) async fn inside(
    connection: &mut Connection,
    level: i32,
    span: Span,
) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    let rows = segment::table
        .filter(segment::level.eq(level))
        .filter(segment::from_time.ge(span.from))
        .filter(segment::from_time.lt(span.until))
        .filter(segment::until_time.le(span.until))
        .order(segment::from_time)
        .select((segment::from_time, segment::until_time, segment::content))
        .load(connection)
        .await?;
    Ok(rows)
}

/// Adds the segments that lie wholly inside a span, the largest ones first, from `level` down. Returns the
/// spans they leave out: the edges, and missing segments.
pub(super) async fn add_segments(
    connection: &mut Connection,
    highest: i32,
    span: Span,
    usages: &mut Vec<Usage>,
) -> Result<Vec<Span>, StoreError> {
    let sealed_until = sealed_until(connection).await?;
    let mut left = vec![span];
    for level in (0..=highest).rev() {
        let mut rest = Vec::new();
        for span in left {
            if span.from >= sealed_until {
                rest.push(span);
            } else {
                rest.extend(read(connection, level, span, usages).await?);
            }
        }
        left = rest;
    }
    Ok(left)
}

/// Adds the segments of a level that lie wholly inside a span. Returns the spans left out.
async fn read(
    connection: &mut Connection,
    level: i32,
    span: Span,
    usages: &mut Vec<Usage>,
) -> Result<Vec<Span>, StoreError> {
    let (mut rest, mut covered) = (Vec::new(), span.from);
    for (from, until, content) in inside(connection, level, span).await? {
        if from < covered {
            return Err(StoreError::corrupt(Broken::Overlap(from)));
        }
        usage::read(&content, usages)?;
        rest.push(Span {
            from: covered,
            until: from,
        });
        covered = until;
    }
    rest.push(Span {
        from: covered,
        ..span
    });
    rest.retain(|span| !span.is_empty());
    Ok(rest)
}
