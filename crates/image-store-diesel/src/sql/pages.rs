//! Lists, page by page.
//!
//! A page is read from an index in its order, beginning at its place, and no further than its end:
//! from the index of all images, or from that of one label's images, with the other labels looked up
//! for each. So what a page costs does not depend on how many images there are.

use std::num::NonZeroU32;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Integer, Text},
};
use diesel_async::RunQueryDsl;
use domain::{Image, ImageQuery, PageKey, TimeWindow};

use super::{Backend, Connection, JOIN_IN_ORDER, images, labels};
use crate::{
    fault::Fault,
    schema::image_tag,
    values::{ImageRow, micros, micros_up},
};

/// Where a list is entered and left.
struct Span {
    /// The first and the last microsecond.
    first: i64,
    last: i64,
    /// The place: images of an earlier time than this, and those of this time with a smaller id.
    before: i64,
    id: Vec<u8>,
}

impl Span {
    fn new(window: &TimeWindow, after: Option<PageKey>) -> Self {
        let end = window.until.map_or(i64::MAX, |until| micros_up(until) - 1);
        // No image is from the end of time, so that none is at this place.
        let (before, id) = after.map_or((i64::MAX, Vec::new()), |key| {
            (micros(key.registered_at), key.id.as_bytes().to_vec())
        });
        Self {
            first: window.from.map_or(i64::MIN, micros_up),
            last: end.min(before),
            before,
            id,
        }
    }
}

pub(super) async fn page(
    connection: &mut Connection,
    query: &ImageQuery,
    after: Option<PageKey>,
    limit: NonZeroU32,
) -> Result<Vec<Image>, Fault> {
    let span = Span::new(&query.window, after);
    let names: Vec<&str> = query.labels.iter().map(domain::Label::as_str).collect();
    let ids = labels::find(connection, &names).await?;
    if ids.len() < names.len() {
        return Ok(Vec::new());
    }
    let labels = rarest_first(connection, ids.into_values().collect(), &span).await?;
    let rows = list(connection, &labels, span, limit).await?;
    images::with_tags(connection, rows).await
}

/// How far into each label's list its frequency is measured.
const DEPTH: i64 = 200;

/// Sorts labels by how often they occur from the place on: the rarer a label, the further back its
/// 200th image lies. The rarest is the one to walk along, because every step may be in vain.
async fn rarest_first(
    connection: &mut Connection,
    labels: Vec<i32>,
    span: &Span,
) -> Result<Vec<i32>, Fault> {
    if labels.len() < 2 {
        return Ok(labels);
    }
    let mut measured: Vec<(Option<i64>, i32)> = Vec::new();
    for label in labels {
        let reach: Option<i64> = image_tag::table
            .filter(image_tag::label_id.eq(label))
            .filter(image_tag::registered_at.between(span.first, span.last))
            .order(image_tag::registered_at.desc())
            .select(image_tag::registered_at)
            .offset(DEPTH - 1)
            .first(connection)
            .await
            .optional()?;
        measured.push((reach, label));
    }
    // `None`, a list that is shorter, comes first.
    measured.sort_unstable();
    Ok(measured.into_iter().map(|(_, label)| label).collect())
}

#[derive(QueryableByName)]
struct ListedRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    registered_at: i64,
    #[diesel(sql_type = Binary)]
    digest: Vec<u8>,
    #[diesel(sql_type = Text)]
    media_type: String,
    #[diesel(sql_type = BigInt)]
    width: i64,
    #[diesel(sql_type = BigInt)]
    height: i64,
    #[diesel(sql_type = BigInt)]
    byte_size: i64,
}

async fn list(
    connection: &mut Connection,
    labels: &[i32],
    span: Span,
    limit: NonZeroU32,
) -> Result<Vec<ImageRow>, Fault> {
    let mut statement = sql_query(list_statement(labels.len())).into_boxed::<Backend>();
    // The labels to look up are bound in the joins, the one to walk along in the condition.
    for label in labels.iter().skip(1).chain(labels.first()) {
        statement = statement.bind::<Integer, _>(*label);
    }
    let rows: Vec<ListedRow> = statement
        .bind::<BigInt, _>(span.first)
        .bind::<BigInt, _>(span.last)
        .bind::<BigInt, _>(span.before)
        .bind::<Binary, _>(span.id)
        .bind::<BigInt, _>(i64::from(limit.get()))
        .load(connection)
        .await?;
    let row = |row: ListedRow| {
        let facts = (row.media_type, row.width, row.height, row.byte_size);
        (row.id, row.registered_at, row.digest, facts)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The statement for that many labels: `listed` is the index that is walked along.
pub(in super::super) fn list_statement(labels: usize) -> String {
    let others: Vec<String> = (1..labels)
        .map(|n| {
            format!(
                "{JOIN_IN_ORDER} etiqueta_image_tag AS other{n} \
                 ON other{n}.image_id = listed.image_id AND other{n}.label_id = ? "
            )
        })
        .collect();
    let others = others.concat();
    let (id, tables, condition) = if labels == 0 {
        let tables = format!(
            "etiqueta_image AS listed \
             {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = listed.original_id"
        );
        ("listed.id", tables, "")
    } else {
        let tables = format!(
            "etiqueta_image_tag AS listed {others}\
             {JOIN_IN_ORDER} etiqueta_image AS image ON image.id = listed.image_id \
             {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = image.original_id"
        );
        ("listed.image_id", tables, "listed.label_id = ? AND ")
    };
    format!(
        "SELECT {id} AS id, listed.registered_at AS registered_at, original.digest AS digest, \
         original.media_type AS media_type, original.width AS width, original.height AS height, \
         original.byte_size AS byte_size \
         FROM {tables} \
         WHERE {condition}listed.registered_at BETWEEN ? AND ? \
         AND (listed.registered_at < ? OR {id} < ?) \
         ORDER BY listed.registered_at DESC, {id} DESC LIMIT ?"
    )
}
