//! Verifies and repairs segments.
//!
//! A segment of level 0 is compared with the rows of its span, unless it is stale; one of a higher level with
//! those below it. Each is read in a snapshot of its own.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::ports::{Repair, RowMark, Segment, SegmentFault, VerifiedSegment};

use super::{
    Connection, changes, recount,
    rollup::{self, Sizes},
    segments::{self, Counted},
    span::Span,
    summaries,
};
use crate::{
    error::StoreError,
    schema::summary_segment as table,
    usage::{self, Usage},
};

/// The tolerance between sums, relative to their size: they were added in another order.
const ROUNDING: f64 = 1e-9;

/// The cursor of the scan along segments: a level, its last segment seen, and how far it is covered.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    level: i32,
    last: Option<i64>,
    covered: i64,
}

impl Cursor {
    fn start(level: i32) -> Self {
        Self {
            level,
            last: None,
            covered: i64::MIN,
        }
    }

    fn read(mark: Option<RowMark>) -> Self {
        let read = mark.and_then(|RowMark(bytes)| {
            let (level, rest) = bytes.split_first_chunk()?;
            let (covered, rest) = rest.split_first_chunk()?;
            Some(Self {
                level: i32::from_be_bytes(*level),
                covered: i64::from_be_bytes(*covered),
                last: rest.try_into().ok().map(i64::from_be_bytes),
            })
        });
        read.unwrap_or(Self::start(0))
    }

    fn mark(self) -> RowMark {
        let mut bytes = self.level.to_be_bytes().to_vec();
        bytes.extend(self.covered.to_be_bytes());
        bytes.extend(self.last.iter().flat_map(|last| last.to_be_bytes()));
        RowMark(bytes)
    }
}

/// Start, end, content, number of images.
type Row = (i64, i64, Vec<u8>, Option<i64>);

pub(super) async fn count(connection: &mut Connection) -> Result<u64, StoreError> {
    let count: i64 = table::table.count().get_result(connection).await?;
    u64::try_from(count).map_err(StoreError::corrupt)
}

/// Verifies the next segment after a cursor.
pub(super) async fn verify(
    connection: &mut Connection,
    after: Option<RowMark>,
) -> Result<Option<VerifiedSegment>, StoreError> {
    summaries::begin(connection).await?;
    let highest = segments::highest(connection).await?.unwrap_or(0);
    let mut cursor = Cursor::read(after);
    let mut verified = None;
    while verified.is_none() && cursor.level <= highest {
        verified = next(connection, cursor).await?;
        cursor = Cursor::start(cursor.level + 1);
    }
    connection.batch_execute("COMMIT").await?;
    Ok(verified)
}

/// The next segment of a level.
async fn next(
    connection: &mut Connection,
    cursor: Cursor,
) -> Result<Option<VerifiedSegment>, StoreError> {
    let sealed_until = segments::sealed_until(connection).await?;
    let Some((from, until, content, images)) = row_after(connection, cursor).await? else {
        // The last segments of higher levels may not be merged yet.
        let is_covered = cursor.level > 0 || cursor.covered >= sealed_until;
        return Ok((!is_covered).then(|| missing(cursor, sealed_until)));
    };
    let segment = Segment {
        level: cursor.level,
        from,
        until,
    };
    let last = Some(from);
    if from < cursor.covered || until <= from || until > sealed_until {
        let how = "another segment, or nothing, belongs there".to_owned();
        let fault = Some((SegmentFault::Misplaced, how));
        return Ok(Some(verified(segment, fault, Cursor { last, ..cursor })));
    }
    if from > cursor.covered {
        return Ok(Some(missing(cursor, from)));
    }
    let difference = difference(connection, segment, &content, images).await?;
    let fault = difference.map(|how| (SegmentFault::Altered, how));
    let covered = until;
    Ok(Some(verified(
        segment,
        fault,
        Cursor {
            last,
            covered,
            ..cursor
        },
    )))
}

