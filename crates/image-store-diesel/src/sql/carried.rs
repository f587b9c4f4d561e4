//! Which labels images carry.

use std::collections::{HashMap, HashSet};

use diesel::{QueryableByName, sql_types::Integer};
use diesel_async::RunQueryDsl;
use domain::Label;

use super::{BY_LABEL, Connection, label_cache::LabelCache, statement::Statement};
use crate::error::StoreError;

/// The most labels that one statement looks for among the tags.
const CARRIED: usize = 100;

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
