//! The vocabulary as services use and change it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use crate::{
    ConflictKind, Label, LabelNames, Vocabulary, VocabularyChange, VocabularyConflict,
    VocabularyEntry,
    ports::{Clock, ImageStoreError, VocabularyStore, cause},
};

/// How long the vocabulary is used before its version is compared with the store's: another server may have changed it.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// How often a change is judged again because another one came first.
const ATTEMPTS: usize = 5;

/// The vocabulary of a store. Clones share it.
#[derive(Clone, Default)]
pub struct SharedVocabulary(Arc<Shared>);

#[derive(Default)]
struct Shared {
    source: Option<(Arc<dyn VocabularyStore>, Arc<dyn Clock>)>,
    /// The names of labels that have none in the vocabulary.
    names: LabelNames,
    is_closed: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<KnownVocabulary>>,
    /// When the version was compared.
    checked_at: DateTime<Utc>,
}

/// The vocabulary at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownVocabulary {
    version: u64,
    /// The vocabulary.
    pub vocabulary: Arc<Vocabulary>,
    /// The names of labels, those of the vocabulary included.
    pub names: LabelNames,
}

/// Why the vocabulary was not changed.
#[derive(Debug, Clone, Error)]
pub enum VocabularyError {
    /// It has no such entry.
    #[error("the vocabulary has no entry {:?}", .0.as_str())]
    NotFound(Label),
    /// The change does not fit to the other entries.
    #[error(transparent)]
    Conflict(#[from] VocabularyConflict),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

impl SharedVocabulary {
    /// The vocabulary of a store, beside names of labels that are known anyway.
    pub fn new(
        store: Arc<dyn VocabularyStore>,
        clock: Arc<dyn Clock>,
        names: LabelNames,
        is_closed: bool,
    ) -> Self {
        Self(Arc::new(Shared {
            source: Some((store, clock)),
            names,
            is_closed,
            state: Mutex::default(),
        }))
    }

    /// An empty vocabulary that is never changed, beside names of labels.
    pub fn of_names(names: LabelNames) -> Self {
        Self(Arc::new(Shared {
            names,
            ..Shared::default()
        }))
    }

    /// The vocabulary, as it was a second ago at the earliest. Changes made by this server count at once.
    ///
    /// # Errors
    /// If it was never read. While the store does not answer, what was read last is used.
    pub async fn current(&self) -> Result<Arc<KnownVocabulary>, ImageStoreError> {
        let Some((_, clock)) = &self.0.source else {
            return self.read().await;
        };
        let now = clock.now();
        let known = {
            let mut state = self.state();
            match &state.known {
                Some(known) if (now - state.checked_at).abs() < FRESH => return Ok(known.clone()),
                // Others go on with this one meanwhile, and none asks again if the store does not answer.
                known => {
                    let known = known.clone();
                    state.checked_at = now;
                    known
                }
            }
        };
        match (self.read().await, known) {
            (Err(error), Some(known)) => {
                tracing::debug!(%error, "the vocabulary could not be compared with the store's");
                Ok(known)
            }
            (read, _) => read,
        }
    }

    /// The names of labels. Those that are known anyway if the vocabulary cannot be read.
    pub async fn names(&self) -> LabelNames {
        match self.current().await {
            Ok(known) => known.names.clone(),
            Err(_) => self.0.names.clone(),
        }
    }

    /// The vocabulary as the store has it now.
    pub async fn read(&self) -> Result<Arc<KnownVocabulary>, ImageStoreError> {
        let Some((store, _)) = &self.0.source else {
            let nothing = Vocabulary::default().closed(self.0.is_closed);
            return Ok(Arc::new(self.known(0, nothing)));
        };
        let version = store.vocabulary_version().await?;
        let before = self.state().known.clone();
        if let Some(known) = before.as_ref().filter(|known| known.version == version) {
            return Ok(Arc::clone(known));
        }
        let stored = store.vocabulary().await?;
        let vocabulary = Vocabulary::new(stored.entries)
            .map_err(|conflict| ImageStoreError::Corrupt(cause(conflict)))?;
        Ok(self.remember(stored.version, vocabulary, before.as_ref()))
    }

    /// Puts an entry, in place of the one that the tag has. Returns whether it had none.
    pub async fn put(&self, entry: VocabularyEntry) -> Result<bool, VocabularyError> {
        let before = self
            .change(|_| {
                Ok(VocabularyChange {
                    put: vec![entry.clone()],
                    removed: Vec::new(),
                })
            })
            .await?;
        Ok(before.entry(&entry.tag).is_none())
    }

    /// Puts entries, all of them or none.
    pub async fn import(&self, entries: &[VocabularyEntry]) -> Result<(), VocabularyError> {
        let put = |_: &Vocabulary| {
            Ok(VocabularyChange {
                put: entries.to_vec(),
                removed: Vec::new(),
            })
        };
        self.change(put).await.map(drop)
    }

    /// Removes the entry of a tag.
    pub async fn remove(&self, tag: &Label) -> Result<(), VocabularyError> {
        let remove = |vocabulary: &Vocabulary| {
            let found = vocabulary.entry(tag);
            let found = found.ok_or_else(|| VocabularyError::NotFound(tag.clone()))?;
            Ok(VocabularyChange {
                put: Vec::new(),
                removed: vec![found.tag.clone()],
            })
        };
        self.change(remove).await.map(drop)
    }

    /// Moves the entry of a tag under another one, of which the old tag becomes an alias. Returns the entry.
    pub async fn rename(
        &self,
        old: &Label,
        new: &Label,
    ) -> Result<VocabularyEntry, VocabularyError> {
        let mut moved = VocabularyEntry::new(new.clone());
        self.change(|vocabulary| {
            moved = renamed(vocabulary, old, new)?;
            Ok(VocabularyChange {
                put: vec![moved.clone()],
                removed: vec![old.clone()],
            })
        })
        .await?;
        Ok(moved)
    }

    /// Makes a change of the latest vocabulary, and returns that.
    async fn change(
        &self,
        mut of: impl FnMut(&Vocabulary) -> Result<VocabularyChange, VocabularyError> + Send,
    ) -> Result<Arc<Vocabulary>, VocabularyError> {
        let Some((store, _)) = &self.0.source else {
            let reason = cause("there is no vocabulary to change");
            return Err(ImageStoreError::Failed(reason).into());
        };
        for _ in 0..ATTEMPTS {
            let before = self.read().await?;
            let change = of(&before.vocabulary)?;
            let after = before.vocabulary.changed(&change)?;
            if let Some(version) = store.change_vocabulary(&change, before.version).await? {
                self.remember(version, after, Some(&before));
                return Ok(Arc::clone(&before.vocabulary));
            }
        }
        let reason = cause("the vocabulary is changed all the time");
        Err(ImageStoreError::Contended(reason).into())
    }

    /// Keeps a vocabulary. What this server made known in place of the one it had before stays, unless it is older.
    fn remember(
        &self,
        version: u64,
        vocabulary: Vocabulary,
        before: Option<&Arc<KnownVocabulary>>,
    ) -> Arc<KnownVocabulary> {
        let read = Arc::new(self.known(version, vocabulary.closed(self.0.is_closed)));
        let now = self.0.source.as_ref().map(|(_, clock)| clock.now());
        let mut state = self.state();
        let is_outdated = state.known.as_ref().is_some_and(|known| {
            let is_as_before = before.is_some_and(|before| Arc::ptr_eq(known, before));
            !is_as_before && known.version > version
        });
        if !is_outdated {
            state.known = Some(Arc::clone(&read));
            state.checked_at = now.unwrap_or_default();
        }
        read
    }

    fn known(&self, version: u64, vocabulary: Vocabulary) -> KnownVocabulary {
        KnownVocabulary {
            version,
            names: vocabulary.named(self.0.names.clone()),
            vocabulary: Arc::new(vocabulary),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a tag under a new one.
fn renamed(
    vocabulary: &Vocabulary,
    old: &Label,
    new: &Label,
) -> Result<VocabularyEntry, VocabularyError> {
    let entry = vocabulary.entry(old);
    let mut entry = entry
        .cloned()
        .ok_or_else(|| VocabularyError::NotFound(old.clone()))?;
    if old.folded() != new.folded() {
        if let Some(taken) = vocabulary.entry(new) {
            let other = taken.tag.clone();
            let kind = ConflictKind::Twice { other };
            let tag = new.clone();
            return Err(VocabularyConflict { tag, kind }.into());
        }
        entry.aliases.retain(|alias| alias.folded() != new.folded());
        entry.aliases.insert(entry.tag);
    }
    entry.tag = new.clone();
    Ok(entry)
}
