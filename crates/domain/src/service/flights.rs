//! One piece of work shared by all who ask for it at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

type Table<K, T> = Arc<Mutex<HashMap<K, Weak<Flight<K, T>>>>>;

/// Work under way, by key: who comes second waits for the first one's outcome.
pub(super) struct Flights<K: Eq + Hash, T>(Table<K, T>);

/// A place in some work under way.
///
/// The work is driven by whoever waits for its outcome, and dropped only when nobody holds a place
/// any more. Who holds a place after the outcome is there lets others still join it: that is how an
/// outcome that is yet to be stored is not worked out twice.
pub(super) struct Flight<K: Eq + Hash, T> {
    work: Shared<BoxFuture<'static, T>>,
    table: Table<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// Joins the work under way for that key, or begins it.
    pub(super) fn join(
        &self,
        key: &K,
        begin: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Arc<Flight<K, T>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = table.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::new(Flight {
            work: begin().shared(),
            table: Arc::clone(&self.0),
            key: key.clone(),
        });
        table.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }
}

impl<K: Eq + Hash, T: Clone> Flight<K, T> {
    /// Waits for the outcome.
    pub(super) async fn outcome(&self) -> T {
        self.work.clone().await
    }
}

impl<K: Eq + Hash, T> Drop for Flight<K, T> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // A newer flight may stand there by now.
        if table
            .get(&self.key)
            .is_some_and(|flight| flight.strong_count() == 0)
        {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted(count: &Arc<AtomicUsize>) -> impl FnOnce() -> BoxFuture<'static, usize> {
        let count = Arc::clone(count);
        || {
            async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::SeqCst) + 1
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn those_who_hold_a_place_share_one_outcome() {
        let (flights, count) = (Flights::<u8, usize>::default(), Arc::default());
        let (first, second) = (
            flights.join(&1, counted(&count)),
            flights.join(&1, counted(&count)),
        );
        assert_eq!(tokio::join!(first.outcome(), second.outcome()), (1, 1));
        drop(first);
        assert_eq!(
            flights.join(&1, counted(&count)).outcome().await,
            1,
            "one still holds a place"
        );
        drop(second);
        assert_eq!(
            flights.join(&1, counted(&count)).outcome().await,
            2,
            "nobody does any more"
        );
        assert!(flights.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn work_outlives_the_one_that_began_it() {
        let (flights, count) = (Flights::<u8, usize>::default(), Arc::default());
        let first = flights.join(&1, counted(&count));
        let second = flights.join(&1, counted(&count));
        assert!(first.outcome().now_or_never().is_none());
        drop(first);
        assert_eq!(second.outcome().await, 1);
    }

    #[tokio::test]
    async fn work_that_everybody_left_is_begun_anew() {
        let flights = Flights::<u8, u8>::default();
        drop(flights.join(&1, || std::future::pending().boxed()));
        assert_eq!(flights.join(&1, || async { 7 }.boxed()).outcome().await, 7);
    }

    #[tokio::test]
    async fn other_keys_are_other_work() {
        let flights = Flights::<u8, u8>::default();
        let one = flights.join(&1, || async { 1 }.boxed());
        let two = flights.join(&2, || async { 2 }.boxed());
        assert_eq!(tokio::join!(one.outcome(), two.outcome()), (1, 2));
    }
}