async fn row_after(connection: &mut Connection, cursor: Cursor) -> Result<Option<Row>, StoreError> {
    let of_level = table::table
        .filter(table::level.eq(cursor.level))
        .order(table::from_time)
        .select((
            table::from_time,
            table::until_time,
            table::content,
            table::images,
        ));
    let row = match cursor.last {
        None => of_level.first(connection).await,
        Some(last) => {
            let later = of_level.filter(table::from_time.gt(last));
            later.first(connection).await
        }
    };
    Ok(row.optional()?)
}

fn missing(cursor: Cursor, until: i64) -> VerifiedSegment {
    let segment = Segment {
        level: cursor.level,
        from: cursor.covered,
        until,
    };
    let how = "it is missing; what it would hold is counted each time".to_owned();
    // Past everything that a repair inserts there.
    let next = Cursor {
        covered: until,
        last: Some(until.saturating_sub(1)),
        ..cursor
    };
    verified(segment, Some((SegmentFault::Missing, how)), next)
}

fn verified(
    segment: Segment,
    fault: Option<(SegmentFault, String)>,
    next: Cursor,
) -> VerifiedSegment {
    VerifiedSegment {
        segment,
        name: format!(
            "etiqueta_summary_segment {} {}",
            segment.level, segment.from
        ),
        fault,
        next: next.mark(),
    }
}

/// How a segment differs from its inputs, if both are known.
async fn difference(
    connection: &mut Connection,
    segment: Segment,
    content: &[u8],
    images: Option<i64>,
) -> Result<Option<String>, StoreError> {
    let mut kept = Vec::new();
    if usage::read(content, &mut kept).is_err() {
        return Ok(Some("it cannot be read".to_owned()));
    }
    let span = span(segment);
    if segment.level == 0 && changes::first(connection, span).await?.is_some() {
        return Ok(None);
    }
    let counted = counted(connection, segment).await?;
    Ok(counted.and_then(|counted| {
        let images = images.filter(|images| *images != 0);
        compare(&kept, &counted.usages).or_else(|| compare_images(images, counted.images))
    }))
}

/// The difference between numbers of images, as text. An unknown one differs from none.
fn compare_images(kept: Option<i64>, counted: i64) -> Option<String> {
    let kept = kept.filter(|kept| *kept != counted)?;
    Some(format!("it has {kept} images; counted were {counted}"))
}

fn span(segment: Segment) -> Span {
    Span {
        from: segment.from,
        until: segment.until,
    }
}

/// What a segment should say. `None` if those below do not cover it.
async fn counted(
    connection: &mut Connection,
    segment: Segment,
) -> Result<Option<Counted>, StoreError> {
    let span = span(segment);
    if segment.level == 0 {
        return Ok(Some(recount::counted(connection, span).await?));
    }
    let mut usages = Vec::new();
    let mut covered = span.from;
    for (from, until, content) in segments::inside(connection, segment.level - 1, span).await? {
        if from != covered || usage::read(&content, &mut usages).is_err() {
            return Ok(None);
        }
        covered = until;
    }
    Ok((covered == span.until).then(|| Counted {
        usages: usage::merged(usages),
        images: 0,
    }))
}

/// The first difference, as text. Both are in label order.
fn compare(kept: &[Usage], counted: &[Usage]) -> Option<String> {
    let mut others = counted.iter().peekable();
    for usage in kept {
        match others.next_if(|other| other.label <= usage.label) {
            Some(other) if other.label == usage.label => {
                if !is_alike(usage, other) {
                    return Some(unlike(usage, other));
                }
            }
            Some(other) => return Some(absent(other)),
            None => {
                let Usage { label, images, .. } = usage;
                return Some(format!(
                    "it has the label number {label} on {images} images, and none carries it"
                ));
            }
        }
    }
    others.next().map(absent)
}

fn absent(counted: &Usage) -> String {
    let Usage { label, images, .. } = counted;
    format!("it lacks the label number {label}, which {images} images carry")
}

