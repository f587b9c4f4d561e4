//! One piece of work shared by all who ask for it at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use crate::ports::Interest;

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
    audience: Arc<Audience>,
    table: Table<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// Joins the work under way for that key, or begins it. The work is told who is interested in it:
    /// all who joined.
    pub(super) fn join(
        &self,
        key: &K,
        interest: Interest,
        begin: impl FnOnce(Interest) -> BoxFuture<'static, T>,
    ) -> Arc<Flight<K, T>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = table.get(key).and_then(Weak::upgrade)
            && flight.audience.join(&interest)
        {
            return flight;
        }
        let audience = Arc::new(Audience::of(interest));
        let flight = Arc::new(Flight {
            work: begin(audience.interest()).shared(),
            audience,
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

/// Those who are interested in some work. None once the work was told that they are all gone: nobody
/// can join it then, because it may be given up.
struct Audience(Mutex<Option<Vec<Interest>>>);

impl Audience {
    fn of(first: Interest) -> Self {
        Self(Mutex::new(Some(vec![first])))
    }

    fn members(&self) -> MutexGuard<'_, Option<Vec<Interest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether that was still possible.
    fn join(&self, interest: &Interest) -> bool {
        let mut members = self.members();
        if let Some(members) = &mut *members {
            members.push(interest.clone());
        }
        members.is_some()
    }

    /// The interest of them all.
    fn interest(self: &Arc<Self>) -> Interest {
        let audience = Arc::clone(self);
        Interest::new(move || audience.is_there())
    }

    fn is_there(&self) -> bool {
        let mut members = self.members();
        let is_there = members
            .as_ref()
            .is_some_and(|members| members.iter().any(Interest::is_there));
        if !is_there {
            *members = None;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn counted(count: &Arc<AtomicUsize>) -> impl FnOnce(Interest) -> BoxFuture<'static, usize> {
        let count = Arc::clone(count);
        |_| {
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
            flights.join(&1, Interest::lasting(), counted(&count)),
            flights.join(&1, Interest::lasting(), counted(&count)),
        );
        assert_eq!(tokio::join!(first.outcome(), second.outcome()), (1, 1));
        drop(first);
        assert_eq!(
            flights
                .join(&1, Interest::lasting(), counted(&count))
                .outcome()
                .await,
            1,
            "one still holds a place"
        );
        drop(second);
        assert_eq!(
            flights
                .join(&1, Interest::lasting(), counted(&count))
                .outcome()
                .await,
            2,
            "nobody does any more"
        );
        assert!(flights.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn work_outlives_the_one_that_began_it() {
        let (flights, count) = (Flights::<u8, usize>::default(), Arc::default());
        let first = flights.join(&1, Interest::lasting(), counted(&count));
        let second = flights.join(&1, Interest::lasting(), counted(&count));
        assert!(first.outcome().now_or_never().is_none());
        drop(first);
        assert_eq!(second.outcome().await, 1);
    }

    #[tokio::test]
    async fn work_that_everybody_left_is_begun_anew() {
        let flights = Flights::<u8, u8>::default();
        drop(flights.join(&1, Interest::lasting(), |_| std::future::pending().boxed()));
        assert_eq!(
            flights
                .join(&1, Interest::lasting(), |_| async { 7 }.boxed())
                .outcome()
                .await,
            7
        );
    }

    #[tokio::test]
    async fn other_keys_are_other_work() {
        let flights = Flights::<u8, u8>::default();
        let one = flights.join(&1, Interest::lasting(), |_| async { 1 }.boxed());
        let two = flights.join(&2, Interest::lasting(), |_| async { 2 }.boxed());
        assert_eq!(tokio::join!(one.outcome(), two.outcome()), (1, 2));
    }

    /// Somebody who goes away when told to.
    fn leaving() -> (Interest, Arc<AtomicBool>) {
        let is_there = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&is_there);
        let interest = Interest::new(move || seen.load(Ordering::SeqCst));
        (interest, is_there)
    }

    #[test]
    fn work_is_wanted_while_anybody_is_there() {
        let flights = Flights::<u8, bool>::default();
        let ((first, first_is_there), (second, second_is_there)) = (leaving(), leaving());
        let begin = |interest: Interest| async move { interest.is_there() }.boxed();
        let flight = flights.join(&1, first, begin);
        let joined = flights.join(&1, second, begin);
        first_is_there.store(false, Ordering::SeqCst);
        assert_eq!(joined.outcome().now_or_never(), Some(true));
        second_is_there.store(false, Ordering::SeqCst);
        assert!(!flight.audience.is_there());
    }

    #[test]
    fn nobody_joins_work_that_was_told_that_all_are_gone() {
        let flights = Flights::<u8, bool>::default();
        let (first, is_there) = leaving();
        let begin = |interest: Interest| async move { interest.is_there() }.boxed();
        let abandoned = flights.join(&1, first, begin);
        is_there.store(false, Ordering::SeqCst);
        assert_eq!(abandoned.outcome().now_or_never(), Some(false));
        let anew = flights.join(&1, Interest::lasting(), begin);
        assert_eq!(anew.outcome().now_or_never(), Some(true));
        drop(abandoned);
        let joined = flights.join(&1, Interest::lasting(), begin);
        assert!(
            Arc::ptr_eq(&anew, &joined),
            "the newer one stays where it is"
        );
    }
}
