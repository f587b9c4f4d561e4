//! How much work and how much memory at a time.

use std::sync::Arc;

use domain::ports::{CodecError, cause};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit of the budget stands for, in bytes.
const UNIT: u64 = 1024;

/// A number of bytes shared by all pictures; who comes first is served first.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
}

/// A share of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = permits_for(bytes);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits for a share. Who wants more than there is gets all of it.
    pub(crate) async fn take(&self, bytes: u64) -> Result<Share, CodecError> {
        let count = permits_for(bytes).min(self.total);
        let permit = Arc::clone(&self.permits).acquire_many_owned(count).await;
        permit
            .map(Share)
            .map_err(|closed| CodecError::Failed(cause(closed)))
    }
}

impl Share {
    /// Gives back what is above that many bytes.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let spare = self
            .0
            .num_permits()
            .saturating_sub(permits_for(bytes) as usize);
        drop(self.0.split(spare));
    }
}

/// At least one, so that nothing is free.
fn permits_for(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(u32::MAX)
        .clamp(1, u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn taken(budget: &Budget, units: u64) -> Option<Share> {
        budget.take(units * UNIT).now_or_never().map(Result::unwrap)
    }

    #[test]
    fn a_share_is_given_back() {
        let budget = Budget::new(10 * UNIT);
        let share = taken(&budget, 6);
        assert!(taken(&budget, 5).is_none());
        drop(share);
        assert!(taken(&budget, 5).is_some());
    }

    #[test]
    fn a_share_shrinks() {
        let budget = Budget::new(10 * UNIT);
        let mut share = taken(&budget, 10).unwrap();
        share.shrink(20 * UNIT);
        assert!(taken(&budget, 1).is_none(), "it never grows");
        share.shrink(UNIT + 1);
        assert!(taken(&budget, 8).is_some());
        assert!(taken(&budget, 9).is_none());
    }

    #[test]
    fn what_is_too_much_takes_all_there_is() {
        let budget = Budget::new(10 * UNIT);
        let one = taken(&budget, 1);
        assert!(taken(&budget, u64::MAX / UNIT).is_none());
        drop(one);
        let all = taken(&budget, u64::MAX / UNIT);
        assert!(all.is_some());
        assert!(taken(&budget, 1).is_none());
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let budget = Budget::new(10 * UNIT);
        let share = taken(&budget, 6);
        let mut large = Box::pin(budget.take(10 * UNIT));
        assert!((&mut large).now_or_never().is_none());
        assert!(taken(&budget, 1).is_none(), "a small one does not overtake");
        drop(share);
        assert!(large.now_or_never().is_some());
    }
}
