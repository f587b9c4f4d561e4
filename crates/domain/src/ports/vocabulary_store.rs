//! Storage of the vocabulary.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{VocabularyChange, VocabularyEntry};

/// Stores the entries of the vocabulary, and counts its changes.
///
/// Each method is one transaction. Whether entries fit together is for callers to judge, of the vocabulary of that
/// version: every change requires the version it was judged by.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait VocabularyStore: Send + Sync {
    /// The version: it grows with every change, and is 0 before the first.
    async fn vocabulary_version(&self) -> Result<u64, ImageStoreError>;

    /// The whole vocabulary.
    async fn vocabulary(&self) -> Result<StoredVocabulary, ImageStoreError>;

    /// Changes the vocabulary if it has that version. Returns the version it has then; `None` if it had another one,
    /// and nothing was changed.
    async fn change_vocabulary(
        &self,
        change: &VocabularyChange,
        version: u64,
    ) -> Result<Option<u64>, ImageStoreError>;
}

/// The vocabulary at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredVocabulary {
    /// Its version.
    pub version: u64,
    /// The entries, in no particular order.
    pub entries: Vec<VocabularyEntry>,
}
