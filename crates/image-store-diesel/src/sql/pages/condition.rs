//! Conditions that no index answers, evaluated for each image of a scan.

use domain::{Comparison, Condition, LocalWindow, SourceKind, TagCondition, TimeWindow};

use super::super::{BY_IMAGE, JOIN_IN_ORDER, label_cache::Known, statement::Statement};
use crate::values::micros_up;

/// An expression that is true if the condition holds of the image with that id, a column of the scanned
/// index.
pub(super) fn holds(condition: &Condition, id: &str, known: &Known) -> Statement {
    match condition {
        Condition::All(all) => joined(all, " AND ", "1 = 1", id, known),
        Condition::Any(any) => joined(any, " OR ", "1 = 0", id, known),
        Condition::Not(condition) => Statement::new("NOT (")
            .then(holds(condition, id, known))
            .sql(")"),
        Condition::Tag(wanted) => tag(wanted, id, known),
        Condition::Untagged => tags_of(id).sql(") = 0"),
        Condition::Registered(window) => registered(window),
        Condition::Taken(window) => taken(window, id),
        Condition::Source(kind) => source(*kind, id),
        // One of a closed list of names without quotes.
        Condition::Type(kind) => fact("media_type", id).sql(&format!(" = '{kind}'")),
        Condition::Width(width) => compared(fact("width", id), *width),
        Condition::Height(height) => compared(fact("height", id), *height),
    }
    .unique()
}

fn joined(
    conditions: &[Condition],
    separator: &str,
    of_none: &str,
    id: &str,
    known: &Known,
) -> Statement {
    let mut statement = Statement::new("(");
    for (n, condition) in conditions.iter().enumerate() {
        let separator = if n == 0 { "" } else { separator };
        statement = statement.sql(separator).then(holds(condition, id, known));
    }
    let rest = if conditions.is_empty() { of_none } else { "" };
    statement.sql(rest).sql(")")
}

/// Counted for the reason given at `listing::carried`.
fn tag(wanted: &TagCondition, id: &str, known: &Known) -> Statement {
    let Some(label) = known.get(&wanted.label) else {
        return Statement::new("1 = 0");
    };
    let statement = tags_of(id).sql(" AND carried.label_id = ").int(*label);
    let statement = match &wanted.confidence {
        None => statement,
        Some(Comparison { operator, value }) => statement
            .sql(&format!(" AND carried.confidence {} ", operator.symbol()))
            .number(value.get()),
    };
    statement.sql(") > 0")
}

/// The number of an image's tags, up to further conditions and the closing bracket.
fn tags_of(id: &str) -> Statement {
    Statement::new(&format!(
        "(SELECT COUNT(*) FROM etiqueta_image_tag AS carried {BY_IMAGE} WHERE carried.image_id = {id}"
    ))
}

/// Shown tags of persons and files have rows of their own; what is shown beside them is a provider's.
fn source(kind: SourceKind, id: &str) -> Statement {
    let shown = |numbers: &str| {
        Statement::new(&format!(
            "(SELECT COUNT(*) FROM etiqueta_tag_source AS given {BY_IMAGE} \
             WHERE given.image_id = {id} AND given.is_shown = 1 AND given.source IN ({numbers}))"
        ))
    };
    match kind {
        SourceKind::Person => shown("1").sql(" > 0"),
        SourceKind::File => shown("2").sql(" > 0"),
        SourceKind::Provider => tags_of(id).sql(") > ").then(shown("1, 2")),
    }
}

fn registered(window: &TimeWindow) -> Statement {
    let first = window.from.map_or(i64::MIN, micros_up);
    let end = window.until.map_or(i64::MAX, micros_up);
    Statement::new("(walked.registered_at >= ")
        .long(first)
        .sql(" AND walked.registered_at < ")
        .long(end)
        .sql(")")
}

fn taken(window: &LocalWindow, id: &str) -> Statement {
    let first = window
        .from
        .map_or(i64::MIN, |from| micros_up(from.and_utc()));
    let last = window
        .until
        .map_or(i64::MAX, |until| micros_up(until.and_utc()) - 1);
    Statement::new(&format!(
        "(SELECT pictured.taken_order FROM etiqueta_image AS pictured WHERE pictured.id = {id}) BETWEEN "
    ))
    .long(first)
    .sql(" AND ")
    .long(last)
}

/// A column of the image's original.
fn fact(column: &str, id: &str) -> Statement {
    Statement::new(&format!(
        "(SELECT fact.{column} FROM etiqueta_image AS pictured \
         {JOIN_IN_ORDER} etiqueta_original AS fact ON fact.id = pictured.original_id \
         WHERE pictured.id = {id})"
    ))
}

fn compared(column: Statement, Comparison { operator, value }: Comparison<u32>) -> Statement {
    column
        .sql(&format!(" {} ", operator.symbol()))
        .long(value.into())
}
