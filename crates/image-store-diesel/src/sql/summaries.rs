//! How labels are used.

use std::cmp::Reverse;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Double, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use domain::{TagSummary, TimeWindow};

use super::Connection;
use crate::{
    fault::Fault,
    values::{self, micros_up},
};

/// Tags are stored by image, images by id, and ids begin with the time (if they are of version 7). So
/// the window's first and last id bound what must be read of all tags; which of them count is told by
/// their time.
const SUMMARIES: &str = "
    SELECT label.name AS name, used.images AS images,
           used.lowest AS lowest, used.highest AS highest, used.mean AS mean
    FROM (
        SELECT label_id, COUNT(*) AS images,
               MIN(confidence) AS lowest, MAX(confidence) AS highest, AVG(confidence) AS mean
        FROM etiqueta_image_tag
        WHERE image_id BETWEEN ? AND ? AND registered_at BETWEEN ? AND ?
        GROUP BY label_id
    ) AS used
    JOIN etiqueta_label AS label ON label.id = used.label_id";

const BOUNDS: &str = "
    SELECT MIN(id) AS first, MAX(id) AS last FROM etiqueta_image WHERE registered_at BETWEEN ? AND ?";

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

#[derive(QueryableByName)]
struct BoundsRow {
    #[diesel(sql_type = Nullable<Binary>)]
    first: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    last: Option<Vec<u8>>,
}

pub(super) async fn summaries(
    connection: &mut Connection,
    window: &TimeWindow,
) -> Result<Vec<TagSummary>, Fault> {
    let first = window.from.map_or(i64::MIN, micros_up);
    let last = window.until.map_or(i64::MAX, |until| micros_up(until) - 1);
    let Some((first_id, last_id)) = bounds(connection, first, last).await? else {
        return Ok(Vec::new());
    };
    let rows: Vec<SummaryRow> = sql_query(SUMMARIES)
        .bind::<Binary, _>(first_id)
        .bind::<Binary, _>(last_id)
        .bind::<BigInt, _>(first)
        .bind::<BigInt, _>(last)
        .load(connection)
        .await?;
    let mut summaries = rows
        .iter()
        .map(summary)
        .collect::<Result<Vec<TagSummary>, Fault>>()?;
    summaries
        .sort_unstable_by(|a, b| (Reverse(a.images), &a.label).cmp(&(Reverse(b.images), &b.label)));
    Ok(summaries)
}

/// The smallest and the greatest id of a window; none if no image is in it.
async fn bounds(
    connection: &mut Connection,
    first: i64,
    last: i64,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, Fault> {
    if (first, last) == (i64::MIN, i64::MAX) {
        return Ok(Some((vec![0; 16], vec![0xff; 16])));
    }
    let row: BoundsRow = sql_query(BOUNDS)
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