fn unlike(kept: &Usage, counted: &Usage) -> String {
    let describe = |usage: &Usage| {
        format!(
            "{} images with {} to {}, in all {}",
            usage.images, usage.lowest, usage.highest, usage.sum
        )
    };
    let (label, kept, counted) = (kept.label, describe(kept), describe(counted));
    format!("it has for the label number {label} {kept}; counted were {counted}")
}

#[expect(
    clippy::float_cmp,
    reason = "the lowest and the highest are numbers that were stored"
)]
fn is_alike(one: &Usage, other: &Usage) -> bool {
    let allowed = ROUNDING * one.sum.abs().max(other.sum.abs());
    one.images == other.images
        && one.lowest == other.lowest
        && one.highest == other.highest
        && (one.sum - other.sum).abs() <= allowed
}

/// Does a step of a repair, in a transaction like that of a rollup. What is stale stays so.
pub(super) async fn repair(
    connection: &mut Connection,
    segment: Segment,
    fault: SegmentFault,
    sizes: Sizes,
) -> Result<Repair, StoreError> {
    let state = segments::begin(connection).await?;
    let repair = match fault {
        SegmentFault::Altered => recount(connection, segment).await?,
        SegmentFault::Missing => fill(connection, segment, sizes).await?,
        SegmentFault::Misplaced => remove(connection, segment).await?,
    };
    segments::commit(connection, state, state.sealed_until).await?;
    Ok(repair)
}

async fn recount(connection: &mut Connection, segment: Segment) -> Result<Repair, StoreError> {
    let Some(counted) = counted(connection, segment).await? else {
        return Ok(Repair::Impossible);
    };
    segments::update(connection, segment.level, span(segment), &counted).await?;
    Ok(Repair::Done)
}

/// Inserts a segment at the start of a missing span.
async fn fill(
    connection: &mut Connection,
    missing: Segment,
    sizes: Sizes,
) -> Result<Repair, StoreError> {
    let from = covered(connection, missing).await?;
    let rest = Span {
        from,
        until: missing.until,
    };
    if rest.is_empty() {
        return Ok(Repair::Done);
    }
    let Some(span) = piece(connection, missing.level, rest, sizes).await? else {
        return Ok(Repair::Impossible);
    };
    let segment = Segment {
        level: missing.level,
        from: span.from,
        until: span.until,
    };
    let Some(counted) = counted(connection, segment).await? else {
        return Ok(Repair::Impossible);
    };
    segments::insert(connection, segment.level, span, &counted).await?;
    Ok(if span.until < rest.until {
        Repair::More
    } else {
        Repair::Done
    })
}

/// How far a missing span is filled.
async fn covered(connection: &mut Connection, missing: Segment) -> Result<i64, StoreError> {
    let last: Option<i64> = table::table
        .filter(table::level.eq(missing.level))
        .filter(table::from_time.ge(missing.from))
        .filter(table::from_time.lt(missing.until))
        .order(table::from_time.desc())
        .select(table::until_time)
        .first(connection)
        .await
        .optional()?;
    Ok(last.unwrap_or(missing.from))
}

/// The first span as long as a segment of that level.
async fn piece(
    connection: &mut Connection,
    level: i32,
    rest: Span,
    sizes: Sizes,
) -> Result<Option<Span>, StoreError> {
    if level == 0 {
        let next = rollup::next(connection, rest, sizes.images).await?;
        return Ok(Some(next.unwrap_or(rest)));
    }
    let below: Vec<i64> = table::table
        .filter(table::level.eq(level - 1))
        .filter(table::from_time.ge(rest.from))
        .filter(table::until_time.le(rest.until))
        .order(table::from_time)
        .limit(i64::from(sizes.segments))
        .select(table::until_time)
        .load(connection)
        .await?;
    let until = below.last();
    Ok(until.map(|until| Span {
        until: *until,
        ..rest
    }))
}

async fn remove(connection: &mut Connection, segment: Segment) -> Result<Repair, StoreError> {
    diesel::delete(table::table.find((segment.level, segment.from)))
        .filter(table::until_time.eq(segment.until))
        .execute(connection)
        .await?;
    Ok(Repair::Done)
}
