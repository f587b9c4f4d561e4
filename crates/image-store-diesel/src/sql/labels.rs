//! The ids of labels.

use std::collections::{HashMap, HashSet};

use diesel::{
    ExpressionMethods, QueryDsl, QueryableByName, sql_query,
    sql_types::{Integer, Text},
};
use diesel_async::RunQueryDsl;
use domain::{
    Label,
    ports::{ImageStoreError, cause},
};

use super::{
    BY_LABEL, Backend, Connection, INSERT_IF_NEW, ROWS, label_cache::LabelCache,
    statement::Statement,
};
use crate::{error::StoreError, schema::label};

/// The most labels that one statement looks for among the tags.
const CARRIED: usize = 100;

/// Ids by label.
pub(super) type LabelIds = HashMap<String, i32>;

/// The ids of those labels that exist.
pub(super) async fn find(
    connection: &mut Connection,
    names: &[&str],
) -> Result<LabelIds, StoreError> {
    let mut ids = LabelIds::new();
    for names in names.chunks(ROWS) {
        let rows: Vec<(String, i32)> = label::table
            .filter(label::name.eq_any(names))
            .select((label::name, label::id))
            .load(connection)
            .await?;
        ids.extend(rows);
    }
    Ok(ids)
}

/// The ids of labels; missing labels are inserted.
///
/// Not part of the caller's transaction: transactions that wait for each other's new labels could deadlock.
/// An unused label does no harm.
pub(super) async fn find_or_insert(
    connection: &mut Connection,
    names: &[&str],
) -> Result<LabelIds, StoreError> {
    let mut ids = find(connection, names).await?;
    let mut missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !ids.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Ok(ids);
    }
    // All sessions insert in the same order, which prevents deadlocks.
    missing.sort_unstable();
    insert(connection, &missing).await?;
    ids.extend(find(connection, &missing).await?);
    Ok(ids)
}

#[derive(QueryableByName)]
struct CarriedRow {
    #[diesel(sql_type = Integer)]
    label_id: i32,
}

/// Those of some labels that an image carries. A label that is stored may be carried by none any more.
pub(super) async fn carried(
    connection: &mut Connection,
    cache: &LabelCache,
    labels: &[Label],
) -> Result<HashSet<Label>, StoreError> {
    let labels = labels.to_vec();
    let known = cache.ids(connection, &[&labels]).await?;
    let stored = labels.into_iter();
    let stored = stored.filter_map(|label| Some((*known.get(&label)?, label)));
    let mut stored: HashMap<i32, Label> = stored.collect();
    let ids: Vec<i32> = stored.keys().copied().collect();
    let mut carried = HashSet::new();
    for ids in ids.chunks(CARRIED) {
        let rows: Vec<CarriedRow> = any_tag_of_each(ids).load(connection).await?;
        carried.extend(rows.iter().filter_map(|row| stored.remove(&row.label_id)));
    }
    Ok(carried)
}

/// One row for each label that has a tag.
fn any_tag_of_each(labels: &[i32]) -> Statement {
    let mut statement = Statement::default();
    for (n, label) in labels.iter().enumerate() {
        let before = if n == 0 { "" } else { " UNION ALL " };
        statement = statement
            .sql(&format!(
                "{before}SELECT * FROM (SELECT label_id FROM etiqueta_image_tag {BY_LABEL} WHERE label_id = "
            ))
            .int(*label)
            .sql(&format!(" LIMIT 1) AS any{n}"));
    }
    if labels.len() > 1 {
        return statement.unique();
    }
    statement
}

async fn insert(connection: &mut Connection, names: &[&str]) -> Result<(), StoreError> {
    for names in names.chunks(ROWS) {
        let rows = vec!["(?)"; names.len()].join(", ");
        let text = format!("{INSERT_IF_NEW} INTO etiqueta_label (name) VALUES {rows}");
        let mut statement = sql_query(text).into_boxed::<Backend>();
        for name in names {
            statement = statement.bind::<Text, _>(*name);
        }
        statement.execute(connection).await?;
    }
    Ok(())
}

/// The id of a label passed to [`find_or_insert`].
pub(super) fn id_of(ids: &LabelIds, name: &str) -> Result<i32, StoreError> {
    let missing = || ImageStoreError::Failed(cause("a label that was inserted is not there"));
    Ok(*ids.get(name).ok_or_else(missing)?)
}
