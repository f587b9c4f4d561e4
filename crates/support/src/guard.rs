//! Guarded calls to an upstream: queue, breaker, time-out and retries.

use std::{future::Future, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use domain::ports::{CallContext, UpstreamError};
use tokio::time::timeout;

use crate::{AdaptiveLimit, BreakerState, CircuitBreaker, LimitUsage};

/// When and how often a call is retried.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The total number of attempts; 1 never retries.
    pub attempts: usize,
    /// The wait before the first retry; doubled each time, with jitter.
    pub first_wait: Duration,
    /// The longest wait. If the upstream asks for more, the call fails.
    pub longest_wait: Duration,
}

impl RetryPolicy {
    /// For calls that a client waits for.
    pub const PROMPT: Self = Self {
        attempts: 4,
        first_wait: Duration::from_millis(250),
        longest_wait: Duration::from_secs(5),
    };

    /// Leaves retries to the caller.
    pub const NEVER: Self = Self {
        attempts: 1,
        first_wait: Duration::ZERO,
        longest_wait: Duration::ZERO,
    };

    fn backoff(self) -> impl BackoffBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
    }

    /// The wait before the next attempt, at least what the upstream asked for; `None` gives up.
    fn wait(self, error: &UpstreamError, planned: Option<Duration>) -> Option<Duration> {
        let wait = planned?.max(error.retry_after().unwrap_or_default());
        // Jitter may exceed our own longest wait, so only the requested one is compared.
        (error.retry_after().unwrap_or_default() <= self.longest_wait).then_some(wait)
    }
}

/// Limits of calls to an upstream.
#[derive(Debug, Clone, Copy)]
pub struct GuardSettings {
    /// Most concurrent calls.
    pub concurrency: u32,
    /// The longest wait for a permit.
    pub queue_wait: Duration,
    /// Time-out of one attempt.
    pub attempt_timeout: Duration,
    /// The retry policy.
    pub retry: RetryPolicy,
}

/// Guards the calls to one upstream.
#[derive(Debug)]
pub struct Guard {
    breaker: Arc<CircuitBreaker>,
    limiter: Arc<AdaptiveLimit>,
    attempt_timeout: Duration,
    retry: RetryPolicy,
}

/// A view of a guard, for measuring.
#[derive(Debug, Clone)]
pub struct GuardView {
    breaker: Arc<CircuitBreaker>,
    limiter: Arc<AdaptiveLimit>,
}

impl GuardView {
    /// What its breaker does with calls now.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.current()
    }

    /// The calls that it admits now.
    pub fn limit(&self) -> LimitUsage {
        self.limiter.usage()
    }
}

impl Guard {
    /// A view of this guard.
    pub fn view(&self) -> GuardView {
        GuardView {
            breaker: Arc::clone(&self.breaker),
            limiter: Arc::clone(&self.limiter),
        }
    }

    /// Guards of the same upstream share its breaker.
    pub fn new(breaker: Arc<CircuitBreaker>, settings: &GuardSettings) -> Self {
        Self {
            breaker,
            limiter: Arc::new(AdaptiveLimit::new(
                settings.concurrency,
                settings.queue_wait,
            )),
            attempt_timeout: settings.attempt_timeout,
            retry: settings.retry,
        }
    }

    /// Calls, and retries where that is safe and useful: after 429, 5xx and lost connections, never after a
    /// time-out (the client has waited long enough) or a refusal. No attempt starts once the caller has
    /// gone, and none outlasts the caller's deadline.
    pub async fn call<T, F>(
        &self,
        context: &CallContext,
        operation: impl Fn() -> F,
    ) -> Result<T, UpstreamError>
    where
        F: Future<Output = Result<T, UpstreamError>>,
    {
        (|| self.attempt(context, &operation))
            .retry(self.retry.backoff())
            .when(|failure: &Failure| failure.is_worth_repeating())
            .adjust(|failure, planned| self.retry.wait(&failure.error, planned))
            .notify(|failure, wait| {
                tracing::debug!(error = %failure.error, ?wait, "an upstream call is repeated");
            })
            .await
            .map_err(|failure| failure.error)
    }

    async fn attempt<T, F>(
        &self,
        context: &CallContext,
        operation: &impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, UpstreamError>>,
    {
        // Checked before the queue, so that no caller waits for an upstream known to be down, and after it,
        // because the breaker may have opened meanwhile.
        drop(self.breaker.admit().map_err(Failure::refused)?);
        let permit = timeout(context.at_most(Duration::MAX), self.limiter.acquire())
            .await
            .unwrap_or(Err(UpstreamError::TimedOut))
            .map_err(Failure::refused)?;
        context.check().map_err(Failure::refused)?;
        let pass = self.breaker.admit().map_err(Failure::refused)?;
        let time = context.at_most(self.attempt_timeout);
        let outcome = timeout(time, operation())
            .await
            .unwrap_or(Err(UpstreamError::TimedOut));
        // A call that was cancelled by its caller says nothing about the upstream.
        match &outcome {
            Err(UpstreamError::Cancelled) => return outcome.map_err(Failure::refused),
            Err(UpstreamError::TimedOut) if time < self.attempt_timeout => {
                return outcome.map_err(Failure::refused);
            }
            _ => {}
        }
        pass.note(outcome.as_ref().err());
        permit.note(outcome.as_ref().err());
        outcome.map_err(|error| Failure {
            error,
            was_called: true,
        })
    }
}

struct Failure {
    error: UpstreamError,
    /// Whether the upstream was called; otherwise the guard rejected the call.
    was_called: bool,
}

impl Failure {
    fn refused(error: UpstreamError) -> Self {
        Self {
            error,
            was_called: false,
        }
    }

