//! Room for files in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes.
const UNIT: usize = 1024;

/// A number of bytes for all files that are held at a time; who comes first is served first.
#[derive(Debug, Clone)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    total: u32,
}

/// A file's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is held")] Option<OwnedSemaphorePermit>);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let total = units(bytes);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits for a place. A file that is larger than all the room gets all of it.
    pub(super) async fn place(&self, bytes: usize) -> Place {
        let wanted = units(bytes).min(self.total);
        // It fails only where the semaphore was closed, which nobody does.
        Place(
            Arc::clone(&self.permits)
                .acquire_many_owned(wanted)
                .await
                .ok(),
        )
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(u32::MAX)
        .clamp(1, u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn files_wait_for_each_other() {
        let room = Room::new(10 * UNIT);
        let place = |units: usize| room.place(units * UNIT).now_or_never();
        let one = place(6);
        assert!(one.is_some());
        assert!(place(5).is_none());
        drop(one);
        let all = place(99);
        assert!(all.is_some());
        assert!(place(0).is_none());
        drop(all);
        assert!(place(10).is_some());
    }
}
