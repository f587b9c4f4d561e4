//! Single flight: concurrent callers of the same work share one execution.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use crate::ports::{CallContext, ClientKey};

type Table<K, T> = Arc<Mutex<HashMap<K, Weak<InFlight<K, T>>>>>;

/// Work in flight, by key: later callers wait for the outcome of the first.
pub(super) struct SingleFlight<K: Eq + Hash, T>(Table<K, T>);

/// A caller's share in the work in flight.
///
/// The work is polled by the callers that wait for its outcome, and dropped with the last share. While a
/// share is held after the outcome exists, others can still join: thus an outcome that is not stored yet is
/// not computed twice.
pub(super) struct InFlight<K: Eq + Hash, T> {
    work: Shared<BoxFuture<'static, T>>,
    waiters: Arc<Waiters>,
    table: Table<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    /// Joins the work in flight for that key, or starts it. Its context has the client of the caller that
    /// started it, and is cancelled once those of all joined callers are.
    pub(super) fn join(
        &self,
        key: &K,
        context: &CallContext,
        start: impl FnOnce(CallContext) -> BoxFuture<'static, T>,
    ) -> Arc<InFlight<K, T>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(in_flight) = table.get(key).and_then(Weak::upgrade)
            && in_flight.waiters.join(context)
        {
            return in_flight;
        }
        let waiters = Arc::new(Waiters::new(context));
        let in_flight = Arc::new(InFlight {
            work: start(waiters.context(context.client())).shared(),
            waiters,
            table: Arc::clone(&self.0),
            key: key.clone(),
        });
        table.insert(key.clone(), Arc::downgrade(&in_flight));
        in_flight
    }
}

impl<K: Eq + Hash, T: Clone> InFlight<K, T> {
    pub(super) async fn outcome(&self) -> T {
        self.work.clone().await
    }
}

impl<K: Eq + Hash, T> Drop for InFlight<K, T> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // The key may belong to newer work by now.
        if table
            .get(&self.key)
            .is_some_and(|in_flight| in_flight.strong_count() == 0)
        {
            table.remove(&self.key);
        }
    }
}

/// The callers that joined some work. `None` once the work has seen that all of them have gone: it may be
/// abandoned then, so no caller can join it any more.
struct Waiters(Mutex<Option<Vec<CallContext>>>);

impl Waiters {
    fn new(first: &CallContext) -> Self {
        Self(Mutex::new(Some(vec![first.clone()])))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<CallContext>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` if the work can no longer be joined.
    fn join(&self, context: &CallContext) -> bool {
        let mut waiters = self.lock();
        if let Some(waiters) = &mut *waiters {
            waiters.push(context.clone());
        }
        waiters.is_some()
    }

    /// The context of the shared work.
    fn context(self: &Arc<Self>, client: ClientKey) -> CallContext {
        let waiters = Arc::clone(self);
        CallContext::cancelled_when(move || waiters.are_gone()).for_client(client)
    }

    fn are_gone(&self) -> bool {
        let mut waiters = self.lock();
        let are_gone = waiters
            .as_ref()
            .is_none_or(|waiters| waiters.iter().all(CallContext::is_cancelled));
        if are_gone {
            *waiters = None;
        }
        are_gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn counted(count: &Arc<AtomicUsize>) -> impl FnOnce(CallContext) -> BoxFuture<'static, usize> {
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
    async fn callers_that_hold_a_share_get_one_outcome() {
        let (flights, count) = (SingleFlight::<u8, usize>::default(), Arc::default());
        let local = CallContext::local();
        let first = flights.join(&1, &local, counted(&count));
        let second = flights.join(&1, &local, counted(&count));
        assert_eq!(tokio::join!(first.outcome(), second.outcome()), (1, 1));
        drop(first);
        let third = flights.join(&1, &local, counted(&count));
        assert_eq!(third.outcome().await, 1, "a share is still held");
        drop((second, third));
        let fourth = flights.join(&1, &local, counted(&count));
        assert_eq!(fourth.outcome().await, 2, "none was held any more");
        drop(fourth);
        assert!(flights.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn work_outlives_the_caller_that_started_it() {
        let (flights, count) = (SingleFlight::<u8, usize>::default(), Arc::default());
        let first = flights.join(&1, &CallContext::local(), counted(&count));
        let second = flights.join(&1, &CallContext::local(), counted(&count));
        assert!(first.outcome().now_or_never().is_none());
        drop(first);
        assert_eq!(second.outcome().await, 1);
    }

    #[tokio::test]
    async fn work_that_all_have_left_is_started_again() {
        let (flights, local) = (SingleFlight::<u8, u8>::default(), CallContext::local());
        drop(flights.join(&1, &local, |_| std::future::pending().boxed()));
        let again = flights.join(&1, &local, |_| async { 7 }.boxed());
        assert_eq!(again.outcome().await, 7);
    }

    #[tokio::test]
    async fn other_keys_are_other_work() {
        let (flights, local) = (SingleFlight::<u8, u8>::default(), CallContext::local());
        let one = flights.join(&1, &local, |_| async { 1 }.boxed());
        let two = flights.join(&2, &local, |_| async { 2 }.boxed());
        assert_eq!(tokio::join!(one.outcome(), two.outcome()), (1, 2));
    }

    #[test]
    fn work_is_done_for_the_client_that_started_it() {
        let flights = SingleFlight::<u8, ClientKey>::default();
        let client = ClientKey::from_address([192, 0, 2, 1].into());
        let start = |context: CallContext| async move { context.client() }.boxed();
        let first = flights.join(&1, &CallContext::local().for_client(client), start);
        let second = flights.join(&1, &CallContext::local(), start);
        assert_eq!(second.outcome().now_or_never(), Some(client));
        drop(first);
    }

    /// A caller that leaves when the flag is set.
    fn leaving() -> (CallContext, Arc<AtomicBool>) {
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let context = CallContext::cancelled_when(move || seen.load(Ordering::SeqCst));
        (context, is_gone)
    }

    fn is_cancelled(context: CallContext) -> BoxFuture<'static, bool> {
        async move { context.is_cancelled() }.boxed()
    }

    #[test]
    fn work_is_cancelled_once_all_callers_have_gone() {
        let flights = SingleFlight::<u8, bool>::default();
        let ((first, first_is_gone), (second, second_is_gone)) = (leaving(), leaving());
        let started = flights.join(&1, &first, is_cancelled);
        let joined = flights.join(&1, &second, is_cancelled);
        first_is_gone.store(true, Ordering::SeqCst);
        assert_eq!(joined.outcome().now_or_never(), Some(false));
        second_is_gone.store(true, Ordering::SeqCst);
        assert!(started.waiters.are_gone());
    }

    #[test]
    fn cancelled_work_cannot_be_joined() {
        let flights = SingleFlight::<u8, bool>::default();
        let (first, is_gone) = leaving();
        let abandoned = flights.join(&1, &first, is_cancelled);
        is_gone.store(true, Ordering::SeqCst);
        assert_eq!(abandoned.outcome().now_or_never(), Some(true));
        let newer = flights.join(&1, &CallContext::local(), is_cancelled);
        assert_eq!(newer.outcome().now_or_never(), Some(false));
        drop(abandoned);
        let joined = flights.join(&1, &CallContext::local(), is_cancelled);
        assert!(Arc::ptr_eq(&newer, &joined), "the newer work stays");
    }
}
