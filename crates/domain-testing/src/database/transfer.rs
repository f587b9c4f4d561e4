//! Exports, and what is restored from them.

use std::{collections::HashSet, num::NonZeroU32};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use domain::{
    ContentDigest, Image, ImageFacts, ImageId, Tagging, TaggingKey,
    ports::{
        Claimed, ExportPosition, ImageStoreError, Restoration, RestoredImage, StoreExport,
        StoreRestore, StoredImage, VersionedTags,
    },
};

use super::{FakeDatabase, State};

impl State {
    fn stored(&self, image: &Image) -> StoredImage {
        let VersionedTags { tags, version } = self.versioned(&image.id).unwrap_or_default();
        StoredImage {
            id: image.id,
            registered_at: image.registered_at,
            digest: image.digest,
            facts: self.read(image).facts,
            info: self.infos.get(&image.id).cloned().unwrap_or_default(),
            tags,
            version,
        }
    }

    fn restore(&mut self, RestoredImage { image, fence }: &RestoredImage) -> Restoration {
        if self.images.values().any(|known| known.id == image.id) {
            return Restoration::IdTaken;
        }
        if let Some(file) = &image.info.imported
            && self.image_of(&file.key).is_some()
        {
            return Restoration::FileTaken;
        }
        match self.originals.get_mut(&image.digest) {
            Some(original) if original.stands(Some(*fence)) => original.claimed_until = None,
            _ => return Restoration::ClaimLost,
        }
        let untagged = Image {
            id: image.id,
            digest: image.digest,
            facts: image.facts,
            registered_at: image.registered_at,
            taken_order: image.info.taken_order(image.registered_at),
            tags: image.tags.tags(),
        };
        self.images
            .insert((image.registered_at, image.id), untagged);
        self.infos.insert(image.id, image.info.clone());
        let number = self.job_number;
        self.job_numbers.insert(image.id, number);
        self.set_tags(&image.id, image.tags.clone(), image.version);
        Restoration::Recorded
    }
}

#[async_trait]
impl StoreExport for FakeDatabase {
    async fn export_images(
        &self,
        after: Option<ExportPosition>,
        limit: NonZeroU32,
    ) -> Result<Vec<StoredImage>, ImageStoreError> {
        let state = self.call().await;
        let images = state.images.values().map(|image| state.stored(image));
        let images = images.filter(|image| after.is_none_or(|after| image.position() > after));
        Ok(images.take(limit.get() as usize).collect())
    }

    async fn stored_images(&self, ids: &[ImageId]) -> Result<Vec<StoredImage>, ImageStoreError> {
        let state = self.call().await;
        let images = state
            .images
            .values()
            .filter(|image| ids.contains(&image.id));
        Ok(images.map(|image| state.stored(image)).collect())
    }

    async fn export_answers(
        &self,
        after: Option<ContentDigest>,
        limit: NonZeroU32,
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError> {
        let state = self.call().await;
        let answers = state.taggings.iter();
        let answers = answers.filter(|(key, _)| after.is_none_or(|after| key.digest > after));
        let mut answers: Vec<_> = answers
            .map(|(key, answer)| (key.clone(), answer.clone()))
            .collect();
        answers.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
        let mut digests = HashSet::new();
        let is_wanted = |(key, _): &(TaggingKey, Tagging)| {
            digests.insert(key.digest);
            digests.len() <= limit.get() as usize
        };
        Ok(answers.into_iter().take_while(is_wanted).collect())
    }
}

#[async_trait]
impl StoreRestore for FakeDatabase {
    async fn claim_originals(
        &self,
        originals: &[(ContentDigest, ImageFacts)],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Option<Claimed>>, ImageStoreError> {
        let mut state = self.call().await;
        let claims = originals.iter();
        let claims = claims.map(|(digest, facts)| state.claim(digest, facts, now, until));
        Ok(claims.collect())
    }

    async fn restore_images(
        &self,
        images: &[RestoredImage],
    ) -> Result<Vec<Restoration>, ImageStoreError> {
        let mut state = self.call().await;
        Ok(images.iter().map(|image| state.restore(image)).collect())
    }

    async fn restore_answers(
        &self,
        answers: &[(TaggingKey, Tagging)],
    ) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        for (key, answer) in answers {
            state.keep(key, answer);
        }
        Ok(())
    }
}
