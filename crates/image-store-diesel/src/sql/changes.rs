//! Changes that no rollup segment includes yet.
//!
//! Each transaction that records, changes or deletes an image inserts a row of its own here, with the time of
//! the image. It locks nothing that a rollup writes. A rollup counts images in a snapshot, and deletes exactly
//! the changes of that snapshot: whatever was committed after it still has its row, at whatever time, by
//! whatever clock. So a segment is right unless a change lies in its span; then it is *stale*.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::ImageId;

use super::{
    Connection,
    span::Span,
    statement::{LISTED, Statement},
};
use crate::{error::StoreError, schema::summary_change as change, values};

/// How many changes are read at a time. Further ones are left for the next step.
pub(super) const MOST: usize = 4096;
const LIMIT: i64 = 4096;

/// The key of a change: the time of the image, and an id.
pub(super) type ChangeKey = (i64, Vec<u8>);

/// Notes a change of an image of that time. The id must be new: it is the image's when it is recorded, and
/// random for later changes.
pub(super) async fn note(
    connection: &mut Connection,
    time: i64,
    id: &[u8; 16],
) -> Result<(), StoreError> {
    diesel::insert_into(change::table)
        .values((change::registered_at.eq(time), change::id.eq(id.as_slice())))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes changes of images of these times.
pub(super) async fn note_all(connection: &mut Connection, times: &[i64]) -> Result<(), StoreError> {
    for times in times.chunks(LISTED) {
        let mut rows = Vec::with_capacity(times.len());
        for time in times {
            let id = ImageId::new(values::time(*time)?);
            rows.push((*time, *id.as_bytes()));
        }
        let mut statement =
            Statement::new("INSERT INTO etiqueta_summary_change (registered_at, id) VALUES ");
        for (n, (time, id)) in rows.iter().enumerate() {
            let separator = if n == 0 { "(" } else { ", (" };
            statement = statement
                .sql(separator)
                .long(*time)
                .sql(", ")
                .bytes(id)
                .sql(")");
        }
        statement.execute(connection).await?;
    }
    Ok(())
}

/// The time of the first change in a span.
pub(super) async fn first(
    connection: &mut Connection,
    span: Span,
) -> Result<Option<i64>, StoreError> {
    let times: Vec<i64> = change::table
        .filter(change::registered_at.ge(span.from))
        .filter(change::registered_at.lt(span.until))
        .order(change::registered_at)
        .limit(1)
        .select(change::registered_at)
        .load(connection)
        .await?;
    Ok(times.into_iter().next())
}

/// The first [`MOST`] changes in a span.
pub(super) async fn inside(
    connection: &mut Connection,
    span: Span,
) -> Result<Vec<ChangeKey>, StoreError> {
    let keys = change::table
        .filter(change::registered_at.ge(span.from))
        .filter(change::registered_at.lt(span.until))
        .order((change::registered_at, change::id))
        .limit(LIMIT)
        .select((change::registered_at, change::id))
        .load(connection)
        .await?;
    Ok(keys)
}

/// Deletes changes by their keys, and returns how many of them existed.
///
/// One by one: of a list of keys MariaDB makes a scan, which waits for changes that are being inserted.
pub(super) async fn delete(
    connection: &mut Connection,
    keys: &[ChangeKey],
) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for key in keys {
        deleted += deletion(key).execute(connection).await?;
    }
    Ok(deleted)
}

pub(in super::super) fn deletion((time, id): &ChangeKey) -> Statement {
    Statement::new("DELETE FROM etiqueta_summary_change WHERE registered_at = ")
        .long(*time)
        .sql(" AND id = ")
        .bytes(id)
}

/// The times of changes in a span, by which stale segments are recognised.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// In order.
    times: Vec<i64>,
    /// From here on every segment counts as stale: there are too many changes to read them all.
    from: Option<i64>,
}

impl Stale {
    /// Reads the changes in a span.
    pub(super) async fn read(connection: &mut Connection, span: Span) -> Result<Self, StoreError> {
        if span.is_empty() {
            return Ok(Self::default());
        }
        let times: Vec<i64> = change::table
            .filter(change::registered_at.ge(span.from))
            .filter(change::registered_at.lt(span.until))
            .order(change::registered_at)
            .limit(LIMIT)
            .select(change::registered_at)
            .load(connection)
            .await?;
        let from = times.last().copied().filter(|_| times.len() == MOST);
        Ok(Self { times, from })
    }

    /// Whether a segment of this span is stale. The span must lie in the one that was read.
    pub(super) fn covers(&self, span: Span) -> bool {
        let first = self.times.partition_point(|time| *time < span.from);
        let is_changed = self.times.get(first).is_some_and(|time| *time < span.until);
        is_changed || self.from.is_some_and(|from| from < span.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, until: i64) -> Span {
        Span { from, until }
    }

    #[test]
    fn a_span_is_stale_if_a_change_lies_in_it() {
        let stale = Stale {
            times: vec![3, 3, 7],
            from: None,
        };
        for (from, until, expected) in [(0, 3, false), (0, 4, true), (4, 7, false), (7, 8, true)] {
            assert_eq!(stale.covers(span(from, until)), expected, "{from}..{until}");
        }
        assert!(!Stale::default().covers(span(i64::MIN, i64::MAX)));
    }

    #[test]
    fn beyond_the_changes_that_were_read_everything_is_stale() {
        let stale = Stale {
            times: vec![3, 7],
            from: Some(7),
        };
        assert!(!stale.covers(span(4, 7)));
        assert!(stale.covers(span(8, 9)));
    }
}
