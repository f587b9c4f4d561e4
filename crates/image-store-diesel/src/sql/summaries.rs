//! Usage of labels in a window.
//!
//! The window is covered with segments, the largest ones first. The edges, stale segments, and what is not
//! rolled up yet, are counted. All of it is read from one snapshot of the database.

use std::cmp::Reverse;

use diesel_async::SimpleAsyncConnection;
use domain::{TagSummary, TimeWindow};

use super::{
    Connection, SNAPSHOT,
    changes::Stale,
    label_cache::{Known, LabelCache},
    segments,
    span::Span,
    tags,
};
use crate::{
    error::StoreError,
    usage::{self, Usage},
    values::{self, micros_up},
};

/// Usage of each label: most used first, ties by label.
///
/// Sums are added up in spans, so that the error of a mean does not grow with the number of images:
/// relative to the mean it is less than 10⁻¹¹ (where a long span is not rolled up, less than its images
/// times 2⁻⁵³).
pub(super) async fn summaries(
    connection: &mut Connection,
    cache: &LabelCache,
    window: &TimeWindow,
) -> Result<Vec<TagSummary>, StoreError> {
    begin(connection).await?;
    let usages = usages(connection, window).await?;
    let labels = usages.iter().map(|usage| usage.label);
    let labels = cache.labels(connection, labels).await?;
    connection.batch_execute("COMMIT").await?;
    let mut summaries = usages
        .iter()
        .map(|usage| summary(usage, &labels))
        .collect::<Result<Vec<TagSummary>, StoreError>>()?;
    summaries
        .sort_unstable_by(|a, b| (Reverse(a.images), &a.label).cmp(&(Reverse(b.images), &b.label)));
    Ok(summaries)
}

/// Starts a snapshot transaction.
pub(super) async fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    for statement in SNAPSHOT {
        connection.batch_execute(statement).await?;
    }
    Ok(())
}

pub(super) async fn usages(
    connection: &mut Connection,
    window: &TimeWindow,
) -> Result<Vec<Usage>, StoreError> {
    let window = Span {
        from: window.from.map_or(i64::MIN, micros_up),
        until: window.until.map_or(i64::MAX, micros_up),
    };
    let mut usages = Vec::new();
    let rest = match segments::highest(connection).await? {
        Some(highest) => {
            let past = Span {
                until: segments::sealed_until(connection).await?.min(window.until),
                ..window
            };
            let stale = Stale::read(connection, past).await?;
            segments::add_segments(connection, highest, window, &stale, &mut usages).await?
        }
        None => vec![window],
    };
    for span in rest {
        usages.extend(tags::usages(connection, span).await?);
    }
    Ok(usage::merged(usages))
}

fn summary(usage: &Usage, labels: &Known) -> Result<TagSummary, StoreError> {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let images = usage.images as f64;
    Ok(TagSummary {
        label: labels.of(usage.label)?,
        images: usage.images,
        min_confidence: values::confidence(usage.lowest)?,
        max_confidence: values::confidence(usage.highest)?,
        // Rounding must not move the mean of equal numbers past them.
        mean_confidence: (usage.sum / images).max(usage.lowest).min(usage.highest),
    })
}
