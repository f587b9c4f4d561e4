//! The statement for one stride of a scan.

use std::sync::Arc;

use domain::Condition;

use super::{
    super::{BY_IMAGE, BY_LABEL, BY_TIME, JOIN_IN_ORDER, label_cache::Known, statement::Statement},
    ScanRange, condition,
};

/// The most labels that are joined, each a look-up in the primary key. Databases join about sixty tables at
/// most; further labels are counted instead.
const JOINED: usize = 7;

/// The ids of the labels in a query, and its further conditions.
#[derive(Debug, Clone, Default)]
pub(in super::super::super) struct LabelIds {
    /// Images carry all of these.
    pub(in super::super::super) all_of: Vec<i32>,
    /// Images carry at least one of these, unless the list is empty.
    pub(in super::super::super) any_of: Vec<i32>,
    /// Images carry none of these.
    pub(in super::super::super) none_of: Vec<i32>,
    /// The lowest confidence that counts.
    pub(in super::super::super) lowest: Option<f64>,
    /// Further conditions, and the numbers of their labels.
    pub(in super::super::super) conditions: Vec<Condition>,
    pub(in super::super::super) known: Arc<Known>,
}

/// The index that is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) enum Scan {
    AllImages,
    /// The images with this label, one of `all_of`.
    Label(i32),
    /// The images with a label of `any_of`.
    AnyLabel,
}

/// The matching images of a range, newest first, at most `limit`.
///
/// Their keys are found first, by indexes alone; the other columns are looked up then.
pub(in super::super::super) fn listing(
    scan: Scan,
    wanted: &LabelIds,
    range: &ScanRange,
    limit: usize,
) -> Statement {
    Statement::new(
        "SELECT listed.id AS id, listed.registered_at AS registered_at, original.digest AS digest, \
         original.media_type AS media_type, original.width AS width, original.height AS height, \
         original.byte_size AS byte_size FROM (",
    )
    .then(keys(scan, wanted, range, limit))
    .sql(&format!(
        ") AS listed \
         {JOIN_IN_ORDER} etiqueta_image AS image ON image.id = listed.id \
         {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = image.original_id \
         ORDER BY listed.registered_at DESC, listed.id DESC"
    ))
}

fn keys(scan: Scan, wanted: &LabelIds, range: &ScanRange, limit: usize) -> Statement {
    let (id, table) = match scan {
        Scan::AllImages => ("walked.id", format!("etiqueta_image AS walked {BY_TIME}")),
        Scan::Label(_) | Scan::AnyLabel => (
            "walked.image_id",
            format!("etiqueta_image_tag AS walked {BY_LABEL}"),
        ),
    };
    let (joined, counted) = others(scan, wanted);
    let statement = Statement::new(&format!(
        "SELECT {id} AS id, walked.registered_at AS registered_at FROM {table}"
    ))
    .then(joins(id, joined, wanted.lowest))
    .sql(" WHERE ")
    .then(walked(scan, wanted))
    .sql("walked.registered_at BETWEEN ")
    .long(range.first)
    .sql(" AND ")
    .long(range.last)
    .sql(" AND (walked.registered_at < ")
    .long(range.before)
    .sql(&format!(" OR {id} < "))
    .bytes(&range.id)
    .sql(")")
    .then(conditions(scan, id, &counted, wanted));
    // An image appears once for each of these labels that it carries.
    let statement = if scan == Scan::AnyLabel {
        statement.sql(" GROUP BY walked.registered_at, walked.image_id")
    } else {
        statement
    };
    statement
        .sql(&format!(
            " ORDER BY walked.registered_at DESC, {id} DESC LIMIT "
        ))
        .long(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// The labels that must all be carried, besides the scanned one: those to join, and the rest.
fn others(scan: Scan, wanted: &LabelIds) -> (Vec<i32>, Vec<i32>) {
    let others = wanted.all_of.iter().copied();
    let mut joined: Vec<i32> = others.filter(|label| scan != Scan::Label(*label)).collect();
    let counted = joined.split_off(joined.len().min(JOINED));
    (joined, counted)
}

fn joins(id: &str, labels: Vec<i32>, lowest: Option<f64>) -> Statement {
    let mut statement = Statement::default();
    for (n, label) in labels.into_iter().enumerate() {
        statement = statement
            .sql(&format!(
                " {JOIN_IN_ORDER} etiqueta_image_tag AS other{n} {BY_IMAGE} \
                 ON other{n}.image_id = {id} AND other{n}.label_id = "
            ))
            .int(label)
            .then(confident(&format!("other{n}"), lowest));
    }
    statement
}

/// The part of the index that is scanned.
fn walked(scan: Scan, wanted: &LabelIds) -> Statement {
    match scan {
        Scan::AllImages => Statement::default(),
        Scan::Label(label) => Statement::default()
            .one_of("walked.label_id", &[label])
            .sql(" AND "),
        Scan::AnyLabel => Statement::default()
            .one_of("walked.label_id", &wanted.any_of)
            .sql(" AND "),
    }
}

fn conditions(scan: Scan, id: &str, counted: &[i32], wanted: &LabelIds) -> Statement {
    let lowest = wanted.lowest;
    let mut statement = match scan {
        Scan::AllImages => Statement::default(),
        Scan::Label(_) | Scan::AnyLabel => confident("walked", lowest),
    };
    if !counted.is_empty() {
        let all = format!(" = {}", counted.len());
        statement = statement.then(carried(id, counted, lowest)).sql(&all);
    }
    if !wanted.any_of.is_empty() && scan != Scan::AnyLabel {
        statement = statement
            .then(carried(id, &wanted.any_of, lowest))
            .sql(" > 0");
    }
    if !wanted.none_of.is_empty() {
        statement = statement
            .then(carried(id, &wanted.none_of, lowest))
            .sql(" = 0");
    }
    for condition in &wanted.conditions {
        statement = statement
            .sql(" AND ")
            .then(condition::holds(condition, id, &wanted.known));
    }
    statement
}

/// How many of some labels an image carries: its tags are adjacent, so all of them are read.
///
/// Counted, because databases take `EXISTS` as a reason to read the labels' images first. The sign keeps
/// SQLite from looking up the labels one by one.
fn carried(id: &str, labels: &[i32], lowest: Option<f64>) -> Statement {
    Statement::new(&format!(
        " AND (SELECT COUNT(*) FROM etiqueta_image_tag AS carried {BY_IMAGE} \
         WHERE carried.image_id = {id} AND "
    ))
    .one_of("+carried.label_id", labels)
    .then(confident("carried", lowest))
    .sql(")")
}

fn confident(table: &str, lowest: Option<f64>) -> Statement {
    lowest.map_or_else(Statement::default, |lowest| {
        Statement::new(&format!(" AND {table}.confidence >= ")).number(lowest)
    })
}
