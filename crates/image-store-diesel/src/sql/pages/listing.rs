//! The statement for one stride of a scan.

use std::sync::Arc;

use domain::{Condition, ImageOrder};

use super::{
    super::{
        BY_IMAGE, BY_LABEL, BY_TAKEN, BY_TIME, JOIN_IN_ORDER, label_cache::Known,
        statement::Statement,
    },
    condition,
    range::ListRange,
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
    /// All images, by when they were taken.
    Taken,
    /// The images with this label, one of `all_of`.
    Label(i32),
    /// The images with a label of `any_of`.
    AnyLabel,
}

impl Scan {
    /// The time by which the index is sorted.
    pub(super) fn order(self) -> ImageOrder {
        match self {
            Self::AllImages | Self::Label(_) | Self::AnyLabel => ImageOrder::Registered,
            Self::Taken => ImageOrder::Taken,
        }
    }

    /// The scanned table with its index.
    fn table(self) -> String {
        match self {
            Self::AllImages => format!("etiqueta_image AS walked {BY_TIME}"),
            Self::Taken => format!("etiqueta_image AS walked {BY_TAKEN}"),
            Self::Label(_) | Self::AnyLabel => format!("etiqueta_image_tag AS walked {BY_LABEL}"),
        }
    }

    /// The column with the id of an image.
    fn id(self) -> &'static str {
        match self {
            Self::AllImages | Self::Taken => "walked.id",
            Self::Label(_) | Self::AnyLabel => "walked.image_id",
        }
    }

    /// The column with a time of an image.
    fn time(self, order: ImageOrder) -> &'static str {
        match (order, self) {
            (ImageOrder::Registered, _) => "walked.registered_at",
            (ImageOrder::Taken, Self::AllImages | Self::Taken) => "walked.taken_order",
            (ImageOrder::Taken, Self::Label(_) | Self::AnyLabel) => "dated.taken_order",
        }
    }

    /// Joins the images of labels, if it matters when they were taken.
    fn dated(self, range: &ListRange) -> String {
        let is_asked = self.order() != range.order || range.by(ImageOrder::Taken).is_bounded();
        match self {
            Self::Label(_) | Self::AnyLabel if is_asked => format!(
                " {JOIN_IN_ORDER} etiqueta_image AS dated {BY_IMAGE} ON dated.id = walked.image_id"
            ),
            _ => String::new(),
        }
    }
}

/// The matching images of a range, newest first, at most `limit`.
///
/// Their keys are found first, by indexes alone; the other columns are looked up then.
pub(in super::super::super) fn listing(
    scan: Scan,
    wanted: &LabelIds,
    range: &ListRange,
    limit: usize,
) -> Statement {
    Statement::new(
        "SELECT listed.id AS id, image.registered_at AS registered_at, \
         image.taken_order AS taken_order, original.digest AS digest, original.media_type AS media_type, original.width AS width, original.height AS height, \
         original.byte_size AS byte_size FROM (",
    )
    .then(keys(scan, wanted, range))
    .sql(&format!(
        " ORDER BY {} DESC, {} DESC LIMIT ",
        scan.time(range.order),
        scan.id()
    ))
    .long(i64::try_from(limit).unwrap_or(i64::MAX))
    .sql(&format!(
        ") AS listed \
         {JOIN_IN_ORDER} etiqueta_image AS image ON image.id = listed.id \
         {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = image.original_id \
         ORDER BY listed.listed_at DESC, listed.id DESC"
    ))
}

/// The number of the matching images of a range.
pub(in super::super::super) fn counting(
    scan: Scan,
    wanted: &LabelIds,
    range: &ListRange,
) -> Statement {
    Statement::new("SELECT COUNT(*) AS images FROM (")
        .then(keys(scan, wanted, range))
        .sql(") AS counted")
}

fn keys(scan: Scan, wanted: &LabelIds, range: &ListRange) -> Statement {
    let (id, time) = (scan.id(), scan.time(range.order));
    let (joined, counted) = others(scan, wanted);
    let statement = Statement::new(&format!(
        "SELECT {id} AS id, {time} AS listed_at FROM {}{}",
        scan.table(),
        scan.dated(range)
    ))
    .then(joins(id, joined, wanted.lowest))
    .sql(" WHERE ")
    .then(walked(scan, wanted))
    .then(within(scan, range))
    .then(conditions(scan, id, &counted, wanted));
    // An image appears once for each of these labels that it carries.
    if scan == Scan::AnyLabel {
        statement.sql(&format!(" GROUP BY {time}, {id}"))
    } else {
        statement
    }
}

/// What both times of an image must be; first that by which the index is sorted.
fn within(scan: Scan, range: &ListRange) -> Statement {
    let listed = range.by(range.order).has(scan.time(range.order), scan.id());
    let (other, is_scanned) = match range.order {
        ImageOrder::Registered => (ImageOrder::Taken, scan.order() == ImageOrder::Taken),
        ImageOrder::Taken => (
            ImageOrder::Registered,
            scan.order() == ImageOrder::Registered,
        ),
    };
    let has_other = range.by(other).has_time(scan.time(other));
    if is_scanned {
        has_other.sql(" AND ").then(listed)
    } else if range.by(other).is_bounded() {
        listed.sql(" AND ").then(has_other)
    } else {
        listed
    }
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
        Scan::AllImages | Scan::Taken => Statement::default(),
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
        Scan::AllImages | Scan::Taken => Statement::default(),
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
