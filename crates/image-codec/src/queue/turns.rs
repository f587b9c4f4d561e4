//! Waiting for, holding and releasing turns and memory in async tasks.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::ports::{CallContext, CodecError, UpstreamError};
use tokio::{
    sync::oneshot::{self, Receiver, Sender, error::TryRecvError},
    time::timeout,
};

use super::{Demand, Permit, Portion, Queue, QueueRules, Ticket};

/// How often a waiting caller is polled for cancellation.
const LOOK: Duration = Duration::from_millis(200);

/// Turns and memory scheduled by a [`Queue`]. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Mutex<Queue<Sender<Granted>>>>);

/// A turn; ends on drop.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    permit: Option<Permit>,
    spent: Option<u64>,
}

/// Reserved memory, released on drop.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    turns: Turns,
    portion: Portion,
}

type Granted = (Turn, MemoryShare);

/// A position in the queue, given up on drop.
struct QueueSlot {
    turns: Turns,
    ticket: Ticket,
}

impl Turns {
    pub(crate) fn new(rules: QueueRules) -> Self {
        Self(Arc::new(Mutex::new(Queue::new(rules))))
    }

    /// The memory budget in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.queue().memory.total()
    }

    /// The bytes that are reserved, and how much work waits.
    pub(crate) fn usage(&self) -> (u64, usize) {
        let queue = self.queue();
        (queue.memory.used(), queue.waiting.len())
    }

    /// Waits for a turn and memory.
    ///
    /// # Errors
    /// [`CodecError::Cancelled`] once the caller has gone, [`CodecError::TimedOut`] at its deadline,
    /// [`CodecError::Overloaded`] if the queue is full.
    pub(crate) async fn take(
        &self,
        demand: Demand,
        context: &CallContext,
    ) -> Result<(Turn, MemoryShare), CodecError> {
        let (_place, granted) = self.enter(demand);
        self.hand_out();
        let (mut turn, share) = wait(granted, context).await?;
        if context.is_cancelled() {
            turn.note(0);
            return Err(cancelled(context));
        }
        Ok((turn, share))
    }

    fn enter(&self, demand: Demand) -> (QueueSlot, Receiver<Granted>) {
        let (sender, receiver) = oneshot::channel();
        // An evicted waiter is notified by the drop of its sender.
        let (ticket, _refused) = self.queue().enter(demand, sender);
        let turns = self.clone();
        (QueueSlot { turns, ticket }, receiver)
    }

    /// Grants everything that is available.
    fn hand_out(&self) {
        while let Some((sender, permit, portion)) = self.admit() {
            let turn = Turn {
                turns: self.clone(),
                permit: Some(permit),
                spent: None,
            };
            let share = MemoryShare {
                turns: self.clone(),
                portion,
            };
            if let Err((turn, share)) = sender.send((turn, share)) {
                self.take_back(turn, share);
            }
        }
    }

    fn admit(&self) -> Option<(Sender<Granted>, Permit, Portion)> {
        self.queue().admit()
    }

    /// Releases a grant that came too late for its waiter, without granting again.
    fn take_back(&self, mut turn: Turn, mut share: MemoryShare) {
        let mut queue = self.queue();
        if let Some(permit) = turn.permit.take() {
            queue.end(&permit, Some(0));
        }
        queue.give_back(&std::mem::take(&mut share.portion));
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Sender<Granted>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits as long as the caller does. Needs no timer if the grant is immediate.
async fn wait(
    mut granted: Receiver<Granted>,
    context: &CallContext,
) -> Result<Granted, CodecError> {
    match granted.try_recv() {
        Ok(granted) => return Ok(granted),
        Err(TryRecvError::Closed) => return Err(CodecError::Overloaded),
        Err(TryRecvError::Empty) => {}
    }
    loop {
        match timeout(LOOK, &mut granted).await {
            Ok(granted) => return granted.map_err(|_dropped| CodecError::Overloaded),
            Err(_elapsed) if context.is_cancelled() => return Err(cancelled(context)),
            Err(_elapsed) => {}
        }
    }
}

fn cancelled(context: &CallContext) -> CodecError {
    match context.check() {
        Err(UpstreamError::TimedOut) => CodecError::TimedOut,
        _ => CodecError::Cancelled,
    }
}

impl Turn {
    /// Records the units actually spent.
    pub(crate) fn note(&mut self, spent: u64) {
        self.spent = Some(spent);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.turns.queue().end(&permit, self.spent);
            self.turns.hand_out();
        }
    }
}