    fn is_worth_repeating(&self) -> bool {
        self.was_called
            && matches!(
                self.error,
                UpstreamError::Busy { .. } | UpstreamError::Unavailable { .. }
            )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::ports::cause;
    use tokio::time::Instant;

    use super::*;

    fn guard() -> Guard {
        let settings = GuardSettings {
            concurrency: 4,
            queue_wait: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(30),
            retry: RetryPolicy::PROMPT,
        };
        Guard::new(Arc::default(), &settings)
    }

    /// Fails that often with the error, then returns the number of calls.
    async fn after_failures(
        guard: &Guard,
        failures: usize,
        error: UpstreamError,
    ) -> (usize, Result<usize, UpstreamError>) {
        let calls = AtomicUsize::new(0);
        let outcome = guard
            .call(&CallContext::local(), || async {
                let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
                if call <= failures {
                    Err(error.clone())
                } else {
                    Ok(call)
                }
            })
            .await;
        (calls.into_inner(), outcome)
    }

    fn unavailable(retry_after: Option<Duration>) -> UpstreamError {
        UpstreamError::Unavailable {
            retry_after,
            source: cause("reset"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_temporary_errors() {
        let (calls, outcome) = after_failures(&guard(), 3, unavailable(None)).await;
        assert_eq!((calls, outcome.unwrap()), (4, 4));
        let busy = UpstreamError::Busy { retry_after: None };
        let (calls, outcome) = after_failures(&guard(), 9, busy).await;
        assert_eq!(calls, 4);
        assert!(matches!(outcome, Err(UpstreamError::Busy { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_upstream_asks_or_not_at_all() {
        let began = Instant::now();
        let asked = Duration::from_secs(4);
        let (calls, outcome) = after_failures(&guard(), 1, unavailable(Some(asked))).await;
        assert_eq!((calls, outcome.unwrap()), (2, 2));
        assert!(began.elapsed() >= asked);

        let began = Instant::now();
        let (calls, outcome) =
            after_failures(&guard(), 1, unavailable(Some(Duration::from_secs(6)))).await;
        assert_eq!(calls, 1);
        assert_eq!(
            outcome.unwrap_err().retry_after(),
            Some(Duration::from_secs(6))
        );
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_starts_once_the_caller_has_gone() {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        let leaving = CallContext::cancelled_when(move || seen.load(Ordering::SeqCst) >= 2);
        let outcome: Result<(), _> = guard()
            .call(&leaving, || async {
                calls.fetch_add(1, Ordering::SeqCst);
                Err(unavailable(None))
            })
            .await;
        assert!(matches!(outcome, Err(UpstreamError::Cancelled)));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_outlasts_the_callers_deadline() {
        let (guard, began) = (guard(), Instant::now());
        let second = Duration::from_secs(1);
        let context = CallContext::local().until(std::time::Instant::now() + second);
        let outcome = guard
            .call(&context, std::future::pending::<Result<(), _>>)
            .await;
        assert!(matches!(outcome, Err(UpstreamError::TimedOut)));
        assert!(began.elapsed() <= second, "{:?}", began.elapsed());
        let late = CallContext::local().until(std::time::Instant::now());
        let outcome = guard.call(&late, || async { Ok(()) }).await;
        assert!(matches!(outcome, Err(UpstreamError::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_call_does_not_open_the_breaker() {
        let (guard, hour) = (guard(), Duration::from_hours(1));
        for _ in 0..20 {
            let calls = AtomicUsize::new(0);
            let outcome: Result<(), _> = guard
                .call(
                    &CallContext::local().until(std::time::Instant::now() + hour),
                    || {
                        calls.fetch_add(1, Ordering::SeqCst);
                        async { Err(UpstreamError::Cancelled) }
                    },
                )
                .await;
            assert!(matches!(outcome, Err(UpstreamError::Cancelled)));
            assert_eq!(calls.into_inner(), 1);
            let soon = std::time::Instant::now() + Duration::from_millis(1);
            let outcome = guard
                .call(
                    &CallContext::local().until(soon),
                    std::future::pending::<Result<(), _>>,
                )
                .await;
            assert!(matches!(outcome, Err(UpstreamError::TimedOut)));
        }
        assert!(
            after_failures(&guard, 0, UpstreamError::TimedOut)
                .await
                .1
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn retries_nothing_else() {
        for error in [
            UpstreamError::TimedOut,
            UpstreamError::Refused(cause("401")),
            UpstreamError::Malformed(cause("?")),
            UpstreamError::Unreadable(cause("400")),
            UpstreamError::QuotaExhausted { retry_after: None },
        ] {
            assert_eq!(after_failures(&guard(), 1, error).await.0, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_call_times_out_and_delays_no_other() {
        let guard = Arc::new(guard());
        let hung = tokio::spawn({
            let guard = Arc::clone(&guard);
            async move {
                guard
                    .call(&CallContext::local(), std::future::pending::<Result<(), _>>)
                    .await
            }
        });
        tokio::task::yield_now().await;
        let began = Instant::now();
        guard
            .call(&CallContext::local(), || async { Ok(()) })
            .await
            .unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(matches!(hung.await.unwrap(), Err(UpstreamError::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_attempt_counts_and_an_open_breaker_rejects() {
        let guard = guard();
        for _ in 0..2 {
            assert_eq!(after_failures(&guard, 9, unavailable(None)).await.0, 4);
        }
        assert_eq!(after_failures(&guard, 9, unavailable(None)).await.0, 2);
        let (calls, outcome) = after_failures(&guard, 0, unavailable(None)).await;
        assert_eq!(calls, 0);
        assert!(matches!(
            outcome,
            Err(UpstreamError::Busy {
                retry_after: Some(_)
            })
        ));
    }
}
