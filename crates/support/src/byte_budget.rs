//! A budget of bytes shared by several holders.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of one semaphore permit.
const UNIT: usize = 1024;

/// A budget of bytes that is never exceeded; reservations are granted in FIFO order. Clones share it.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    permits: Arc<Semaphore>,
    total: u32,
}

/// Bytes reserved from a budget, returned on drop.
#[derive(Debug)]
pub struct Reservation(#[expect(dead_code, reason = "it is held")] Option<OwnedSemaphorePermit>);

impl ByteBudget {
    /// A budget of `bytes`, counted in kibibytes.
    pub fn new(bytes: usize) -> Self {
        let total = units(bytes);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits for that many bytes. A request larger than the whole budget gets all of it.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let wanted = units(bytes).min(self.total);
        // Fails only if the semaphore is closed, which never happens.
        Reservation(
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
        let budget = ByteBudget::new(10 * UNIT);
        let reserve = |units: usize| budget.reserve(units * UNIT).now_or_never();
        let one = reserve(6);
        assert!(one.is_some());
        assert!(reserve(5).is_none());
        drop(one);
        let all = reserve(99);
        assert!(all.is_some());
        assert!(reserve(0).is_none());
        drop(all);
        assert!(reserve(10).is_some());
    }
}
