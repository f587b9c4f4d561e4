//! How much memory all uploads together may take, and how it is shared out as their bytes arrive.

mod budget;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use domain::ports::ClientKey;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use self::budget::{Answer, Budget, Ticket};

/// How long an upload waits for room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// While nothing moves: no upload gets room, gives it back, or brings bytes into its reservation.
    pub(crate) standstill: Duration,
    /// In any case.
    pub(crate) total: Duration,
}

/// An upload is small if it needs no more than this part of the budget.
const SMALL: u64 = 128;

/// The part of the budget that is for small uploads alone, so that large ones never keep them out.
const FOR_SMALL: u64 = 8;

/// How many of the largest uploads must fit into a budget of which a part is set aside.
const WORTH_DIVIDING: u64 = 4;

/// Shares a memory budget out to uploads.
pub(crate) struct Admission {
    large: Arc<Mutex<Budget>>,
    small: Arc<Mutex<Budget>>,
    /// The largest need of a small upload.
    small_need: u64,
    patience: Patience,
}

/// There was no room in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded;

/// The part of the budget that an upload holds while it is read. Dropping it gives all of it back.
pub(crate) struct Share {
    budget: Arc<Mutex<Budget>>,
    patience: Patience,
    client: ClientKey,
    ticket: Ticket,
    waited: Duration,
}

impl Admission {
    /// A budget of so many bytes, for uploads that need no more than the largest.
    pub(crate) fn new(bytes: usize, largest: u64, patience: Patience) -> Self {
        let bytes = bytes as u64;
        let is_divided = bytes / WORTH_DIVIDING >= largest;
        let for_small = if is_divided { bytes / FOR_SMALL } else { 0 };
        let budget = |bytes| Arc::new(Mutex::new(Budget::new(bytes)));
        Self {
            large: budget(bytes - for_small),
            small: budget(for_small),
            small_need: if is_divided { bytes / SMALL } else { 0 },
            patience,
        }
    }

    /// The bytes that uploads hold, and how many uploads wait for more.
    pub(crate) fn usage(&self) -> (u64, usize) {
        let (large, small) = (lock(&self.large).usage(), lock(&self.small).usage());
        (large.0 + small.0, large.1 + small.1)
    }

    /// Notes an upload that may need so many bytes at most. It holds none yet.
    pub(crate) fn enter(&self, client: ClientKey, need: u64) -> Share {
        let is_small = need <= self.small_need;
        let budget = if is_small { &self.small } else { &self.large };
        Share {
            ticket: lock(budget).enter(client, need),
            budget: Arc::clone(budget),
            patience: self.patience,
            client,
            waited: Duration::ZERO,
        }
    }
}

impl Share {
    /// Returns once the upload may hold so many bytes.
    ///
    /// # Errors
    /// It waited too long, or too many wait already.
    pub(crate) async fn cover(&mut self, bytes: u64) -> Result<(), Overloaded> {
        let answer = lock(&self.budget).ask(self.ticket, bytes);
        match answer {
            Answer::Granted => Ok(()),
            Answer::Queued(outcome) => self.wait(outcome).await,
        }
    }

    /// Whether the whole need of this upload is set aside, so that others may wait for it to be read.
    pub(crate) fn is_reserved(&self) -> bool {
        lock(&self.budget).is_reserved(self.ticket)
    }

    /// Gives back what these bytes do not take. The rest is given back with the last handle to them.
    pub(crate) fn keep_with(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        let kept = bytes.as_ref().len() as u64;
        let kept = lock(&self.budget).finish(self.ticket, kept);
        let held = Held {
            budget: Arc::clone(&self.budget),
            client: self.client,
            kept,
        };
        Bytes::from_owner(Kept { bytes, _held: held })
    }

    async fn wait(
        &mut self,
        mut outcome: oneshot::Receiver<Result<(), Overloaded>>,
    ) -> Result<(), Overloaded> {
        let began = Instant::now();
        let end = began + self.patience.total.saturating_sub(self.waited);
        loop {
            let moved = lock(&self.budget).moved().max(began);
            let deadline = end.min(moved + self.patience.standstill);
            match timeout_at(deadline, &mut outcome).await {
                Ok(outcome) => {
                    self.waited += began.elapsed();
                    return outcome.unwrap_or(Err(Overloaded));
                }
                Err(_) if self.has_waited_enough(deadline, end) => return Err(Overloaded),
                Err(_) => {}
            }
        }
    }

    /// Whether nothing has moved since a deadline was set, or the last one has passed.
    fn has_waited_enough(&self, deadline: Instant, end: Instant) -> bool {
        deadline == end || lock(&self.budget).moved() + self.patience.standstill <= deadline
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        lock(&self.budget).leave(self.ticket);
    }
}

/// A part of the budget that belongs to bytes which have been read.
struct Held {
    budget: Arc<Mutex<Budget>>,
    client: ClientKey,
    kept: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.budget).give_back(self.client, self.kept);
    }
}

struct Kept<B> {
    bytes: B,
    _held: Held,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Kept<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

fn lock(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
