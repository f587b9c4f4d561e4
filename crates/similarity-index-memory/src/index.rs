//! The port: one reading of the store at a time, and a bounded number of scans.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use async_trait::async_trait;
use domain::{
    Code, FeatureModel,
    ports::{CodeStore, ImageStoreError, Neighbour, SimilarityIndex, cause},
};
use tokio::sync::{Mutex, Semaphore};

use crate::{catch_up::CatchUp, scan, segments::Segments};

/// How many callers may wait for each running scan. At some hundredths of a second each, the last one waits a second or
/// two.
const WAITING_PER_SCAN: usize = 64;

/// An index in memory over a store of codes.
pub struct MemoryIndex {
    store: Arc<dyn CodeStore>,
    models: SyncMutex<HashMap<FeatureModel, Arc<Model>>>,
    /// Permits for running and waiting calls.
    places: Arc<Semaphore>,
    scans: Arc<Semaphore>,
}

/// The codes of a model.
#[derive(Default)]
struct Model {
    /// How many readings have begun.
    begun: AtomicU64,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// The number of the last reading that succeeded.
    done: u64,
    catch_up: CatchUp,
    codes: Segments,
}

impl MemoryIndex {
    /// An index over a store, which is not read yet.
    pub fn new(store: Arc<dyn CodeStore>) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let scans = cores.div_ceil(2);
        Self {
            store,
            models: SyncMutex::default(),
            places: Arc::new(Semaphore::new(scans * (1 + WAITING_PER_SCAN))),
            scans: Arc::new(Semaphore::new(scans)),
        }
    }

    fn model(&self, model: &FeatureModel) -> Arc<Model> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(models.entry(model.clone()).or_default())
    }

    /// The codes of a model with everything that was kept before the call. Callers that wait for a reading which begins
    /// after they came share it.
    async fn codes(&self, model: &FeatureModel) -> Result<Segments, ImageStoreError> {
        let own = self.model(model);
        let before = own.begun.load(Ordering::SeqCst);
        let mut reading = own.reading.lock().await;
        if reading.done <= before {
            let number = own.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let Reading {
                catch_up, codes, ..
            } = &mut *reading;
            catch_up.run(&*self.store, model, codes).await?;
            reading.done = number;
        }
        Ok(reading.codes.clone())
    }
}

#[async_trait]
impl SimilarityIndex for MemoryIndex {
    async fn nearest(
        &self,
        model: &FeatureModel,
        code: &Code,
        count: NonZeroUsize,
    ) -> Result<Vec<Neighbour>, ImageStoreError> {
        let busy = |_| unavailable("too many searches for look-alikes wait");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        let codes = self.codes(model).await?;
        let turn = Arc::clone(&self.scans).acquire_owned().await;
        let turn = turn.map_err(|_| unavailable("the index is closed"))?;
        let code = code.clone();
        let scan = tokio::task::spawn_blocking(move || {
            let _permits = (place, turn);
            scan::nearest(&codes, code.words(), count.get())
        });
        scan.await
            .map_err(|panicked| ImageStoreError::Failed(cause(panicked)))
    }
}

fn unavailable(reason: &str) -> ImageStoreError {
    ImageStoreError::Unavailable(cause(reason.to_owned()))
}
