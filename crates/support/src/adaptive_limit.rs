//! An adaptive limit of concurrent calls to an upstream.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::ports::UpstreamError;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// A burst of 429s is one signal: the limit is halved at most once a second.
const LOWER_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// How many callers may wait per permit, and how many at least. More would time out anyway.
const QUEUE_PER_PERMIT: usize = 4;
const QUEUE_AT_LEAST: usize = 64;

/// Permits for calls, granted in FIFO order.
///
/// The number of permits halves when the upstream is overloaded (429), and grows by about one for each
/// round of successful calls, up to its initial value (additive increase, multiplicative decrease, as in
/// TCP; RFC 5681).
#[derive(Debug)]
pub struct AdaptiveLimit {
    permits: Arc<Semaphore>,
    most: u32,
    wait: Duration,
    queue: usize,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

/// The calls that a limit admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUsage {
    /// Calls in flight.
    pub in_flight: usize,
    /// How many may be in flight now.
    pub limit: usize,
    /// Callers that wait for a permit.
    pub waiting: usize,
}

#[derive(Debug)]
struct State {
    /// The target number of permits.
    limit: f64,
    /// The existing permits, free and taken.
    permits: u32,
    lowered_at: Option<Instant>,
}

impl AdaptiveLimit {
    /// Starts with `most` permits, the maximum. A caller waits for one no longer than `wait`.
    pub fn new(most: u32, wait: Duration) -> Self {
        let most = most.max(1);
        Self {
            permits: Arc::new(Semaphore::new(most as usize)),
            most,
            wait,
            queue: (most as usize * QUEUE_PER_PERMIT).max(QUEUE_AT_LEAST),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                limit: f64::from(most),
                permits: most,
                lowered_at: None,
            }),
        }
    }

    /// Waits for a permit, unless the queue is full.
    pub async fn acquire(&self) -> Result<Permit<'_>, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(self.taken(permit));
        }
        let _turn = self.turn()?;
        match timeout(self.wait, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.taken(permit)),
            _ => Err(self.full()),
        }
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Permit<'_> {
        Permit {
            limiter: self,
            permit: Some(permit),
        }
    }

    fn turn(&self) -> Result<Turn<'_>, UpstreamError> {
        let turn = Turn(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            return Err(self.full());
        }
        Ok(turn)
    }

    fn full(&self) -> UpstreamError {
        UpstreamError::Busy {
            retry_after: Some(self.wait),
        }
    }

    /// The calls that it admits now.
    pub fn usage(&self) -> LimitUsage {
        let state = self.state();
        let free = self.permits.available_permits();
        LimitUsage {
            in_flight: (state.permits as usize).saturating_sub(free),
            limit: state.target() as usize,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// How many calls may be in flight now.
    #[cfg(test)]
    fn limit(&self) -> u32 {
        self.state().target()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lower(&self) {
        let mut state = self.state();
        let now = Instant::now();
        if state
            .lowered_at
            .is_some_and(|at| now < at + LOWER_AT_MOST_EVERY)
        {
            return;
        }
        state.lowered_at = Some(now);
        state.limit = (state.limit / 2.0).max(1.0);
        let surplus = state.permits.saturating_sub(state.target());
        // Permits in use are withdrawn when they are returned.
        let withdrawn = self.permits.forget_permits(surplus as usize);
        state.permits -= u32::try_from(withdrawn).unwrap_or(surplus);
    }

    fn raise(&self) {
        let mut state = self.state();
        state.limit = (state.limit + 1.0 / state.limit).min(f64::from(self.most));
        if state.permits < state.target() {
            state.permits += 1;
            self.permits.add_permits(1);
        }
    }

    fn give_back(&self, permit: OwnedSemaphorePermit) {
        let mut state = self.state();
        if state.permits > state.target() {
            state.permits -= 1;
            permit.forget();
        }
    }
}

impl State {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the limit lies between 1 and a u32"
    )]
    fn target(&self) -> u32 {
        self.limit as u32
    }
}

/// A slot in the queue.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A permit for one call, returned on drop.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a AdaptiveLimit,
    permit: Option<OwnedSemaphorePermit>,
}

impl Permit<'_> {
    /// Reports the outcome of the call.
    pub fn note(&self, failure: Option<&UpstreamError>) {
        match failure {
            None => self.limiter.raise(),
            Some(UpstreamError::Busy { .. }) => self.limiter.lower(),
            Some(_) => {}
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.limiter.give_back(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const BUSY: UpstreamError = UpstreamError::Busy { retry_after: None };

    async fn permits(limiter: &AdaptiveLimit, count: usize) -> Vec<Permit<'_>> {
        let mut permits = Vec::new();
        for _ in 0..count {
            permits.push(limiter.acquire().await.unwrap());
        }
        permits
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_too_long_is_busy() {
        let limiter = AdaptiveLimit::new(2, Duration::from_secs(5));
        let held = permits(&limiter, 2).await;
        let used = LimitUsage {
            in_flight: 2,
            limit: 2,
            waiting: 0,
        };
        assert_eq!(limiter.usage(), used);
        let refusal = limiter.acquire().await.unwrap_err();
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(5)));
        drop(held);
        assert!(limiter.acquire().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn full_queue_is_busy_at_once() {
        let limiter = AdaptiveLimit::new(1, Duration::from_secs(5));
        let held = permits(&limiter, 1).await;
        let began = Instant::now();
        let waiting = (0..=QUEUE_AT_LEAST).map(|_| async {
            let outcome = limiter.acquire().await.map(drop);
            (outcome.is_ok(), began.elapsed())
        });
        let outcomes = futures_util::future::join_all(waiting).await;
        let told_at_once = outcomes.iter().filter(|(_, time)| time.is_zero()).count();
        assert_eq!(told_at_once, 1);
        assert!(outcomes.iter().all(|(is_placed, _)| !is_placed));
        drop(held);
        assert!(limiter.acquire().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn halves_once_per_burst_of_429s_and_recovers() {
        let limiter = AdaptiveLimit::new(8, Duration::from_secs(1));
        let held = permits(&limiter, 8).await;
        for permit in &held {
            permit.note(Some(&BUSY));
        }
        assert_eq!(limiter.limit(), 4);
        drop(held);
        let held = permits(&limiter, 4).await;
        assert!(
            limiter.acquire().await.is_err(),
            "the taken permits were withdrawn"
        );
        advance(LOWER_AT_MOST_EVERY).await;
        held[0].note(Some(&BUSY));
        assert_eq!(limiter.limit(), 2);
        drop(held);
        for _ in 0..64 {
            limiter.acquire().await.unwrap().note(None);
        }
        assert_eq!(limiter.limit(), 8);
        assert_eq!(permits(&limiter, 8).await.len(), 8);
        assert_eq!(limiter.permits.available_permits(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn never_falls_below_one() {
        let limiter = AdaptiveLimit::new(2, Duration::from_secs(1));
        for _ in 0..5 {
            limiter.acquire().await.unwrap().note(Some(&BUSY));
            advance(LOWER_AT_MOST_EVERY).await;
        }
        assert_eq!(limiter.limit(), 1);
        assert!(limiter.acquire().await.is_ok());
    }
}
