//! A circuit breaker: a failing upstream is not called for a while.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::ports::UpstreamError;
use tokio::time::Instant;

/// How many consecutive failures open the breaker.
const FAILURES: u32 = 10;
/// How long it stays open after failures.
const OPEN: Duration = Duration::from_secs(10);
/// How long it stays open after an exhausted quota without a renewal time.
const QUOTA_OPEN: Duration = Duration::from_mins(1);

/// Counts failures, and rejects calls while open.
///
/// Ten consecutive failures (5xx, time-outs, resets) open it for ten seconds, an exhausted quota until the
/// quota is renewed. Then it is half-open: one trial call is admitted; the others are rejected until its
/// outcome is known.
#[derive(Debug, Default)]
pub struct CircuitBreaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
    is_trying: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    for_quota: bool,
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It admits them.
    Closed,
    /// It admits one, whose outcome decides.
    HalfOpen,
    /// It rejects them.
    Open,
}

impl CircuitBreaker {
    /// What it does with calls now.
    pub fn current(&self) -> BreakerState {
        match self.state().open {
            None => BreakerState::Closed,
            Some(open) if Instant::now() < open.until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Admits a call, or rejects it with the upstream's error. The outcome must be reported to the pass.
    pub fn admit(&self) -> Result<Pass<'_>, UpstreamError> {
        let mut state = self.state();
        let Some(open) = state.open else {
            return Ok(Pass {
                breaker: self,
                is_trial: false,
            });
        };
        let now = Instant::now();
        if now < open.until || state.is_trying {
            return Err(open.refusal(now));
        }
        state.is_trying = true;
        Ok(Pass {
            breaker: self,
            is_trial: true,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn refusal(self, now: Instant) -> UpstreamError {
        let left = self
            .until
            .saturating_duration_since(now)
            .max(Duration::from_secs(1));
        let retry_after = Some(left);
        if self.for_quota {
            UpstreamError::QuotaExhausted { retry_after }
        } else {
            UpstreamError::Busy { retry_after }
        }
    }
}

/// Permission for one call, which must report its outcome.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a CircuitBreaker,
    is_trial: bool,
}

impl Pass<'_> {
    /// Reports the outcome of the call.
    pub fn note(self, failure: Option<&UpstreamError>) {
        let mut state = self.breaker.state();
        match failure {
            Some(UpstreamError::TimedOut | UpstreamError::Unavailable { .. }) => {
                state.failures = state.failures.saturating_add(1);
                if self.is_trial || state.failures >= FAILURES {
                    state.open(OPEN, false);
                }
            }
            Some(UpstreamError::QuotaExhausted { retry_after }) => {
                state.open(retry_after.unwrap_or(QUOTA_OPEN), true);
            }
            // Any other response, even a refusal, shows that the upstream is alive.
            _ => {
                state.failures = 0;
                if self.is_trial {
                    state.open = None;
                }
            }
        }
    }
}

impl Drop for Pass<'_> {
    /// A cancelled call has no outcome: the next one is the trial.
    fn drop(&mut self) {
        if self.is_trial {
            self.breaker.state().is_trying = false;
        }
    }
}

impl State {
    fn open(&mut self, duration: Duration, for_quota: bool) {
        self.open = Some(Open {
            until: Instant::now() + duration,
            for_quota,
        });
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::cause;
    use tokio::time::advance;

    use super::*;

    fn unavailable() -> UpstreamError {
        UpstreamError::Unavailable {
            retry_after: None,
            source: cause("500"),
        }
    }

    fn fail(breaker: &CircuitBreaker, times: u32) {
        for _ in 0..times {
            breaker.admit().unwrap().note(Some(&unavailable()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ten_failures_in_a_row_open_it_for_ten_seconds() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, 9);
        breaker.admit().unwrap().note(None);
        fail(&breaker, 9);
        breaker
            .admit()
            .unwrap()
            .note(Some(&UpstreamError::TimedOut));
        assert!(matches!(
            breaker.admit(),
            Err(UpstreamError::Busy {
                retry_after: Some(_)
            })
        ));
        advance(Duration::from_millis(9_999)).await;
        assert!(breaker.admit().is_err());
        assert_eq!(breaker.current(), BreakerState::Open);
        advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.current(), BreakerState::HalfOpen);
        breaker.admit().unwrap().note(None);
        assert_eq!(breaker.current(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_tries_and_decides() {
        let breaker = CircuitBreaker::default();
        fail(&breaker, 10);
        advance(OPEN).await;
        let trial = breaker.admit().unwrap();
        assert!(breaker.admit().is_err(), "only one may try");
        trial.note(Some(&unavailable()));
        assert!(
            breaker.admit().is_err(),
            "one failure of the trial opens it again"
        );
        advance(OPEN).await;
        drop(breaker.admit().unwrap());
        breaker
            .admit()
            .expect("a trial that was given up makes room")
            .note(None);
        fail(&breaker, 9);
        assert!(breaker.admit().is_ok(), "closed, and counting from nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_opens_it_until_it_is_renewed() {
        let breaker = CircuitBreaker::default();
        let exhausted = |retry_after| UpstreamError::QuotaExhausted { retry_after };
        breaker
            .admit()
            .unwrap()
            .note(Some(&exhausted(Some(Duration::from_hours(1)))));
        advance(Duration::from_mins(50)).await;
        let Err(UpstreamError::QuotaExhausted {
            retry_after: Some(left),
        }) = breaker.admit()
        else {
            panic!("the quota is still exhausted");
        };
        assert_eq!(left, Duration::from_mins(10));
        advance(left).await;
        breaker.admit().unwrap().note(Some(&exhausted(None)));
        advance(Duration::from_secs(59)).await;
        assert!(breaker.admit().is_err());
        advance(Duration::from_secs(1)).await;
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_and_nonsense_never_open_it() {
        let breaker = CircuitBreaker::default();
        for _ in 0..50 {
            breaker
                .admit()
                .unwrap()
                .note(Some(&UpstreamError::Refused(cause("401"))));
            breaker
                .admit()
                .unwrap()
                .note(Some(&UpstreamError::Malformed(cause("?"))));
            breaker
                .admit()
                .unwrap()
                .note(Some(&UpstreamError::Busy { retry_after: None }));
        }
        assert!(breaker.admit().is_ok());
    }
}
