//! How labels are used.
//!
//! All tags are counted in the order of their labels, from an index that holds what is counted: one
//! group after the other. For a window that is a small part of all time it costs less to read its
//! images alone, and to keep all groups at once. Tags are stored by image, images by id, and ids begin
//! with the time (if they are of version 7): so the window's first and last id bound what is read.
//! Which of them count is told by their time.

use std::cmp::Reverse;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Double, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use domain::{TagSummary, TimeWindow};

use super::{BY_IMAGE, BY_LABEL, Backend, Connection};
use crate::{
    fault::Fault,
    values::{self, micros_up},
};

/// The statement for everything, or for a part of all ids.
pub(in super::super) fn statement(is_part: bool) -> String {
    let (way, condition) = if is_part {
        (BY_IMAGE, " AND image_id BETWEEN ? AND ?")
    } else {
        (BY_LABEL, "")
    };
    format!(
        "SELECT label.name AS name, used.images AS images, \
         used.lowest AS lowest, used.highest AS highest, used.mean AS mean \
         FROM ( \
             SELECT label_id, COUNT(*) AS images, \
             MIN(confidence) AS lowest, MAX(confidence) AS highest, AVG(confidence) AS mean \
             FROM etiqueta_image_tag {way} \
             WHERE registered_at BETWEEN ? AND ?{condition} \
             GROUP BY label_id \
         ) AS used \
         JOIN etiqueta_label AS label ON label.id = used.label_id"
    )
}

#[derive(QueryableByName)]
struct SummaryRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    images: i64,
    #[diesel(sql_type = Double)]
    lowest: f64,
    #[diesel(sql_type = Double)]
    highest: f64,
    #[diesel(sql_type = Double)]
    mean: f64,
}

pub(super) async fn summaries(
    connection: &mut Connection,
    window: &TimeWindow,
) -> Result<Vec<TagSummary>, Fault> {
    let Some((oldest, newest)) = times(connection).await? else {
        return Ok(Vec::new());
    };
    // Clipped, so that how much of all time it is can be told.
    let first = window.from.map_or(oldest, micros_up).max(oldest);
    let end = window.until.map_or(i64::MAX, |until| micros_up(until) - 1);
    let last = end.min(newest);
    let part = if is_large_part(last.saturating_sub(first), newest.saturating_sub(oldest)) {
        None
    } else {
        let Some(ids) = ids(connection, first, last).await? else {
            return Ok(Vec::new());
        };
        Some(ids)
    };
    let mut statement = sql_query(statement(part.is_some()))
        .into_boxed::<Backend>()
        .bind::<BigInt, _>(first)
        .bind::<BigInt, _>(last);
    if let Some((first, last)) = part {
        statement = statement.bind::<Binary, _>(first).bind::<Binary, _>(last);
    }
    let rows: Vec<SummaryRow> = statement.load(connection).await?;
    let mut summaries = rows
        .iter()
        .map(summary)
        .collect::<Result<Vec<TagSummary>, Fault>>()?;
    summaries
        .sort_unstable_by(|a, b| (Reverse(a.images), &a.label).cmp(&(Reverse(b.images), &b.label)));
    Ok(summaries)
}

/// Whether a window is so large a part of all time that reading everything costs less.
fn is_large_part(window: i64, all: i64) -> bool {
    window >= all / 4
}

#[derive(QueryableByName)]
struct TimesRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    newest: Option<i64>,
}

/// When the oldest and the newest image were registered; none if there is none.
async fn times(connection: &mut Connection) -> Result<Option<(i64, i64)>, Fault> {
    // One question for each, so that each is answered by a look at the end of the index.
    let row: TimesRow = sql_query(
        "SELECT (SELECT MIN(registered_at) FROM etiqueta_image) AS oldest, \
         (SELECT MAX(registered_at) FROM etiqueta_image) AS newest",
    )
    .get_result(connection)
    .await?;
    Ok(row.oldest.zip(row.newest))
}

#[derive(QueryableByName)]
struct IdsRow {
    #[diesel(sql_type = Nullable<Binary>)]
    first: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    last: Option<Vec<u8>>,
}

/// The smallest and the greatest id of a window; none if no image is in it.
async fn ids(
    connection: &mut Connection,
    first: i64,
    last: i64,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, Fault> {
    let row: IdsRow = sql_query(
        "SELECT MIN(id) AS first, MAX(id) AS last FROM etiqueta_image \
         WHERE registered_at BETWEEN ? AND ?",
    )
    .bind::<BigInt, _>(first)
    .bind::<BigInt, _>(last)
    .get_result(connection)
    .await?;
    Ok(row.first.zip(row.last))
}

fn summary(row: &SummaryRow) -> Result<TagSummary, Fault> {
    Ok(TagSummary {
        label: values::label(&row.name)?,
        images: u64::try_from(row.images).map_err(Fault::corrupt)?,
        min_confidence: values::confidence(row.lowest)?,
        max_confidence: values::confidence(row.highest)?,
        // Rounding must not carry the mean of equal numbers past them.
        mean_confidence: row.mean.max(row.lowest).min(row.highest),
    })
}
