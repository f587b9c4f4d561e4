//! The in-memory [`OriginalStore`].

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::TestClock;
use domain::{
    ContentDigest, DatabaseId, Fence,
    ports::{
        Clock, DatabaseRegistry, Fate, Fingerprint, OriginalContent, OriginalRemoval,
        OriginalStore, OriginalStoreError, PutMode, SetAside, StoredObject, StoredOriginal, cause,
        clip,
    },
};

/// Chunk length of reads: short, so that there are several chunks.
const PIECE: usize = 1000;

/// Keeps originals in memory. Tests can inject failures and tampering.
pub struct FakeOriginalStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    originals: BTreeMap<ContentDigest, (Bytes, DateTime<Utc>)>,
    remains: Vec<DateTime<Utc>>,
    set_aside: BTreeMap<String, (SetAside, Bytes)>,
    quarantined: BTreeSet<ContentDigest>,
    stuck: BTreeSet<ContentDigest>,
    databases: BTreeSet<DatabaseId>,
    foreign: Vec<String>,
    unreadable: BTreeSet<ContentDigest>,
    puts: usize,
    is_down: bool,
}

impl State {
    /// The bytes of an original, including one set aside.
    fn read(&self, digest: &ContentDigest) -> Option<Bytes> {
        let kept = self.originals.get(digest).map(|(bytes, _)| bytes);
        let set_aside = || {
            let mut all = self.set_aside.values();
            let found = all.find(|(original, _)| original.digest == *digest);
            found.map(|(_, bytes)| bytes)
        };
        kept.or_else(set_aside).cloned()
    }
}

impl Default for FakeOriginalStore {
    /// An empty store whose clock stands still.
    fn default() -> Self {
        Self::new(Arc::new(TestClock::default()))
    }
}

impl FakeOriginalStore {
    /// An empty store with that clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// The digests of the stored originals, in order.
    pub fn digests(&self) -> Vec<ContentDigest> {
        self.lock().originals.keys().copied().collect()
    }

    /// How many puts succeeded.
    pub fn puts(&self) -> usize {
        self.lock().puts
    }

    /// Makes every call fail as unavailable, or ends that.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// Replaces an original's bytes, like a damaged disk.
    pub fn tamper(&self, digest: &ContentDigest, bytes: impl Into<Bytes>) {
        let modified = self.clock.now();
        let mut state = self.lock();
        state.originals.insert(*digest, (bytes.into(), modified));
    }

    /// Deletes an original, as an external program might.
    pub fn lose(&self, digest: &ContentDigest) {
        self.lock().originals.remove(digest);
    }

    /// Makes an original exist but unreadable, like a bad block.
    pub fn spoil(&self, digest: &ContentDigest) {
        self.lock().unreadable.insert(*digest);
    }

    /// Adds a foreign file.
    pub fn add_foreign(&self, name: &str) {
        self.lock().foreign.push(name.to_owned());
    }

    /// The digests of the quarantined originals, in order.
    pub fn quarantined(&self) -> Vec<ContentDigest> {
        self.lock().quarantined.iter().copied().collect()
    }

    /// Makes an original readable but impossible to set aside, like a folder without permission.
    pub fn stick(&self, digest: &ContentDigest, is_stuck: bool) {
        let mut state = self.lock();
        if is_stuck {
            state.stuck.insert(*digest);
        } else {
            state.stuck.remove(digest);
        }
    }

    /// The digests of the originals set aside, in order.
    pub fn digests_set_aside(&self) -> Vec<ContentDigest> {
        let state = self.lock();
        let originals = state.set_aside.values();
        originals.map(|(original, _)| original.digest).collect()
    }

    /// Leaves the remains of an interrupted put.
    pub fn cut_off_a_put(&self) {
        let now = self.clock.now();
        self.lock().remains.push(now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked holding it")
    }

    fn available(&self) -> Result<MutexGuard<'_, State>, OriginalStoreError> {
        let state = self.lock();
        if state.is_down {
            return Err(OriginalStoreError::Unavailable(cause("configured to fail")));
        }
        Ok(state)
    }
}

#[async_trait]
impl OriginalStore for FakeOriginalStore {
    async fn put(
        &self,
        digest: &ContentDigest,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), OriginalStoreError> {
        let now = self.clock.now();
        let mut state = self.available()?;
        state.puts += 1;
        let kept = state.originals.get(digest);
        let is_there = kept.is_some_and(|(kept, _)| kept.len() == bytes.len());
        if mode == PutMode::Overwrite || !is_there {
            state.unreadable.remove(digest);
            state.originals.insert(*digest, (bytes, now));
        }
        Ok(())
    }

    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Result<Option<OriginalContent>, OriginalStoreError> {
        let bytes = {
            let state = self.available()?;
            let Some(bytes) = state.read(digest) else {
                return Ok(None);
            };
            if state.unreadable.contains(digest) {
                return Err(OriginalStoreError::Unavailable(cause("a bad block")));
            }
            bytes
        };
        let len = bytes.len() as u64;
        let range = clip(range, len);
        let place = |at: u64| usize::try_from(at).expect("in memory");
        let bytes = bytes.slice(place(range.start)..place(range.end));
        let starts = (0..bytes.len()).step_by(PIECE);
        let piece = move |start: usize| Ok(bytes.slice(start..bytes.len().min(start + PIECE)));
        Ok(Some(OriginalContent {
            len,
            stamp: None,
            stream: stream::iter(starts.map(piece)).boxed(),
        }))
    }

