//! The in-memory [`UploadStore`].

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    UploadId,
    ports::{KeptUploads, OriginalContent, OriginalStoreError, UploadStore, cause},
};
use futures_util::{StreamExt, stream};

/// Keeps uploads in memory. It can be made to fail.
#[derive(Debug, Default)]
pub struct FakeUploadStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<UploadId, Bytes>,
    sweeps: usize,
    is_down: bool,
}

impl FakeUploadStore {
    /// The ids of the uploads that are kept.
    pub fn ids(&self) -> Vec<UploadId> {
        self.lock().kept.keys().copied().collect()
    }

    /// How often the uploads were counted.
    pub fn sweeps(&self) -> usize {
        self.lock().sweeps
    }

    /// Lets every call fail, or ends that.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panicked holding it")
    }

    fn available(&self) -> Result<MutexGuard<'_, State>, OriginalStoreError> {
        let state = self.lock();
        if state.is_down {
            let reason = cause("it was told to fail");
            return Err(OriginalStoreError::Unavailable(reason));
        }
        Ok(state)
    }
}

#[async_trait]
impl UploadStore for FakeUploadStore {
    async fn put(&self, id: &UploadId, bytes: Bytes) -> Result<(), OriginalStoreError> {
        self.available()?.kept.insert(*id, bytes);
        Ok(())
    }

    async fn get(&self, id: &UploadId) -> Result<Option<OriginalContent>, OriginalStoreError> {
        let found = self.available()?.kept.get(id).cloned();
        Ok(found.map(|bytes| OriginalContent {
            len: bytes.len() as u64,
            stamp: None,
            stream: stream::once(async { Ok(bytes) }).boxed(),
        }))
    }

    async fn remove(&self, id: &UploadId) -> Result<bool, OriginalStoreError> {
        Ok(self.available()?.kept.remove(id).is_some())
    }

    async fn sweep(&self, alive: Range<DateTime<Utc>>) -> Result<KeptUploads, OriginalStoreError> {
        let mut state = self.available()?;
        state.sweeps += 1;
        let before = state.kept.len();
        let is_alive = |id: &UploadId| id.made_at().is_some_and(|at| alive.contains(&at));
        state.kept.retain(|id, _| is_alive(id));
        Ok(KeptUploads {
            count: state.kept.len() as u64,
            bytes: state.kept.values().map(|bytes| bytes.len() as u64).sum(),
            removed: (before - state.kept.len()) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::upload_store::suite;

    #[tokio::test]
    async fn keeps_the_contract() {
        suite(async || Arc::new(FakeUploadStore::default())).await;
    }
}
