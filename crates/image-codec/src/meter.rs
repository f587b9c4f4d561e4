//! Counts the work on one picture, and stops it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use domain::ports::CallContext;

use crate::{decode_error::DecodeError, work::Rate};

/// Picoseconds in a unit of work.
const UNIT: u64 = 1_000_000;

/// Counts the work on a picture and stops it at its limits. Clones share one count.
///
/// Only the count decides whether the picture is acceptable: it is the same on every machine. The deadline
/// and the caller only decide whether the work continues.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    /// In picoseconds.
    spent: AtomicU64,
    /// In picoseconds.
    limit: u64,
    deadline: Option<Instant>,
    context: CallContext,
}

impl Meter {
    /// Limits the work to a number of units, a deadline, and the presence of the caller.
    pub(crate) fn new(limit: u64, deadline: Option<Instant>, context: CallContext) -> Self {
        Self(Arc::new(Bounds {
            spent: AtomicU64::new(0),
            limit: limit.saturating_mul(UNIT),
            deadline,
            context,
        }))
    }

    /// Charges units, before the work they stand for is done.
    pub(crate) fn spend(&self, units: u64) -> Result<(), DecodeError> {
        self.add(units.saturating_mul(UNIT))
    }

    /// Charges `count` items at a rate, before the work on them is done.
    pub(crate) fn charge(&self, rate: Rate, count: u64) -> Result<(), DecodeError> {
        self.add(rate.picoseconds(count))
    }

    /// Fails at the limit, at the deadline, or if the caller has gone.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let (spent, limit) = (self.0.spent.load(Ordering::Relaxed), self.0.limit);
        let is_late = |deadline| Instant::now() >= deadline;
        if spent > limit {
            let (work, limit) = (spent.div_ceil(UNIT), limit / UNIT);
            Err(DecodeError::TooComplex { work, limit })
        } else if self.0.deadline.is_some_and(is_late) {
            Err(DecodeError::TimedOut)
        } else if self.0.context.is_cancelled() {
            Err(DecodeError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// The units counted so far.
    pub(crate) fn spent(&self) -> u64 {
        self.0.spent.load(Ordering::Relaxed).div_ceil(UNIT)
    }

    fn add(&self, picoseconds: u64) -> Result<(), DecodeError> {
        let add = |spent: u64| spent.saturating_add(picoseconds);
        self.0
            .spent
            .update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_at_the_limit() {
        let meter = Meter::new(10, None, CallContext::local());
        meter.spend(4).unwrap();
        meter.clone().spend(6).unwrap();
        let refused = meter.spend(1).unwrap_err();
        assert!(matches!(
            refused,
            DecodeError::TooComplex {
                work: 11,
                limit: 10
            }
        ));
        assert_eq!(meter.spent(), 11);
        assert!(meter.check().is_err(), "it never goes on");
        assert!(meter.spend(u64::MAX).is_err(), "and never begins again");
    }

    #[test]
    fn small_things_add_up_to_units() {
        let meter = Meter::new(1, None, CallContext::local());
        let rate = Rate::nanoseconds(1);
        for _ in 0..1000 {
            meter.charge(rate, 1).unwrap();
        }
        assert_eq!(meter.spent(), 1);
        assert!(meter.charge(rate, 1).is_err());
    }

    #[test]
    fn work_ends_at_the_deadline() {
        let meter = Meter::new(10, Some(Instant::now()), CallContext::local());
        assert!(matches!(meter.check(), Err(DecodeError::TimedOut)));
        assert!(matches!(meter.spend(1), Err(DecodeError::TimedOut)));
    }

    #[test]
    fn work_ends_when_the_caller_has_gone() {
        let meter = Meter::new(10, None, CallContext::cancelled_when(|| true));
        assert!(matches!(meter.spend(1), Err(DecodeError::Cancelled)));
    }
}
