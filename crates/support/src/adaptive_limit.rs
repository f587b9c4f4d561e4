//! How many calls an upstream gets at a time.

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

/// How many callers may wait for each place, and how many in any case. More would wait in vain.
const QUEUE_PER_PLACE: usize = 4;
const QUEUE_AT_LEAST: usize = 64;

/// Places for calls, handed out in the order they were asked for.
///
/// The number of places halves when the upstream says that it has enough (429), and grows by about
/// one for each round of calls that went well, up to where it began (additive increase,
/// multiplicative decrease, as TCP does; RFC 5681).
#[derive(Debug)]
pub struct AdaptiveLimit {
    places: Arc<Semaphore>,
    most: u32,
    wait: Duration,
    queue: usize,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many places there should be.
    limit: f64,
    /// How many there are, free and taken.
    places: u32,
    lowered_at: Option<Instant>,
}

impl AdaptiveLimit {
    /// Starts with the most places there may be. A caller waits for one no longer than `wait`.
    pub fn new(most: u32, wait: Duration) -> Self {
        let most = most.max(1);
        Self {
            places: Arc::new(Semaphore::new(most as usize)),
            most,
            wait,
            queue: (most as usize * QUEUE_PER_PLACE).max(QUEUE_AT_LEAST),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                limit: f64::from(most),
                places: most,
                lowered_at: None,
            }),
        }
    }

    /// Waits for a place, unless too many do so already.
    pub async fn place(&self) -> Result<Place<'_>, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(self.taken(permit));
        }
        let _turn = self.turn()?;
        match timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.taken(permit)),
            _ => Err(self.full()),
        }
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Place<'_> {
        Place {
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

    /// How many calls may be under way now.
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
        let surplus = state.places.saturating_sub(state.target());
        // Places that are taken now are withdrawn when they come back.
        let withdrawn = self.places.forget_permits(surplus as usize);
        state.places -= u32::try_from(withdrawn).unwrap_or(surplus);
    }

    fn raise(&self) {
        let mut state = self.state();
        state.limit = (state.limit + 1.0 / state.limit).min(f64::from(self.most));
        if state.places < state.target() {
            state.places += 1;
            self.places.add_permits(1);
        }
    }

    fn give_back(&self, permit: OwnedSemaphorePermit) {
        let mut state = self.state();
        if state.places > state.target() {
            state.places -= 1;
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

/// A turn in the queue.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place for one call; given back when dropped.
#[derive(Debug)]
pub struct Place<'a> {
    limiter: &'a AdaptiveLimit,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place<'_> {
    /// Tells the limiter how the call went.
    pub fn note(&self, failure: Option<&UpstreamError>) {
        match failure {
            None => self.limiter.raise(),
            Some(UpstreamError::Busy { .. }) => self.limiter.lower(),
            Some(_) => {}
        }
    }
}

impl Drop for Place<'_> {
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

    async fn places(limiter: &AdaptiveLimit, count: usize) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(limiter.place().await.unwrap());
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_back() {
        let limiter = AdaptiveLimit::new(2, Duration::from_secs(5));
        let held = places(&limiter, 2).await;
        let refusal = limiter.place().await.unwrap_err();
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(5)));
        drop(held);
        assert!(limiter.place().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_a_full_queue_is_told_at_once() {
        let limiter = AdaptiveLimit::new(1, Duration::from_secs(5));
        let held = places(&limiter, 1).await;
        let began = Instant::now();
        let waiting = (0..=QUEUE_AT_LEAST).map(|_| async {
            let outcome = limiter.place().await.map(drop);
            (outcome.is_ok(), began.elapsed())
        });
        let outcomes = futures_util::future::join_all(waiting).await;
        let told_at_once = outcomes.iter().filter(|(_, time)| time.is_zero()).count();
        assert_eq!(told_at_once, 1);
        assert!(outcomes.iter().all(|(is_placed, _)| !is_placed));
        drop(held);
        assert!(limiter.place().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn halves_once_for_429s_that_come_together_and_grows_back() {
        let limiter = AdaptiveLimit::new(8, Duration::from_secs(1));
        let held = places(&limiter, 8).await;
        for place in &held {
            place.note(Some(&BUSY));
        }
        assert_eq!(limiter.limit(), 4);
        drop(held);
        let held = places(&limiter, 4).await;
        assert!(
            limiter.place().await.is_err(),
            "the taken places were withdrawn"
        );
        advance(LOWER_AT_MOST_EVERY).await;
        held[0].note(Some(&BUSY));
        assert_eq!(limiter.limit(), 2);
        drop(held);
        for _ in 0..64 {
            limiter.place().await.unwrap().note(None);
        }
        assert_eq!(limiter.limit(), 8);
        assert_eq!(places(&limiter, 8).await.len(), 8);
        assert_eq!(limiter.places.available_permits(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn never_falls_below_one() {
        let limiter = AdaptiveLimit::new(2, Duration::from_secs(1));
        for _ in 0..5 {
            limiter.place().await.unwrap().note(Some(&BUSY));
            advance(LOWER_AT_MOST_EVERY).await;
        }
        assert_eq!(limiter.limit(), 1);
        assert!(limiter.place().await.is_ok());
    }
}
