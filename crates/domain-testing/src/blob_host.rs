//! The in-memory [`BlobHost`](domain::ports::BlobHost) and [`ReleaseQueue`](domain::ports::ReleaseQueue).

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::TestClock;
use domain::{
    EncodedPicture,
    ports::{BlobHost, CallContext, Clock, HostedBlob, ReleaseQueue, UpstreamError},
};

/// A blob host in memory.
pub struct FakeBlobHost {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosted: usize,
    releases: usize,
    list_at_most: Option<usize>,
    failures: VecDeque<UpstreamError>,
    blobs: Vec<Kept>,
}

struct Kept {
    blob: HostedBlob,
    picture: EncodedPicture,
    since: DateTime<Utc>,
}

/// A host whose clock stands still.
impl Default for FakeBlobHost {
    fn default() -> Self {
        Self::new(Arc::new(TestClock::default()))
    }
}

impl FakeBlobHost {
    /// An empty host with that clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Makes the next call fail; each use adds one failure.
    pub fn fail_next(&self, error: UpstreamError) {
        self.state().failures.push_back(error);
    }

    /// Limits how many blobs [`BlobHost::forgotten`] returns.
    pub fn list_at_most(&self, count: usize) {
        self.state().list_at_most = Some(count);
    }

    /// The existing blobs, oldest first.
    pub fn alive(&self) -> Vec<HostedBlob> {
        let state = self.state();
        state.blobs.iter().map(|kept| kept.blob.clone()).collect()
    }

    /// The picture at a URL.
    pub fn fetch(&self, url: &str) -> Option<EncodedPicture> {
        let state = self.state();
        let kept = state.blobs.iter().find(|kept| kept.blob.url == url)?;
        Some(kept.picture.clone())
    }

    /// How many blobs were ever hosted.
    pub fn hosted(&self) -> usize {
        self.state().hosted
    }

    /// How many calls of [`BlobHost::release`] were made, failed ones included.
    pub fn releases(&self) -> usize {
        self.state().releases
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panicked holding the host")
    }
}

impl State {
    fn perhaps_fail(&mut self) -> Result<(), UpstreamError> {
        self.failures.pop_front().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl BlobHost for FakeBlobHost {
    async fn host(
        &self,
        picture: &EncodedPicture,
        name: &str,
        context: &CallContext,
    ) -> Result<HostedBlob, UpstreamError> {
        context.check()?;
        let since = self.clock.now();
        let mut state = self.state();
        state.perhaps_fail()?;
        state.hosted += 1;
        let id = format!("blob-{}", state.hosted);
        let blob = HostedBlob {
            url: format!("https://blobs.example/{id}/{name}"),
            id,
        };
        state.blobs.push(Kept {
            blob: blob.clone(),
            picture: picture.clone(),
            since,
        });
        Ok(blob)
    }

    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        let mut state = self.state();
        state.releases += 1;
        state.perhaps_fail()?;
        let ids: HashSet<&str> = blobs.iter().map(|blob| blob.id.as_str()).collect();
        state
            .blobs
            .retain(|kept| !ids.contains(kept.blob.id.as_str()));
        Ok(())
    }

    async fn forgotten(&self, before: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError> {
        let mut state = self.state();
        state.perhaps_fail()?;
        let mut old: Vec<&Kept> = state.blobs.iter().filter(|k| k.since < before).collect();
        old.sort_by_key(|kept| kept.since);
        let at_most = state.list_at_most.unwrap_or(usize::MAX);
        Ok(old
            .into_iter()
            .take(at_most)
            .map(|kept| kept.blob.clone())
            .collect())
    }
}

/// A release queue that records blobs and releases none.
#[derive(Debug, Default)]
pub struct FakeReleaseQueue(Mutex<Vec<HostedBlob>>);

impl FakeReleaseQueue {
    /// The queued blobs, in order.
    pub fn handed_over(&self) -> Vec<HostedBlob> {
        self.blobs().clone()
    }

    fn blobs(&self) -> MutexGuard<'_, Vec<HostedBlob>> {
        self.0.lock().expect("no test panicked holding the queue")
    }
}

impl ReleaseQueue for FakeReleaseQueue {
    fn release_later(&self, blob: HostedBlob) {
        self.blobs().push(blob);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::TimeDelta;

    use super::*;
    use crate::contract;

    struct InMemory {
        host: Arc<FakeBlobHost>,
        clock: Arc<TestClock>,
    }

    #[async_trait]
    impl contract::blob_host::HostProbe for InMemory {
        async fn fetch(&self, url: &str) -> Option<Bytes> {
            self.host.fetch(url).map(|picture| picture.bytes)
        }

        fn now(&self) -> DateTime<Utc> {
            self.clock.now()
        }

        async fn let_time_pass(&self) {
            self.clock.advance(TimeDelta::seconds(1));
        }
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let clock = Arc::new(TestClock::default());
        let host = Arc::new(FakeBlobHost::new(clock.clone()));
        let probe = InMemory {
            host: host.clone(),
            clock,
        };
        contract::blob_host::all(&*host, &probe).await;
    }

    #[tokio::test]
    async fn fails_as_often_as_configured() {
        let host = FakeBlobHost::default();
        host.fail_next(UpstreamError::TimedOut);
        assert!(host.release(&[]).await.is_err());
        assert!(host.release(&[]).await.is_ok());
        assert_eq!(host.releases(), 2);
    }
}
