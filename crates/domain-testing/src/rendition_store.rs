//! The in-memory [`RenditionStore`].

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ContentDigest, RenditionKey,
    ports::{OriginalStoreError, RenditionStore, cause},
};

/// Keeps renditions in memory. It can be made to fail.
#[derive(Debug, Default)]
pub struct FakeRenditionStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    kept: Vec<(RenditionKey, Bytes)>,
    is_down: bool,
}

impl FakeRenditionStore {
    /// What is kept, the oldest first.
    pub fn keys(&self) -> Vec<RenditionKey> {
        self.lock().kept.iter().map(|(key, _)| *key).collect()
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
impl RenditionStore for FakeRenditionStore {
    async fn get(&self, key: &RenditionKey) -> Result<Option<Bytes>, OriginalStoreError> {
        let state = self.available()?;
        let found = state.kept.iter().find(|(kept, _)| kept == key);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    }

    async fn put(&self, key: &RenditionKey, bytes: Bytes) -> Result<(), OriginalStoreError> {
        let mut state = self.available()?;
        state.kept.retain(|(kept, _)| kept != key);
        state.kept.push((*key, bytes));
        Ok(())
    }

    async fn remove(&self, digest: &ContentDigest) -> Result<(), OriginalStoreError> {
        let mut state = self.available()?;
        state.kept.retain(|(kept, _)| kept.digest != *digest);
        Ok(())
    }

    async fn prune(&self, limit: u64) -> Result<u64, OriginalStoreError> {
        let mut state = self.available()?;
        let total = |state: &State| -> u64 {
            let sizes = state.kept.iter().map(|(_, bytes)| bytes.len() as u64);
            sizes.sum()
        };
        while total(&state) > limit {
            state.kept.remove(0);
        }
        Ok(total(&state))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::rendition_store::suite;

    #[tokio::test]
    async fn keeps_the_contract() {
        suite(async || Arc::new(FakeRenditionStore::default())).await;
    }
}
