//! The remaining budget of a picture, across all its turns.

use std::time::{Duration, Instant};

use domain::ports::CallContext;

use crate::{decode_error::DecodeError, meter::Meter, settings::CodecSettings};

/// The remaining work and time of a picture. Waiting between turns does not count.
#[derive(Debug, Clone)]
pub(crate) struct WorkBudget {
    limit: u64,
    spent: u64,
    time: Duration,
    context: CallContext,
}

impl WorkBudget {
    /// The full budget of a picture.
    pub(crate) fn new(settings: &CodecSettings, context: CallContext) -> Self {
        Self {
            limit: settings.max_work,
            spent: 0,
            time: settings.decode_timeout,
            context,
        }
    }

    /// Starts a meter, and its clock.
    pub(crate) fn meter(&self) -> Result<Meter, DecodeError> {
        // A time that overflows the clock never ends.
        let deadline = Instant::now().checked_add(self.context.at_most(self.time));
        let meter = Meter::new(self.limit, deadline, self.context.clone());
        meter.spend(self.spent)?;
        Ok(meter)
    }

    /// What is left after a turn that started at `began`.
    pub(crate) fn after(&self, meter: &Meter, began: Instant) -> Self {
        Self {
            spent: meter.spent(),
            time: self.time.saturating_sub(began.elapsed()),
            ..self.clone()
        }
    }

    /// Rejects work known to exceed the budget.
    pub(crate) fn check(&self, work: u64) -> Result<(), DecodeError> {
        let (work, limit) = (self.spent.saturating_add(work), self.limit);
        if work > limit {
            return Err(DecodeError::TooComplex { work, limit });
        }
        Ok(())
    }

    /// The units spent in one turn.
    pub(crate) fn spent_since(&self, meter: &Meter) -> u64 {
        meter.spent().saturating_sub(self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(max_work: u64, decode_timeout: Duration) -> WorkBudget {
        let settings = CodecSettings {
            max_work,
            decode_timeout,
            ..CodecSettings::default()
        };
        WorkBudget::new(&settings, CallContext::local())
    }

    #[test]
    fn turns_share_one_limit() {
        let whole = budget(10, Duration::MAX);
        let meter = whole.meter().unwrap();
        meter.spend(6).unwrap();
        let rest = whole.after(&meter, Instant::now());
        assert!(rest.check(4).is_ok());
        let refused = rest.check(5);
        assert!(matches!(
            refused,
            Err(DecodeError::TooComplex { work: 11, .. })
        ));
        let meter = rest.meter().unwrap();
        meter.spend(4).unwrap();
        assert_eq!(rest.spent_since(&meter), 4);
        assert!(meter.spend(1).is_err());
    }

    #[test]
    fn work_ends_at_the_deadline_of_its_caller() {
        let late = CallContext::local().until(Instant::now());
        let late = WorkBudget::new(&CodecSettings::default(), late).meter();
        assert!(matches!(late, Err(DecodeError::TimedOut)), "{late:?}");
    }

    #[test]
    fn turns_share_one_time() {
        let whole = budget(10, Duration::from_hours(1));
        let meter = whole.meter().unwrap();
        let began = Instant::now().checked_sub(Duration::from_hours(2));
        let rest = whole.after(&meter, began.unwrap_or_else(Instant::now));
        let late = rest.meter();
        assert!(matches!(late, Err(DecodeError::TimedOut)), "{late:?}");
    }
}