    async fn length(&self, digest: &ContentDigest) -> Result<Option<u64>, OriginalStoreError> {
        let state = self.available()?;
        Ok(state.read(digest).map(|bytes| bytes.len() as u64))
    }

    async fn fingerprint(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Fingerprint>, OriginalStoreError> {
        match self.get(digest, None).await? {
            Some(content) => content.fingerprint().await.map(Some),
            None => Ok(None),
        }
    }

    fn list(&self) -> BoxStream<'static, Result<StoredObject, OriginalStoreError>> {
        let state = match self.available() {
            Ok(state) => state,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let stored = |(digest, (bytes, modified)): (&ContentDigest, &(Bytes, DateTime<Utc>))| {
            Ok(StoredObject::Original(StoredOriginal {
                digest: *digest,
                len: bytes.len() as u64,
                modified: *modified,
            }))
        };
        let foreign = state.foreign.iter().cloned().map(StoredObject::Foreign);
        let originals = state.originals.iter().map(stored);
        let all: Vec<_> = originals.chain(foreign.map(Ok)).collect();
        stream::iter(all).boxed()
    }

    async fn ready(&self) -> Result<(), OriginalStoreError> {
        self.available().map(drop)
    }
}

/// The name of an original set aside.
fn name(original: &SetAside) -> String {
    format!("{} {} {:?}", original.digest, original.fence, original.fate)
}

#[async_trait]
impl OriginalRemoval for FakeOriginalStore {
    async fn set_aside(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        fate: Fate,
    ) -> Result<Option<SetAside>, OriginalStoreError> {
        let mut state = self.available()?;
        if state.stuck.contains(digest) {
            return Err(OriginalStoreError::Unavailable(cause("it sticks")));
        }
        let original = SetAside {
            digest: *digest,
            fence,
            fate,
            is_settled: true,
        };
        let Some((bytes, _)) = state.originals.remove(digest) else {
            return Ok(None);
        };
        state.set_aside.insert(name(&original), (original, bytes));
        Ok(Some(original))
    }

    async fn list_set_aside(&self, _: DateTime<Utc>) -> Result<Vec<SetAside>, OriginalStoreError> {
        let state = self.available()?;
        let originals = state.set_aside.values();
        Ok(originals.map(|(original, _)| *original).collect())
    }

    async fn put_back(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        let now = self.clock.now();
        let mut state = self.available()?;
        if let Some((original, bytes)) = state.set_aside.remove(&name(original)) {
            state
                .originals
                .entry(original.digest)
                .or_insert((bytes, now));
        }
        Ok(())
    }

    async fn finish(&self, original: &SetAside) -> Result<(), OriginalStoreError> {
        let mut state = self.available()?;
        let was_there = state.set_aside.remove(&name(original)).is_some();
        if was_there && original.fate == Fate::Quarantine {
            state.quarantined.insert(original.digest);
        }
        Ok(())
    }

    async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, OriginalStoreError> {
        let mut state = self.available()?;
        let found = state.remains.len();
        state.remains.retain(|&left| left >= before);
        Ok((found - state.remains.len()) as u64)
    }
}

#[async_trait]
impl DatabaseRegistry for FakeOriginalStore {
    async fn register(&self, database: &DatabaseId) -> Result<(), OriginalStoreError> {
        self.available()?.databases.insert(*database);
        Ok(())
    }

    async fn databases(&self) -> Result<Vec<DatabaseId>, OriginalStoreError> {
        Ok(self.available()?.databases.iter().copied().collect())
    }

    async fn unregister(&self, database: &DatabaseId) -> Result<bool, OriginalStoreError> {
        Ok(self.available()?.databases.remove(database))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::contract::original_store::suite;

    #[tokio::test]
    async fn keeps_the_contract() {
        suite(async || Arc::new(FakeOriginalStore::default())).await;
    }

    #[tokio::test]
    async fn sweeps_what_is_old_enough() {
        let clock = Arc::new(TestClock::default());
        let store = FakeOriginalStore::new(Arc::clone(&clock) as Arc<dyn Clock>);
        store.cut_off_a_put();
        let begun = clock.now();
        assert_eq!(store.sweep(begun).await.unwrap(), 0);
        assert_eq!(store.sweep(begun + TimeDelta::seconds(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn fails_while_down() {
        let store = FakeOriginalStore::default();
        store.set_down(true);
        let digest = ContentDigest::of(b"a");
        assert!(
            store
                .put(&digest, "a".into(), PutMode::KeepExisting)
                .await
                .is_err()
        );
        assert!(store.get(&digest, None).await.is_err());
        assert!(store.list().next().await.unwrap().is_err());
        assert!(store.ready().await.is_err());
        store.set_down(false);
        assert!(store.get(&digest, None).await.unwrap().is_none());
    }
}
