//! Lists, page by page.
//!
//! A page is one index scan in the order of the list, from its cursor on and no further than its end: of
//! all images, of one label's images, or of those of several labels. The other conditions are looked up
//! image by image. So the cost of a page grows with the images that fail them, not with the store.
//!
//! Images have two times, and an index for each; labels have one by registration. A scan of an index that has
//! another order than the list reads few images, which are sorted.
//!
//! Where images can fail, the scan goes in strides of bounded length, one statement each: a call that is
//! cancelled leaves at most one stride running.

mod condition;
pub(in super::super) mod confidences;
pub(in super::super) mod listing;
pub(in super::super) mod plan;
pub(in super::super) mod range;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use domain::{Condition, ImageId, ImageOrder, ImageQuery, PageKey, UntaggedImage, ports::Counted};

use self::{
    listing::{LabelIds, Scan, counting, listing},
    plan::ScanPlan,
    range::{Floor, ListRange},
};
use super::{Connection, images::ImageColumns, label_cache::LabelCache, load};
use crate::{
    error::StoreError,
    values::{self, ImageRow},
};

pub(super) async fn page(
    connection: &mut Connection,
    cache: &LabelCache,
    query: &ImageQuery,
    after: Option<PageKey>,
    limit: NonZeroU32,
) -> Result<Vec<UntaggedImage>, StoreError> {
    let Some(wanted) = wanted(connection, cache, query).await? else {
        return Ok(Vec::new());
    };
    let range = ListRange::new(query, after);
    let rows = walk(connection, &wanted, range, limit.get() as usize).await?;
    rows.into_iter().map(values::untagged).collect()
}

/// Counts the images of the next stride.
pub(super) async fn count(
    connection: &mut Connection,
    cache: &LabelCache,
    query: &ImageQuery,
    after: Option<PageKey>,
) -> Result<Counted, StoreError> {
    let range = ListRange::new(query, after);
    let wanted = match wanted(connection, cache, query).await? {
        Some(wanted) if !range.is_empty() => wanted,
        _ => return Ok(Counted::default()),
    };
    let plan = ScanPlan::choose(connection, &wanted, &range, 1).await?;
    let mut plan = plan.until_the_end(&wanted, &range);
    let floor = plan.floor(connection, &wanted, &range).await?;
    let stride = range.down_to(floor.as_ref());
    let row: CountRow = counting(plan.scan(), &wanted, &stride)
        .get_result(connection)
        .await?;
    let next = floor.map(|floor| key(query.order, &floor)).transpose()?;
    Ok(Counted {
        images: row.images.try_into().unwrap_or_default(),
        next,
    })
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    images: i64,
}

/// The cursor after the images from `floor` on.
fn key(order: ImageOrder, floor: &Floor) -> Result<PageKey, StoreError> {
    let id = match floor.id.as_slice() {
        // No image of that time has a smaller one.
        [] => ImageId::from_bytes([0; 16]),
        id => values::image_id(id)?,
    };
    Ok(PageKey {
        order,
        time: values::local_time(floor.time)?,
        id,
    })
}

/// The labels of a query as ids; `None` if no image can match.
async fn wanted(
    connection: &mut Connection,
    cache: &LabelCache,
    query: &ImageQuery,
) -> Result<Option<LabelIds>, StoreError> {
    let asked = query.conditions.iter().flat_map(Condition::labels);
    let asked = asked.cloned().collect();
    let lists = [&query.all_of, &query.any_of, &query.none_of, &asked];
    let known = cache.ids(connection, &lists).await?;
    let ids = |labels: &[domain::Label]| -> Vec<i32> {
        let ids = labels.iter().filter_map(|label| known.get(label).copied());
        ids.collect()
    };
    let wanted = LabelIds {
        all_of: ids(&query.all_of),
        any_of: ids(&query.any_of),
        none_of: ids(&query.none_of),
        lowest: query.threshold.map(|threshold| threshold.lowest().get()),
        conditions: query.conditions.clone(),
        known,
    };
    let is_possible = wanted.all_of.len() == query.all_of.len()
        && (query.any_of.is_empty() || !wanted.any_of.is_empty());
    Ok(is_possible.then_some(wanted))
}

async fn walk(
    connection: &mut Connection,
    wanted: &LabelIds,
    mut range: ListRange,
    limit: usize,
) -> Result<Vec<ImageRow>, StoreError> {
    let mut rows: Vec<ImageRow> = Vec::new();
    let mut plan = ScanPlan::choose(connection, wanted, &range, limit).await?;
    while rows.len() < limit && !range.is_empty() {
        let floor = plan.floor(connection, wanted, &range).await?;
        let stride = range.down_to(floor.as_ref());
        let left = limit - rows.len();
        rows.extend(list(connection, plan.scan(), wanted, &stride, left).await?);
        match floor {
            Some(floor) => range = range.below(floor),
            None => break,
        }
    }
    Ok(rows)
}

async fn list(
    connection: &mut Connection,
    scan: Scan,
    wanted: &LabelIds,
    range: &ListRange,
    limit: usize,
) -> Result<Vec<ImageRow>, StoreError> {
    let statement = listing(scan, wanted, range, limit).with_columns::<ImageColumns>();
    Ok(load(connection, statement).await?)
}
