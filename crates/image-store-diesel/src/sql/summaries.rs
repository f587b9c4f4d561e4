//! How labels are used in a window.
//!
//! The window is laid out with segments, the largest ones first. What is left at its edges, and what is
//! not sealed yet, is counted. All of it is read from one snapshot of the database.

use std::cmp::Reverse;

use diesel_async::SimpleAsyncConnection;
use domain::{TagSummary, TimeWindow};

use super::{
    Connection, SNAPSHOT,
    names::{Known, Names},
    segments::{self, Span},
    tags,
};
use crate::{
    fault::Fault,
    usage::{self, Usage},
    values::{self, micros_up},
};

/// How each label is used: most used first, ties by label.
///
/// Sums are added up in stretches, so that the error of a mean does not grow with the number of
/// images: relative to the mean it is less than 10⁻¹¹ (where a long stretch is not sealed, less than
/// its images times 2⁻⁵³).
pub(super) async fn summaries(
    connection: &mut Connection,
    names: &Names,
    window: &TimeWindow,
) -> Result<Vec<TagSummary>, Fault> {
    begin(connection).await?;
    let usages = usages(connection, window).await?;
    let labels = usages.iter().map(|usage| usage.label);
    let labels = names.labels(connection, labels).await?;
    connection.batch_execute("COMMIT").await?;
    let mut summaries = usages
        .iter()
        .map(|usage| summary(usage, &labels))
        .collect::<Result<Vec<TagSummary>, Fault>>()?;
    summaries
        .sort_unstable_by(|a, b| (Reverse(a.images), &a.label).cmp(&(Reverse(b.images), &b.label)));
    Ok(summaries)
}

/// Begins a transaction to which the database stays as it is.
pub(super) async fn begin(connection: &mut Connection) -> Result<(), Fault> {
    for statement in SNAPSHOT {
        connection.batch_execute(statement).await?;
    }
    Ok(())
}

async fn usages(connection: &mut Connection, window: &TimeWindow) -> Result<Vec<Usage>, Fault> {
    let window = Span {
        from: window.from.map_or(i64::MIN, micros_up),
        until: window.until.map_or(i64::MAX, micros_up),
    };
    let mut usages = Vec::new();
    for span in lay_out(connection, window, &mut usages).await? {
        usages.extend(tags::usages(connection, span).await?);
    }
    Ok(usage::folded(usages))
}

/// Adds what segments hold that lie wholly inside the window. Comes back with what they leave out, at
/// most two stretches.
async fn lay_out(
    connection: &mut Connection,
    window: Span,
    usages: &mut Vec<Usage>,
) -> Result<Vec<Span>, Fault> {
    let sealed_until = segments::sealed_until(connection).await?;
    let mut left = vec![window];
    let Some(highest) = segments::highest(connection).await? else {
        return Ok(left);
    };
    for level in (0..=highest).rev() {
        let mut rest = Vec::new();
        for span in left {
            rest.extend(lay_out_at(connection, level, span, sealed_until, usages).await?);
        }
        left = rest;
    }
    Ok(left)
}

/// Lays out a stretch with the segments of one level. Comes back with what is left at its edges.
async fn lay_out_at(
    connection: &mut Connection,
    level: i32,
    span: Span,
    sealed_until: i64,
    usages: &mut Vec<Usage>,
) -> Result<Vec<Span>, Fault> {
    if span.from >= sealed_until {
        return Ok(vec![span]);
    }
    let Some(laid) = segments::read(connection, level, span, usages).await? else {
        return Ok(vec![span]);
    };
    let before = Span {
        until: laid.from,
        ..span
    };
    let after = Span {
        from: laid.until,
        ..span
    };
    let edges = [before, after].into_iter();
    Ok(edges.filter(|edge| !edge.is_empty()).collect())
}

fn summary(usage: &Usage, labels: &Known) -> Result<TagSummary, Fault> {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let images = usage.images as f64;
    Ok(TagSummary {
        label: labels.of(usage.label)?,
        images: usage.images,
        min_confidence: values::confidence(usage.lowest)?,
        max_confidence: values::confidence(usage.highest)?,
        // Rounding must not carry the mean of equal numbers past them.
        mean_confidence: (usage.sum / images).max(usage.lowest).min(usage.highest),
    })
}
