//! The statement for one stride of a walk.

use super::{
    super::{BY_IMAGE, BY_LABEL, BY_TIME, JOIN_IN_ORDER, statement::Statement},
    Span,
};

/// The most labels that are joined, each one a look into the primary key. Databases join some sixty
/// tables at most; the labels beyond these are counted.
const JOINED: usize = 7;

/// The numbers of the labels that are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super::super) struct Wanted {
    /// Images carry all of these.
    pub(in super::super::super) all_of: Vec<i32>,
    /// Images carry one of these at least, unless there are none.
    pub(in super::super::super) any_of: Vec<i32>,
    /// Images carry none of these.
    pub(in super::super::super) none_of: Vec<i32>,
    /// The confidence from which on a tag counts.
    pub(in super::super::super) lowest: Option<f64>,
}

/// What is walked along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) enum Walk {
    /// All images.
    Images,
    /// The images that carry this label, one of those that all must be carried.
    Label(i32),
    /// The images that carry one of the labels of which one must be carried.
    AnyOf,
}

/// The images of a span that are wanted, newest first, at most `limit`.
///
/// Their keys are found first, by indexes alone; what is known of them is looked up then.
pub(in super::super::super) fn listing(
    walk: Walk,
    wanted: &Wanted,
    span: &Span,
    limit: usize,
) -> Statement {
    Statement::new(
        "SELECT listed.id AS id, listed.registered_at AS registered_at, original.digest AS digest, \
         original.media_type AS media_type, original.width AS width, original.height AS height, \
         original.byte_size AS byte_size FROM (",
    )
    .then(keys(walk, wanted, span, limit))
    .sql(&format!(
        ") AS listed \
         {JOIN_IN_ORDER} etiqueta_image AS image ON image.id = listed.id \
         {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = image.original_id \
         ORDER BY listed.registered_at DESC, listed.id DESC"
    ))
}

fn keys(walk: Walk, wanted: &Wanted, span: &Span, limit: usize) -> Statement {
    let (id, table) = match walk {
        Walk::Images => ("walked.id", format!("etiqueta_image AS walked {BY_TIME}")),
        Walk::Label(_) | Walk::AnyOf => (
            "walked.image_id",
            format!("etiqueta_image_tag AS walked {BY_LABEL}"),
        ),
    };
    let (joined, counted) = others(walk, wanted);
    let statement = Statement::new(&format!(
        "SELECT {id} AS id, walked.registered_at AS registered_at FROM {table}"
    ))
    .then(joins(id, joined, wanted.lowest))
    .sql(" WHERE ")
    .then(walked(walk, wanted))
    .sql("walked.registered_at BETWEEN ")
    .long(span.first)
    .sql(" AND ")
    .long(span.last)
    .sql(" AND (walked.registered_at < ")
    .long(span.before)
    .sql(&format!(" OR {id} < "))
    .bytes(&span.id)
    .sql(")")
    .then(conditions(walk, id, &counted, wanted));
    // An image is there once for each of the labels that it carries.
    let statement = if walk == Walk::AnyOf {
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

/// The labels that must all be carried, beside one that is walked along: those to join, and the rest.
fn others(walk: Walk, wanted: &Wanted) -> (Vec<i32>, Vec<i32>) {
    let others = wanted.all_of.iter().copied();
    let mut joined: Vec<i32> = others.filter(|label| walk != Walk::Label(*label)).collect();
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

/// What part of its index is walked along.
fn walked(walk: Walk, wanted: &Wanted) -> Statement {
    match walk {
        Walk::Images => Statement::default(),
        Walk::Label(label) => Statement::default()
            .one_of("walked.label_id", &[label])
            .sql(" AND "),
        Walk::AnyOf => Statement::default()
            .one_of("walked.label_id", &wanted.any_of)
            .sql(" AND "),
    }
}

fn conditions(walk: Walk, id: &str, counted: &[i32], wanted: &Wanted) -> Statement {
    let lowest = wanted.lowest;
    let mut statement = match walk {
        Walk::Images => Statement::default(),
        Walk::Label(_) | Walk::AnyOf => confident("walked", lowest),
    };
    if !counted.is_empty() {
        let all = format!(" = {}", counted.len());
        statement = statement.then(carried(id, counted, lowest)).sql(&all);
    }
    if !wanted.any_of.is_empty() && walk != Walk::AnyOf {
        statement = statement
            .then(carried(id, &wanted.any_of, lowest))
            .sql(" > 0");
    }
    if !wanted.none_of.is_empty() {
        statement = statement
            .then(carried(id, &wanted.none_of, lowest))
            .sql(" = 0");
    }
    statement
}

/// How many of some labels an image carries: its tags lie together, so all of them are looked at.
///
/// Counted, because databases take "exists" for a reason to read the labels' images first. The sign
/// keeps SQLite from looking the labels up one by one.
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
