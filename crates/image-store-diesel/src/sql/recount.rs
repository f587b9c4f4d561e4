//! Counts stale segments again, in the transaction of a rollup.

use super::{
    Connection, changes,
    changes::{ChangeKey, Stale},
    segments,
    segments::Counted,
    span::Span,
    tags,
};
use crate::{error::StoreError, usage};

/// The most segments of level 0 counted again in one step.
const STRETCHES: usize = 8;

/// What a recount did.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// Changes that the segments include now, to be deleted.
    pub(super) included: Vec<ChangeKey>,
    /// Whether stale segments are left.
    pub(super) is_more: bool,
}

/// Counts the first stale segments of level 0 again, and those above them.
pub(super) async fn recount(
    connection: &mut Connection,
    sealed_until: i64,
) -> Result<Recount, StoreError> {
    let (mut recount, mut from) = (Recount::default(), i64::MIN);
    let mut touched = Vec::new();
    loop {
        let rest = Span {
            from,
            until: sealed_until,
        };
        let Some(time) = changes::first(connection, rest).await? else {
            break;
        };
        if touched.len() == STRETCHES {
            recount.is_more = true;
            break;
        }
        let stretch = stretch(connection, time).await?;
        let included = changes::inside(connection, stretch).await?;
        recount.is_more |= included.len() == changes::MOST;
        recount.included.extend(included);
        touched.push(time);
        from = stretch.until;
    }
    merge_again(connection, &touched).await?;
    Ok(recount)
}

/// Counts the segment of level 0 that covers a time. Where it is missing, its images are counted at each read,
/// and only those segments above it have to be right that include this time.
async fn stretch(connection: &mut Connection, time: i64) -> Result<Span, StoreError> {
    let Some(span) = segments::holding(connection, 0, time).await? else {
        return Ok(Span {
            from: time,
            until: time + 1,
        });
    };
    let counted = counted(connection, span).await?;
    segments::update(connection, 0, span, &counted).await?;
    Ok(span)
}

/// What a segment of level 0 says: the images of its span.
pub(super) async fn counted(
    connection: &mut Connection,
    span: Span,
) -> Result<Counted, StoreError> {
    let usages = tags::usages(connection, span).await?;
    Ok(Counted {
        usages: usage::merged(usages),
        images: tags::images(connection, span).await?,
    })
}

/// Merges the segments of higher levels that cover some times again, lower levels first.
async fn merge_again(connection: &mut Connection, times: &[i64]) -> Result<(), StoreError> {
    let highest = segments::highest(connection).await?;
    for level in 1..=highest.unwrap_or(0) {
        let mut done = i64::MIN;
        for time in times {
            if *time < done {
                continue;
            }
            let Some(span) = segments::holding(connection, level, *time).await? else {
                continue;
            };
            let merged = merged(connection, level, span).await?;
            segments::update(connection, level, span, &merged).await?;
            done = span.until;
        }
    }
    Ok(())
}

/// What a segment of a higher level says: those below it merged, whether stale or not, and the images of those
/// that are missing.
pub(super) async fn merged(
    connection: &mut Connection,
    level: i32,
    span: Span,
) -> Result<Counted, StoreError> {
    let (mut usages, none) = (Vec::new(), Stale::default());
    for rest in segments::add_segments(connection, level - 1, span, &none, &mut usages).await? {
        usages.extend(tags::usages(connection, rest).await?);
    }
    Ok(Counted {
        usages: usage::merged(usages),
        images: 0,
    })
}
