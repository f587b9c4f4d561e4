//! Codes and features of originals.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroU32,
};

use async_trait::async_trait;

use domain::{
    Code, ContentDigest, FeatureModel, Features, ModelCode, UntaggedImage,
    ports::{CodeNumber, CodeStore, FeatureStore, ImageStoreError},
};

use super::{FakeDatabase, State};

/// What is kept, by number.
#[derive(Debug, Default)]
pub(super) struct FakeCodes {
    last: u64,
    kept: BTreeMap<CodeNumber, (ContentDigest, ModelCode)>,
}

impl FakeCodes {
    pub(super) fn keep(&mut self, digest: &ContentDigest, codes: &[ModelCode]) {
        for code in codes {
            let is_own =
                |(of, kept): &(ContentDigest, ModelCode)| of == digest && kept.model == code.model;
            let own = self.kept.iter().find(|(_, row)| is_own(row));
            let own = own.map(|(number, (_, kept))| (*number, kept.code.is_some()));
            match own {
                Some((_, true)) => continue,
                Some(_) if code.code.is_none() => continue,
                Some((number, false)) => {
                    self.kept.remove(&number);
                }
                None => {}
            }
            self.last += 1;
            self.kept
                .insert(CodeNumber(self.last), (*digest, code.clone()));
        }
    }

    pub(super) fn forget(&mut self, digest: &ContentDigest) {
        self.kept.retain(|_, (of, _)| of != digest);
    }

    fn find(&self, digest: &ContentDigest, model: &FeatureModel) -> Option<&ModelCode> {
        let mut rows = self.kept.values();
        let found = rows.find(|(of, kept)| of == digest && kept.model == *model);
        found.map(|(_, kept)| kept)
    }

    fn after<'a>(
        &'a self,
        model: &'a FeatureModel,
        after: CodeNumber,
    ) -> impl Iterator<Item = (CodeNumber, &'a ModelCode)> {
        let later = self.kept.iter().filter(move |(number, _)| **number > after);
        later
            .filter(move |(_, (_, kept))| kept.model == *model)
            .map(|(number, (_, kept))| (*number, kept))
    }
}

impl FakeDatabase {
    /// Forgets what is kept of an original, as if an earlier version had registered it.
    pub fn forget_codes(&self, digest: &ContentDigest) {
        self.state().codes.forget(digest);
    }
}

impl State {
    fn images_of(&self, digest: &ContentDigest) -> impl Iterator<Item = UntaggedImage> {
        let images = self.images.values();
        let own = images.filter(move |image| image.digest == *digest);
        own.map(|image| (&self.read(image)).into())
    }
}

#[async_trait]
impl FeatureStore for FakeDatabase {
    async fn keep_codes(
        &self,
        digest: &ContentDigest,
        codes: &[ModelCode],
    ) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        if state.originals.contains_key(digest) {
            state.codes.keep(digest, codes);
        }
        Ok(())
    }

    async fn code_of(
        &self,
        digest: &ContentDigest,
        model: &FeatureModel,
    ) -> Result<Option<ModelCode>, ImageStoreError> {
        Ok(self.call().await.codes.find(digest, model).cloned())
    }

    async fn lacking_codes(
        &self,
        digests: &[ContentDigest],
        models: &[FeatureModel],
    ) -> Result<HashSet<ContentDigest>, ImageStoreError> {
        let state = self.call().await;
        let is_lacking = |digest: &&ContentDigest| {
            let mut models = models.iter();
            models.any(|model| state.codes.find(digest, model).is_none())
        };
        Ok(digests.iter().filter(is_lacking).copied().collect())
    }
}

#[async_trait]
impl CodeStore for FakeDatabase {
    async fn codes(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, Code)>, ImageStoreError> {
        let state = self.call().await;
        let rows = state.codes.after(model, after);
        let rows = rows.filter_map(|(number, kept)| Some((number, kept.code.clone()?)));
        Ok(rows.take(limit.get() as usize).collect())
    }

    async fn code_numbers(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<CodeNumber>, ImageStoreError> {
        let state = self.call().await;
        let rows = state.codes.after(model, after);
        let numbers = rows.map(|(number, _)| number);
        Ok(numbers.take(limit.get() as usize).collect())
    }

    async fn features(
        &self,
        codes: &[CodeNumber],
    ) -> Result<HashMap<CodeNumber, Features>, ImageStoreError> {
        let state = self.call().await;
        let found = codes.iter().filter_map(|number| {
            let (_, kept) = state.codes.kept.get(number)?;
            Some((*number, kept.features.clone()?))
        });
        Ok(found.collect())
    }

    async fn coded_images(
        &self,
        codes: &[CodeNumber],
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, UntaggedImage)>, ImageStoreError> {
        let state = self.call().await;
        let mut found = Vec::new();
        for number in codes {
            if let Some((digest, _)) = state.codes.kept.get(number) {
                found.extend(state.images_of(digest).map(|image| (*number, image)));
            }
        }
        found.truncate(limit.get() as usize);
        Ok(found)
    }
}
