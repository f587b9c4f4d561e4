//! Providers' answers that are not stored yet.
//!
//! An answer was paid for. It is held here from its arrival until it is stored; answers left behind by
//! failed uploads are written in the background, and serve other uploads until then.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Tagging, TaggingKey,
    ports::{ImageStoreError, TaggingCache, cause},
};

/// How many answers may be pending before provider calls stop: some megabytes.
pub(super) const CAPACITY: usize = 1000;

/// The pending answers. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<TaggingKey, Answer>>>);

struct Answer {
    tagging: Tagging,
    /// How many uploads may yet store it. At 0 it is written in the background.
    holders: usize,
}

/// An upload's reference to a pending answer.
pub(super) struct Unsaved {
    key: TaggingKey,
    answers: Answers,
}

impl Answers {
    /// Fails if there is no room for another pending answer.
    pub(super) fn check_room(&self) -> Result<(), ImageStoreError> {
        if self.lock().len() < CAPACITY {
            return Ok(());
        }
        let reason = "too many answers of providers wait to be stored";
        Err(ImageStoreError::Unavailable(cause(reason)))
    }

    /// Adds an answer that just arrived.
    pub(super) fn hold(&self, key: &TaggingKey, tagging: &Tagging) -> Unsaved {
        let mut answers = self.lock();
        let answer = answers.entry(key.clone()).or_insert_with(|| Answer {
            tagging: tagging.clone(),
            holders: 0,
        });
        answer.holders += 1;
        self.unsaved(key)
    }

    /// Takes a reference to an answer that an earlier upload left behind.
    pub(super) fn resume(&self, key: &TaggingKey) -> Option<(Tagging, Unsaved)> {
        let mut answers = self.lock();
        let answer = answers.get_mut(key)?;
        answer.holders += 1;
        Some((answer.tagging.clone(), self.unsaved(key)))
    }

    /// How many answers are not stored yet.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Writes the answers that no upload refers to, and returns their number.
    ///
    /// # Errors
    /// The last failure; an unavailable store is not asked for the rest.
    pub(super) async fn save(&self, cache: &dyn TaggingCache) -> Result<usize, ImageStoreError> {
        let (mut saved, mut failure) = (0, None);
        for (key, tagging) in self.abandoned() {
            match cache.keep_tagging(&key, &tagging).await {
                Ok(()) => {
                    self.lock().remove(&key);
                    saved += 1;
                }
                Err(error @ ImageStoreError::Unavailable(_)) => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(saved), Err)
    }

    fn abandoned(&self) -> Vec<(TaggingKey, Tagging)> {
        let answers = self.lock();
        let abandoned = answers.iter().filter(|(_, answer)| answer.holders == 0);
        abandoned
            .map(|(key, answer)| (key.clone(), answer.tagging.clone()))
            .collect()
    }

    fn unsaved(&self, key: &TaggingKey) -> Unsaved {
        Unsaved {
            key: key.clone(),
            answers: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaggingKey, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsaved {
    /// The answer has been stored.
    pub(super) fn saved(&self) {
        self.answers.lock().remove(&self.key);
    }
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.answers.lock().entry(self.key.clone()) {
            let answer = entry.get_mut();
            answer.holders = answer.holders.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Confidence, ContentDigest, Label, ProviderIdentity, Tag, Tags, ports::MockTaggingCache,
    };

    fn key(number: usize) -> TaggingKey {
        TaggingKey {
            digest: ContentDigest::of(&number.to_be_bytes()),
            provider: ProviderIdentity::parse("mock", "1", "en").unwrap(),
            max_side: 16,
        }
    }

    fn tagging() -> Tagging {
        Tagging {
            tags: Tags::from_iter([Tag {
                label: Label::parse("car").unwrap(),
                confidence: Confidence::new(91.5).unwrap(),
            }]),
            tagged_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    /// Pending answers left behind by failed uploads.
    fn left_behind(count: usize) -> Answers {
        let answers = Answers::default();
        (0..count).for_each(|number| drop(answers.hold(&key(number), &tagging())));
        answers
    }

    #[tokio::test]
    async fn writes_only_answers_that_uploads_left_behind() {
        let answers = left_behind(2);
        let held = answers.hold(&key(2), &tagging());
        let mut store = MockTaggingCache::new();
        store
            .expect_keep_tagging()
            .times(3)
            .returning(|_, _| Ok(()));
        assert_eq!(answers.save(&store).await.unwrap(), 2);
        assert_eq!(answers.save(&store).await.unwrap(), 0);
        drop(held);
        assert_eq!(answers.save(&store).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn forgets_answers_that_an_upload_stored() {
        let answers = Answers::default();
        let (one, other) = (answers.hold(&key(0), &tagging()), answers.resume(&key(0)));
        one.saved();
        drop((one, other));
        assert!(answers.resume(&key(0)).is_none());
        assert_eq!(answers.save(&MockTaggingCache::new()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn failed_write_does_not_stop_the_others() {
        let answers = left_behind(3);
        let mut store = MockTaggingCache::new();
        store
            .expect_keep_tagging()
            .times(3)
            .returning(|refused, _| {
                let is_refused = *refused == key(1);
                let refusal = ImageStoreError::Failed(cause("refused"));
                if is_refused { Err(refusal) } else { Ok(()) }
            });
        assert!(answers.save(&store).await.is_err());
        assert!(answers.resume(&key(1)).is_some());
        assert!(answers.resume(&key(0)).is_none());
    }

    #[tokio::test]
    async fn unavailable_store_is_asked_once() {
        let answers = left_behind(3);
        let mut store = MockTaggingCache::new();
        store
            .expect_keep_tagging()
            .times(1)
            .returning(|_, _| Err(ImageStoreError::Unavailable(cause("down"))));
        assert!(answers.save(&store).await.is_err());
        assert_eq!(answers.abandoned().len(), 3);
    }

    #[test]
    fn reports_when_there_is_no_room_for_another_answer() {
        assert!(left_behind(CAPACITY - 1).check_room().is_ok());
        let full = left_behind(CAPACITY);
        assert!(full.check_room().is_err());
        let (_, resumed) = full.resume(&key(0)).unwrap();
        resumed.saved();
        assert!(full.check_room().is_ok());
    }
}