impl MemoryShare {
    /// Releases everything above that many bytes.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let spare = self.portion.split_above(bytes);
        self.turns.queue().give_back(&spare);
        self.turns.hand_out();
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        if self.portion != Portion::default() {
            self.turns.queue().give_back(&self.portion);
            self.turns.hand_out();
        }
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let left = self.turns.queue().leave(self.ticket);
        if left.is_some() {
            // It may have blocked the others.
            self.turns.hand_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use domain::ports::ClientKey;
    use futures_util::{FutureExt, future::join_all};
    use tokio::time::{Instant, sleep};

    use super::*;

    const RULES: QueueRules = QueueRules {
        turns: 1,
        memory: 800,
        cheap: 0,
        overtake_limit: 1000,
        waiting: 3,
    };

    fn demand(cost: u64, bytes: u64) -> Demand {
        Demand {
            client: ClientKey::LOCAL,
            cost,
            bytes,
        }
    }

    async fn take(turns: &Turns, bytes: u64) -> Result<Granted, CodecError> {
        turns.take(demand(1, bytes), &CallContext::local()).await
    }

    /// An immediate grant, which needs no timer.
    fn taken(turns: &Turns, bytes: u64) -> Granted {
        take(turns, bytes).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn turns_and_shares_are_given_back() {
        let turns = Turns::new(RULES);
        let (turn, mut share) = taken(&turns, 800);
        drop(turn);
        share.shrink(300);
        let (turn, more) = taken(&turns, 400);
        drop((turn, share));
        let (turn, rest) = taken(&turns, 200);
        drop((turn, more, rest));
        drop(taken(&turns, 800));
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_wake_on_a_free_turn_memory_and_departures() {
        let turns = Turns::new(RULES);
        let (turn, share) = taken(&turns, 500);
        let mut large = Box::pin(take(&turns, 800));
        let mut small = Box::pin(take(&turns, 200));
        assert!((&mut large).now_or_never().is_none());
        assert!((&mut small).now_or_never().is_none());
        drop(turn);
        assert!(
            (&mut small).now_or_never().is_none(),
            "behind the large one"
        );
        drop(large);
        drop(small.now_or_never().unwrap());
        let mut large = Box::pin(take(&turns, 800));
        assert!((&mut large).now_or_never().is_none());
        drop(share);
        assert!(large.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_has_gone_leaves_the_line_at_once() {
        let turns = Turns::new(RULES);
        let _held = taken(&turns, 0);
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let context = CallContext::cancelled_when(move || seen.load(Ordering::SeqCst));
        let began = Instant::now();
        let (outcome, ()) = tokio::join!(turns.take(demand(1, 0), &context), async {
            sleep(10 * LOOK).await;
            is_gone.store(true, Ordering::SeqCst);
        });
        assert!(matches!(outcome, Err(CodecError::Cancelled)), "{outcome:?}");
        assert!(began.elapsed() <= 11 * LOOK);
        assert!(turns.queue().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_caller_that_has_gone_gets_no_turn() {
        let turns = Turns::new(RULES);
        let gone = CallContext::cancelled_when(|| true);
        let outcome = turns.take(demand(1, 800), &gone).await;
        assert!(matches!(outcome, Err(CodecError::Cancelled)), "{outcome:?}");
        drop(taken(&turns, 800));
    }

    #[tokio::test]
    async fn a_caller_whose_deadline_has_passed_gets_no_turn() {
        let turns = Turns::new(RULES);
        let late = CallContext::local().until(std::time::Instant::now());
        let outcome = turns.take(demand(1, 800), &late).await;
        assert!(matches!(outcome, Err(CodecError::TimedOut)), "{outcome:?}");
        drop(taken(&turns, 800));
    }

    #[tokio::test(start_paused = true)]
    async fn work_over_the_limit_is_refused_at_once() {
        let turns = Turns::new(RULES);
        let held = taken(&turns, 0);
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(take(&turns, 0))).collect();
        for waiting in &mut waiting {
            assert!(waiting.now_or_never().is_none());
        }
        let expensive = turns
            .take(demand(9, 0), &CallContext::local())
            .now_or_never();
        assert!(
            matches!(expensive, Some(Err(CodecError::Overloaded))),
            "{expensive:?}"
        );
        drop(held);
        for outcome in join_all(waiting.into_iter().map(async |next| next.await.map(drop))).await {
            assert!(outcome.is_ok());
        }
    }

    /// Tasks on several threads that wait, cancel, hold and shrink at random.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_wake_up_is_lost() {
        let turns = Turns::new(QueueRules {
            turns: 2,
            waiting: 1000,
            ..RULES
        });
        let held = Arc::new(AtomicU64::new(0));
        let task = |seed: u64| {
            let (turns, held) = (turns.clone(), Arc::clone(&held));
            tokio::spawn(async move {
                for step in 0..40 {
                    let dice =
                        (seed * 7919 + step * 104_729).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                    let bytes = dice % 801;
                    if dice.is_multiple_of(5) {
                        let _ =
                            timeout(Duration::from_micros(dice % 300), take(&turns, bytes)).await;
                        continue;
                    }
                    let (turn, mut share) = take(&turns, bytes).await.unwrap();
                    assert!(held.fetch_add(bytes, Ordering::SeqCst) + bytes <= RULES.memory);
                    tokio::task::yield_now().await;
                    drop(turn);
                    held.fetch_sub(bytes - bytes / 2, Ordering::SeqCst);
                    share.shrink(bytes / 2);
                    tokio::task::yield_now().await;
                    held.fetch_sub(bytes / 2, Ordering::SeqCst);
                    drop(share);
                }
            })
        };
        let all = join_all((0..64).map(task));
        for ended in timeout(Duration::from_mins(1), all).await.expect("all end") {
            ended.unwrap();
        }
        let (_turn, _share) = taken(&turns, RULES.memory);
    }
}
