//! How much memory all uploads together may take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes.
const UNIT: u64 = 1024;

/// How many uploads may wait: each costs buffers of the connection, too.
const MAX_WAITING: usize = 512;

/// Admits uploads to a common memory budget, in the order in which they came.
pub(in crate::http) struct Admission {
    permits: Arc<Semaphore>,
    total: u32,
    wait: Duration,
    waiting: AtomicUsize,
}

/// A share of the budget, held as long as this lives.
#[derive(Debug)]
pub(in crate::http) struct Share(OwnedSemaphorePermit);

/// There was no room in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Overloaded;

impl Admission {
    /// A budget of so many bytes, for which an upload waits so long.
    pub(in crate::http) fn new(budget: usize, wait: Duration) -> Self {
        let total = units(budget as u64);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            wait,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes a share of so many bytes; what is larger than the whole budget gets all of it.
    pub(in crate::http) async fn admit(&self, bytes: u64) -> Result<Share, Overloaded> {
        let wanted = units(bytes).min(self.total);
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_many_owned(wanted) {
            return Ok(Share(permit));
        }
        let _place = Place::take(&self.waiting)?;
        let turn = Arc::clone(&self.permits).acquire_many_owned(wanted);
        match tokio::time::timeout(self.wait, turn).await {
            Ok(Ok(permit)) => Ok(Share(permit)),
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }
}

/// Whole units, at least one. A budget beyond `u32::MAX` units (4 TiB) is none.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(u32::MAX)
        .clamp(1, u32::MAX >> 3)
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Overloaded> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(Overloaded);
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Share {
    /// Gives back what is not needed for these bytes, and stays with them until the last copy of
    /// the handle is gone.
    pub(in crate::http) fn keep_with(mut self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        let needed = units(bytes.as_ref().len() as u64) as usize;
        let spare = self.0.num_permits().saturating_sub(needed);
        drop(self.0.split(spare));
        Bytes::from_owner(Kept {
            bytes,
            _share: self,
        })
    }
}

struct Kept<B> {
    bytes: B,
    _share: Share,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Kept<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn waits_and_gives_up() {
        let admission = Admission::new(10 * 1024, WAIT);
        let share = admission.admit(8 * 1024).await.unwrap();
        assert_eq!(admission.admit(4 * 1024).await.unwrap_err(), Overloaded);
        let (waiting, ()) = tokio::join!(admission.admit(4 * 1024), async {
            tokio::time::sleep(WAIT / 2).await;
            drop(share);
        });
        assert!(waiting.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_is_served_first() {
        let admission = Admission::new(10 * 1024, WAIT);
        let share = admission.admit(6 * 1024).await.unwrap();
        let (large, small, ()) = tokio::join!(
            admission.admit(10 * 1024),
            // There would be room for this one; but then the large one might wait for ever.
            async {
                tokio::task::yield_now().await;
                tokio::time::timeout(WAIT / 4, admission.admit(1024)).await
            },
            async {
                tokio::time::sleep(WAIT / 2).await;
                drop(share);
            }
        );
        assert!(small.is_err());
        assert!(large.is_ok());
    }

    #[tokio::test]
    async fn what_is_larger_than_the_budget_gets_all_of_it() {
        let admission = Admission::new(10 * 1024, WAIT);
        let share = admission.admit(u64::MAX).await.unwrap();
        assert_eq!(admission.permits.available_permits(), 0);
        drop(share);
        assert_eq!(admission.permits.available_permits(), 10);
    }

    #[tokio::test]
    async fn the_share_lives_as_long_as_the_bytes() {
        let admission = Admission::new(10 * 1024, WAIT);
        let share = admission.admit(8 * 1024).await.unwrap();
        let bytes = share.keep_with(vec![0; 1500]);
        assert_eq!(admission.permits.available_permits(), 8);
        let copy = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(admission.permits.available_permits(), 8);
        drop(copy);
        assert_eq!(admission.permits.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn not_everybody_may_wait() {
        let admission = Arc::new(Admission::new(1024, WAIT));
        let _share = admission.admit(1).await.unwrap();
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                tokio::spawn({
                    let admission = Arc::clone(&admission);
                    async move { admission.admit(1).await }
                })
            })
            .collect();
        while admission.waiting.load(Ordering::Relaxed) < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        let began = tokio::time::Instant::now();
        assert_eq!(admission.admit(1).await.unwrap_err(), Overloaded);
        assert_eq!(began.elapsed(), Duration::ZERO);
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap_err(), Overloaded);
        }
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }
}
