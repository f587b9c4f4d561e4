//! Caches labels and their ids: a label never changes its id, and none is removed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::Label;
use thiserror::Error;

use super::{Connection, ROWS, labels};
use crate::{error::StoreError, schema::label, values};

/// The capacity; when it is exceeded the cache is cleared. A few megabytes.
const REMEMBERED: usize = 20_000;

/// Entries expire after this time, in case the database was restored to an earlier state while this program
/// ran.
const LIFETIME: Duration = Duration::from_mins(1);

/// The label cache of a store, shared by its connections.
#[derive(Debug, Default)]
pub(in super::super) struct LabelCache(Mutex<Option<Remembered>>);

#[derive(Debug)]
struct Remembered {
    since: Instant,
    known: Arc<Known>,
}

/// Labels by id, and ids by label.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Known {
    labels: HashMap<i32, Label>,
    ids: HashMap<Label, i32>,
}

#[derive(Debug, Error)]
#[error("a tag's label is not there")]
struct Unlabelled;

impl Known {
    /// The label of an id passed to [`LabelCache::labels`].
    pub(super) fn of(&self, id: i32) -> Result<Label, StoreError> {
        let label = self.labels.get(&id).cloned();
        label.ok_or_else(|| StoreError::corrupt(Unlabelled))
    }

    /// The id of a label passed to [`LabelCache::ids`]; `None` if no image ever had it.
    pub(super) fn get(&self, label: &Label) -> Option<&i32> {
        self.ids.get(label)
    }
}

impl LabelCache {
    /// Looks up the ids of these labels, as far as they exist.
    pub(super) async fn ids(
        &self,
        connection: &mut Connection,
        lists: &[&Vec<Label>],
    ) -> Result<Arc<Known>, StoreError> {
        let known = self.known();
        let asked = lists.iter().flat_map(|list| list.iter());
        let missing: Vec<&str> = asked
            .filter(|label| !known.ids.contains_key(label))
            .map(Label::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let found = labels::find(connection, &missing).await?;
        let found = found.into_iter().map(|(name, id)| (id, name));
        self.remember(&known, found)
    }

    /// Looks up the labels of these ids.
    pub(super) async fn labels(
        &self,
        connection: &mut Connection,
        ids: impl Iterator<Item = i32>,
    ) -> Result<Arc<Known>, StoreError> {
        let known = self.known();
        let mut missing: Vec<i32> = ids.filter(|id| !known.labels.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(known);
        }
        let mut found: Vec<(i32, String)> = Vec::new();
        for ids in missing.chunks(ROWS) {
            let rows = label::table
                .filter(label::id.eq_any(ids))
                .select((label::id, label::name));
            found.extend(rows.load::<(i32, String)>(connection).await?);
        }
        self.remember(&known, found)
    }

    fn known(&self) -> Arc<Known> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.take_if(|remembered| remembered.since.elapsed() > LIFETIME);
        remembered
            .as_ref()
            .map(|remembered| Arc::clone(&remembered.known))
            .unwrap_or_default()
    }

    /// Adds what was found to the entries that were cached before.
    fn remember(
        &self,
        known: &Known,
        found: impl IntoIterator<Item = (i32, String)>,
    ) -> Result<Arc<Known>, StoreError> {
        let mut known = known.clone();
        for (id, name) in found {
            let label = values::label(&name)?;
            known.labels.insert(id, label.clone());
            known.ids.insert(label, id);
        }
        let known = Arc::new(known);
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = remembered
            .as_ref()
            .map_or_else(Instant::now, |remembered| remembered.since);
        *remembered = (known.labels.len() <= REMEMBERED).then(|| Remembered {
            since,
            known: Arc::clone(&known),
        });
        Ok(known)
    }
}
