//! Rollup segments: statistics of past time spans, counted once and stored.
//!
//! The past is *rolled up*. Level 0 consists of consecutive spans of some hundred images, from the beginning of
//! time. When a level has enough new segments, they are merged into one of the next level; the merged ones
//! stay, for the edges of windows. So any span of the rolled-up past is covered by a few segments of each
//! level, and less than a segment of level 0 at each end.
//!
//! A segment whose span has no change (see [`changes`](super::changes)) is what its images amount to; a stale
//! one is never used. Each transaction that writes segments reads from one snapshot and writes the version of
//! the state row, so that of two at once one fails. Nobody else writes that row, or waits for it.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::ports::{ImageStoreError, cause};
use thiserror::Error;

use super::{
    Connection, FOR_UPDATE, RESTORE_LOCK_WAIT, SHORT_LOCK_WAIT, SNAPSHOT_TO_WRITE, changes::Stale,
    span::Span, statement::Statement,
};
use crate::{
    error::StoreError,
    schema::{summary_segment as segment, summary_state as state},
    usage::{self, Usage},
};

/// What the state row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, diesel::Queryable)]
pub(super) struct State {
    /// The time before which everything is rolled up.
    pub(super) sealed_until: i64,
    version: i64,
}

#[derive(Debug, Error)]
enum Broken {
    #[error("the table etiqueta_summary_state has no row")]
    NoState,
    #[error("a segment of the summaries begins inside another one, at {0}")]
    Overlap(i64),
}

/// The key of the single state row.
const ROW: i32 = 1;

async fn state(connection: &mut Connection) -> Result<State, StoreError> {
    let row = state::table
        .find(ROW)
        .select((state::sealed_until, state::version));
    let row: Option<State> = row.first(connection).await.optional()?;
    row.ok_or_else(|| StoreError::corrupt(Broken::NoState))
}

/// The time before which everything is rolled up, as this transaction sees it.
pub(super) async fn sealed_until(connection: &mut Connection) -> Result<i64, StoreError> {
    Ok(state(connection).await?.sealed_until)
}

/// Starts a transaction that writes segments.
///
/// The lock only spares work that [`commit`] would refuse: other nodes of a cluster do not see it. Servers of
/// versions before [`changes`](super::changes) hold the row shared while they record an image, and must be
/// waited for: they note no change.
pub(super) async fn begin(connection: &mut Connection) -> Result<State, StoreError> {
    // Such servers queue behind this transaction while it waits.
    connection.batch_execute(SHORT_LOCK_WAIT).await?;
    for statement in SNAPSHOT_TO_WRITE {
        connection.batch_execute(statement).await?;
    }
    let lock = format!("SELECT version FROM etiqueta_summary_state WHERE id = 1{FOR_UPDATE}");
    Statement::new(&lock).execute(connection).await?;
    state(connection).await
}

/// Commits a transaction begun by [`begin`].
///
/// # Errors
/// [`ImageStoreError::Contended`] if another one wrote segments since its snapshot.
pub(super) async fn commit(
    connection: &mut Connection,
    begun: State,
    sealed_until: i64,
) -> Result<(), StoreError> {
    let found = diesel::update(state::table.find(ROW))
        .filter(state::version.eq(begun.version))
        .set((
            state::sealed_until.eq(sealed_until),
            state::version.eq(begun.version.wrapping_add(1)),
        ))
        .execute(connection)
        .await?;
    if found == 0 {
        let reason = cause("the segments of the statistics were written by another server");
        return Err(ImageStoreError::Contended(reason).into());
    }
    connection.batch_execute("COMMIT").await?;
    connection.batch_execute(RESTORE_LOCK_WAIT).await?;
    Ok(())
}

/// Ends a transaction begun by [`begin`] that has nothing to write.
pub(super) async fn cancel(connection: &mut Connection) -> Result<(), StoreError> {
    connection.batch_execute("ROLLBACK").await?;
    connection.batch_execute(RESTORE_LOCK_WAIT).await?;
    Ok(())
}

/// A level's segment that covers a time.
pub(super) async fn holding(
    connection: &mut Connection,
    level: i32,
    time: i64,
) -> Result<Option<Span>, StoreError> {
    let last: Option<(i64, i64)> = segment::table
        .filter(segment::level.eq(level))
        .filter(segment::from_time.le(time))
        .order(segment::from_time.desc())
        .select((segment::from_time, segment::until_time))
        .first(connection)
        .await
        .optional()?;
    let span = last.map(|(from, until)| Span { from, until });
    Ok(span.filter(|span| time < span.until))
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

/// Inserts a segment.
pub(super) async fn insert(
    connection: &mut Connection,
    level: i32,
    span: Span,
    counted: &Counted,
) -> Result<(), StoreError> {
    diesel::insert_into(segment::table)
        .values((
            segment::level.eq(level),
            segment::from_time.eq(span.from),
            segment::until_time.eq(span.until),
            segment::content.eq(usage::encode(&counted.usages)),
            segment::images.eq(Some(counted.images)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Replaces what a segment says, if it exists.
pub(super) async fn update(
    connection: &mut Connection,
    level: i32,
    span: Span,
    counted: &Counted,
) -> Result<(), StoreError> {
    diesel::update(segment::table.find((level, span.from)))
        .filter(segment::until_time.eq(span.until))
        .set((
            segment::content.eq(usage::encode(&counted.usages)),
            segment::images.eq(Some(counted.images)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// What a segment says.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// In label order, each label once.
    pub(super) usages: Vec<Usage>,
    /// The number of images, on level 0; 0 on others, where nothing needs it.
    pub(super) images: i64,
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

/// Adds the segments that lie wholly inside a span and are not stale, the largest ones first, from `highest`
/// down. Returns the spans they leave out: the edges, and those of missing and stale segments.
pub(super) async fn add_segments(
    connection: &mut Connection,
    highest: i32,
    span: Span,
    stale: &Stale,
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
                rest.extend(read(connection, level, span, stale, usages).await?);
            }
        }
        left = rest;
    }
    Ok(Span::joined(left))
}

/// Adds the segments of a level that lie wholly inside a span and are not stale. Returns the spans left out.
async fn read(
    connection: &mut Connection,
    level: i32,
    span: Span,
    stale: &Stale,
    usages: &mut Vec<Usage>,
) -> Result<Vec<Span>, StoreError> {
    let (mut rest, mut covered, mut end) = (Vec::new(), span.from, span.from);
    for (from, until, content) in inside(connection, level, span).await? {
        if from < end {
            return Err(StoreError::corrupt(Broken::Overlap(from)));
        }
        end = until;
        if stale.covers(Span { from, until }) {
            continue;
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
