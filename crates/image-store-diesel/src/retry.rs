//! Deadline and retries of a call.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use domain::ports::{ImageStoreError, cause};
use tokio::time::timeout;

/// Retries an operation on conflicts with other transactions, within one deadline for all attempts.
pub(crate) async fn with_retries<T, F>(
    deadline: Duration,
    operation: impl FnMut() -> F,
) -> Result<T, ImageStoreError>
where
    F: Future<Output = Result<T, ImageStoreError>>,
{
    let repeated = operation
        .retry(backoff())
        .when(ImageStoreError::is_temporary);
    in_time(deadline, repeated).await
}

/// Aborts a hanging call at its deadline.
pub(crate) async fn in_time<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ImageStoreError>>,
) -> Result<T, ImageStoreError> {
    timeout(deadline, call).await.unwrap_or_else(|_| {
        Err(ImageStoreError::Unavailable(cause(
            "the database did not answer in time",
        )))
    })
}

/// A deadlock clears within milliseconds, a removal within less than a second.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(10)
        .with_jitter()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn contended() -> ImageStoreError {
        ImageStoreError::Contended(cause("lock"))
    }

    #[tokio::test(start_paused = true)]
    async fn retries_conflicts() {
        let calls = Cell::new(0);
        let outcome = with_retries(DEADLINE, || async {
            calls.set(calls.get() + 1);
            if calls.get() < 4 {
                Err(contended())
            } else {
                Ok(())
            }
        });
        outcome.await.unwrap();
        assert_eq!(calls.get(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_at_most_ten_times() {
        let calls = Cell::new(0);
        let outcome: Result<(), _> = with_retries(DEADLINE, || async {
            calls.set(calls.get() + 1);
            Err(contended())
        })
        .await;
        assert!(matches!(outcome, Err(ImageStoreError::Contended(_))));
        assert_eq!(calls.get(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_nothing_else() {
        let calls = Cell::new(0);
        let outcome: Result<(), _> = with_retries(DEADLINE, || async {
            calls.set(calls.get() + 1);
            Err(ImageStoreError::Unavailable(cause("gone")))
        })
        .await;
        assert!(matches!(outcome, Err(ImageStoreError::Unavailable(_))));
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn aborts_hanging_calls() {
        let hung = with_retries(DEADLINE, std::future::pending::<Result<(), _>>).await;
        assert!(matches!(hung, Err(ImageStoreError::Unavailable(_))));
    }
}
