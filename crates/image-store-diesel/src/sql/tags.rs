//! Counts the usage of labels from the tags themselves.
//!
//! Mostly a few hundred images have to be counted: they are found by their time, and the tags of each are
//! looked up. Only a database that is not rolled up yet, as after an upgrade, has long spans to count: then
//! all its tags are read in label order, from a covering index.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Double, Integer},
};
use diesel_async::RunQueryDsl;

use super::{BY_IMAGE, BY_LABEL, BY_TIME, Connection, JOIN_IN_ORDER, span::Span};
use crate::{error::StoreError, usage::Usage};

/// From this number of images on, reading all tags in label order is cheaper.
const MANY: i64 = 32_768;

/// How the tags of a time span are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum AccessPath {
    /// By the images of the span.
    Images,
    /// By a scan of all tags.
    Labels,
}

/// The statement that counts the tags of a half-open time span.
pub(in super::super) fn statement(path: AccessPath) -> String {
    let (tags, time) = match path {
        AccessPath::Images => (
            format!(
                "etiqueta_image AS image {BY_TIME} \
                 {JOIN_IN_ORDER} etiqueta_image_tag AS tag {BY_IMAGE} ON tag.image_id = image.id"
            ),
            "image.registered_at",
        ),
        AccessPath::Labels => (
            format!("etiqueta_image_tag AS tag {BY_LABEL}"),
            "tag.registered_at",
        ),
    };
    format!(
        "SELECT tag.label_id AS label, COUNT(*) AS images, MIN(tag.confidence) AS lowest, \
         MAX(tag.confidence) AS highest, SUM(tag.confidence) AS total \
         FROM {tags} WHERE {time} >= ? AND {time} < ? GROUP BY tag.label_id"
    )
}

#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(sql_type = Integer)]
    label: i32,
    #[diesel(sql_type = BigInt)]
    images: i64,
    #[diesel(sql_type = Double)]
    lowest: f64,
    #[diesel(sql_type = Double)]
    highest: f64,
    #[diesel(sql_type = Double)]
    total: f64,
}

/// Usage of labels in the images of a time span, each label once, in no particular order.
pub(super) async fn usages(
    connection: &mut Connection,
    span: Span,
) -> Result<Vec<Usage>, StoreError> {
    let path = if has_many_images(connection, span).await? {
        AccessPath::Labels
    } else {
        AccessPath::Images
    };
    let rows: Vec<UsageRow> = sql_query(statement(path))
        .bind::<BigInt, _>(span.from)
        .bind::<BigInt, _>(span.until)
        .load(connection)
        .await?;
    rows.iter().map(usage).collect()
}

fn usage(row: &UsageRow) -> Result<Usage, StoreError> {
    Ok(Usage {
        label: row.label,
        images: u64::try_from(row.images).map_err(StoreError::corrupt)?,
        lowest: row.lowest,
        highest: row.highest,
        sum: row.total,
    })
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    images: i64,
}

/// Usage of labels in the images of a window by their tags alone, in label order.
#[cfg(test)]
pub(super) async fn all(connection: &mut Connection, window: &domain::TimeWindow) -> Vec<Usage> {
    let edge = |edge: Option<chrono::DateTime<chrono::Utc>>, none| {
        edge.map_or(none, crate::values::micros_up)
    };
    let rows: Vec<UsageRow> = sql_query(statement(AccessPath::Labels))
        .bind::<BigInt, _>(edge(window.from, i64::MIN))
        .bind::<BigInt, _>(edge(window.until, i64::MAX))
        .load(connection)
        .await
        .unwrap();
    let mut usages: Vec<Usage> = rows.iter().map(|row| usage(row).unwrap()).collect();
    usages.sort_by_key(|usage| usage.label);
    usages
}

/// The number of images of a time span.
pub(super) async fn images(connection: &mut Connection, span: Span) -> Result<i64, StoreError> {
    let row: CountRow = sql_query(format!(
        "SELECT COUNT(*) AS images FROM etiqueta_image {BY_TIME} \
         WHERE registered_at >= ? AND registered_at < ?"
    ))
    .bind::<BigInt, _>(span.from)
    .bind::<BigInt, _>(span.until)
    .get_result(connection)
    .await?;
    Ok(row.images)
}

async fn has_many_images(connection: &mut Connection, span: Span) -> Result<bool, StoreError> {
    let row: CountRow = sql_query(format!(
        "SELECT COUNT(*) AS images FROM (SELECT 1 AS one FROM etiqueta_image {BY_TIME} \
         WHERE registered_at >= ? AND registered_at < ? LIMIT {MANY}) AS counted"
    ))
    .bind::<BigInt, _>(span.from)
    .bind::<BigInt, _>(span.until)
    .get_result(connection)
    .await?;
    Ok(row.images >= MANY)
}
