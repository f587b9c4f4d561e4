//! What the work on one picture has cost so far, and when it has to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use domain::ports::Interest;

use crate::refusal::Refusal;

/// Counts the work on a picture and ends it at its bounds. Clones share one count.
///
/// The count alone decides about the picture: it is the same on every machine. The deadline and the caller
/// only decide whether the work goes on.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    spent: AtomicU64,
    limit: u64,
    deadline: Option<Instant>,
    interest: Interest,
}

impl Meter {
    /// Bounds the work by a number of units, a time, and the presence of the caller.
    pub(crate) fn new(limit: u64, deadline: Option<Instant>, interest: Interest) -> Self {
        Self(Arc::new(Bounds {
            spent: AtomicU64::new(0),
            limit,
            deadline,
            interest,
        }))
    }

    /// Counts units, before the work that they stand for is done.
    pub(crate) fn spend(&self, units: u64) -> Result<(), Refusal> {
        let before = self.0.spent.fetch_add(units, Ordering::Relaxed);
        let work = before.saturating_add(units);
        if work > self.0.limit {
            let limit = self.0.limit;
            return Err(Refusal::TooComplex { work, limit });
        }
        self.check()
    }

    /// Fails at the deadline, or if the caller has gone.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let is_late = |deadline| Instant::now() >= deadline;
        if self.0.deadline.is_some_and(is_late) {
            Err(Refusal::TimedOut)
        } else if self.0.interest.is_there() {
            Ok(())
        } else {
            Err(Refusal::Cancelled)
        }
    }

    /// The units counted so far.
    pub(crate) fn spent(&self) -> u64 {
        self.0.spent.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_at_the_limit() {
        let meter = Meter::new(10, None, Interest::lasting());
        meter.spend(4).unwrap();
        meter.clone().spend(6).unwrap();
        let refused = meter.spend(1).unwrap_err();
        assert!(matches!(
            refused,
            Refusal::TooComplex {
                work: 11,
                limit: 10
            }
        ));
        assert_eq!(meter.spent(), 11);
    }

    #[test]
    fn work_ends_at_the_deadline() {
        let meter = Meter::new(10, Some(Instant::now()), Interest::lasting());
        assert!(matches!(meter.check(), Err(Refusal::TimedOut)));
        assert!(matches!(meter.spend(1), Err(Refusal::TimedOut)));
    }

    #[test]
    fn work_ends_when_the_caller_has_gone() {
        let meter = Meter::new(10, None, Interest::new(|| false));
        assert!(matches!(meter.spend(1), Err(Refusal::Cancelled)));
    }
}
