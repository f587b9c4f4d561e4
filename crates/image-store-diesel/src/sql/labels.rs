//! The ids of labels.

use std::collections::HashMap;

use diesel::{ExpressionMethods, QueryDsl, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl;
use domain::ports::{ImageStoreError, cause};

use super::{Backend, Connection, INSERT_IF_NEW, ROWS};
use crate::{error::StoreError, schema::label};

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
