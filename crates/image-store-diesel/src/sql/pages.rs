//! Lists, page by page.
//!
//! A page is one index scan in the order of the list, from its cursor on and no further than its end: of
//! all images, of one label's images, or of those of several labels. The other conditions are looked up
//! image by image. So the cost of a page grows with the images that fail them, not with the store.
//!
//! Where images can fail, the scan goes in strides of bounded length, one statement each: a call that is
//! cancelled leaves at most one stride running.

mod condition;
pub(in super::super) mod confidences;
pub(in super::super) mod listing;
pub(in super::super) mod plan;

use std::num::NonZeroU32;

use domain::{Condition, ImageQuery, PageKey, TimeWindow, UntaggedImage};

use self::{
    listing::{LabelIds, Scan, listing},
    plan::ScanPlan,
};
use super::{Connection, images::ImageColumns, label_cache::LabelCache, load};
use crate::{
    error::StoreError,
    values::{self, ImageRow, micros, micros_up},
};

/// The range of the list that a scan reads.
#[derive(Debug, Clone)]
pub(in super::super) struct ScanRange {
    /// The first and the last microsecond.
    first: i64,
    last: i64,
    /// The cursor: images before this time, and those of this time with a smaller id.
    before: i64,
    id: Vec<u8>,
}

impl ScanRange {
    pub(in super::super) fn new(window: &TimeWindow, after: Option<PageKey>) -> Self {
        let end = window.until.map_or(i64::MAX, |until| micros_up(until) - 1);
        // No image has this time, so the cursor excludes none.
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

    /// Whether no time is in the range.
    fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// The part from `floor` on.
    fn down_to(&self, floor: i64) -> Self {
        Self {
            first: floor.max(self.first),
            ..self.clone()
        }
    }

    /// The part before `floor`.
    fn below(self, floor: i64) -> Self {
        Self {
            last: floor.saturating_sub(1).min(self.last),
            ..self
        }
    }
}

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
    let range = ScanRange::new(&query.window, after);
    let rows = walk(connection, &wanted, range, limit.get() as usize).await?;
    rows.into_iter().map(values::untagged).collect()
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
    mut range: ScanRange,
    limit: usize,
) -> Result<Vec<ImageRow>, StoreError> {
    let mut rows: Vec<ImageRow> = Vec::new();
    let mut plan = ScanPlan::choose(connection, wanted, &range, limit).await?;
    while rows.len() < limit && !range.is_empty() {
        let floor = plan.floor(connection, wanted, &range).await?;
        let stride = range.down_to(floor.unwrap_or(i64::MIN));
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
    range: &ScanRange,
    limit: usize,
) -> Result<Vec<ImageRow>, StoreError> {
    let statement = listing(scan, wanted, range, limit).with_columns::<ImageColumns>();
    Ok(load(connection, statement).await?)
}
