//! The vocabulary.

use async_trait::async_trait;

use domain::{
    Label, VocabularyChange,
    ports::{ImageStoreError, StoredVocabulary, VocabularyStore},
};

use super::FakeDatabase;

#[async_trait]
impl VocabularyStore for FakeDatabase {
    async fn vocabulary_version(&self) -> Result<u64, ImageStoreError> {
        Ok(self.call().await.vocabulary.version)
    }

    async fn vocabulary(&self) -> Result<StoredVocabulary, ImageStoreError> {
        Ok(self.call().await.vocabulary.clone())
    }

    async fn change_vocabulary(
        &self,
        change: &VocabularyChange,
        version: u64,
    ) -> Result<Option<u64>, ImageStoreError> {
        let known = &mut self.call().await.vocabulary;
        if known.version != version {
            return Ok(None);
        }
        let put = change.put.iter().map(|entry| &entry.tag);
        let replaced: Vec<String> = put.chain(&change.removed).map(Label::folded).collect();
        let entries = &mut known.entries;
        entries.retain(|entry| !replaced.contains(&entry.tag.folded()));
        entries.extend(change.put.iter().cloned());
        known.version += 1;
        Ok(Some(known.version))
    }
}
