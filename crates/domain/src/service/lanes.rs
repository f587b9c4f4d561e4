//! Turns for work that holds a whole original in memory.

use std::sync::Arc;

use futures_util::lock::{Mutex, MutexGuard};

use crate::ContentDigest;

/// How many originals are in memory at a time.
const LANES: usize = 4;

/// Lets work on a few originals go on at a time, and on each by one. Clones share the turns.
#[derive(Clone, Default)]
pub(super) struct Lanes(Arc<[Mutex<()>; LANES]>);

impl Lanes {
    /// Waits for the turn of an original, which lasts until it is dropped.
    pub(super) async fn turn(&self, digest: &ContentDigest) -> Option<MutexGuard<'_, ()>> {
        let [first, ..] = *digest.as_bytes();
        match self.0.get(usize::from(first) % LANES) {
            Some(lane) => Some(lane.lock().await),
            None => None,
        }
    }
}
