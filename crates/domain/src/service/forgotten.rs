//! Releases forgotten blobs, some of which may repeatedly fail.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff::Backoff;
use crate::ports::{BlobHost, HostedBlob, UpstreamError, in_words};

/// The first pause of a blob that could not be released.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(10);

/// The longest pause of such a blob.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(1);

/// After this many blobs that could not be released, and none that could, the host itself is failing.
const HOPELESS: usize = 3;

/// The blobs that could not be released, in memory.
pub(super) struct Forgotten {
    failures: Backoff<String>,
    resting: Mutex<HashMap<String, DateTime<Utc>>>,
}

impl Default for Forgotten {
    fn default() -> Self {
        Self {
            failures: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            resting: Mutex::default(),
        }
    }
}

impl Forgotten {
    /// Those of these blobs that are not pausing.
    pub(super) fn due(&self, mut blobs: Vec<HostedBlob>, now: DateTime<Utc>) -> Vec<HostedBlob> {
        let mut resting = self.resting();
        resting.retain(|_, until| *until > now);
        blobs.retain(|blob| !resting.contains_key(&blob.id));
        blobs
    }

    /// Releases blobs, and returns their number.
    ///
    /// A failing batch is bisected until the failing blobs are found. Those are retried with a growing
    /// back-off.
    ///
    /// # Errors
    /// If the host releases none.
    pub(super) async fn release(
        &self,
        host: &dyn BlobHost,
        blobs: &[HostedBlob],
        now: DateTime<Utc>,
    ) -> Result<usize, UpstreamError> {
        let (mut released, mut failed) = (0, 0);
        let mut left = vec![blobs];
        while let Some(some) = left.pop() {
            let Err(error) = host.release(some).await else {
                released += some.len();
                for blob in some {
                    self.failures.succeeded(&blob.id);
                }
                continue;
            };
            if let [blob] = some {
                self.set_aside(blob, &error, now);
                failed += 1;
                if released == 0 && failed >= HOPELESS {
                    return Err(error);
                }
            } else {
                let (first, second) = some.split_at(some.len() / 2);
                left.extend([second, first]);
            }
        }
        Ok(released)
    }

    fn set_aside(&self, blob: &HostedBlob, error: &UpstreamError, now: DateTime<Utc>) {
        let setback = self.failures.failed(blob.id.clone());
        self.resting().insert(blob.id.clone(), now + setback.pause);
        if setback.is_first {
            let cause = in_words(error);
            tracing::warn!(blob = %blob.id, cause, "a hosted blob cannot be released; it is left alone for a while");
        }
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
