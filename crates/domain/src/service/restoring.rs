//! Restores what was exported, each record once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt, future::BoxFuture, stream};
use thiserror::Error;

use super::{SharedVocabulary, VocabularyError};
use crate::{
    ContentDigest, ImageFacts, ImageId, Tagging, TaggingKey, VocabularyEntry,
    ports::{
        Cause, Claimed, Clock, ImageInfoStore, ImageStoreError, Inspector, OriginalLedger,
        OriginalStore, OriginalStoreError, PutMode, Restoration, RestoredImage, Rows, StoreExport,
        StoreRestore, StoredImage, TaggingCache, in_words,
    },
};

/// How many originals are put, or looked for, at a time.
const AT_A_TIME: usize = 8;

/// How often images are claimed and recorded again when a removal came in between.
const ATTEMPTS: usize = 3;

/// The ports of a restoration. Those of the database are of the same one.
#[derive(Clone)]
pub struct RestoringPorts {
    /// Reads what is there.
    pub stored: Arc<dyn StoreExport>,
    /// Records what is missing.
    pub store: Arc<dyn StoreRestore>,
    /// Tells which images are there.
    pub infos: Arc<dyn ImageInfoStore>,
    /// Counts images.
    pub inspector: Arc<dyn Inspector>,
    /// Reads the answers that are there.
    pub taggings: Arc<dyn TaggingCache>,
    /// Clears notes about damage.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Has the originals, or gets them.
    pub originals: Arc<dyn OriginalStore>,
    /// The vocabulary.
    pub vocabulary: SharedVocabulary,
    /// Dates claims.
    pub clock: Arc<dyn Clock>,
}

/// Restores what was exported. What is there with the same content is left alone, so that a restoration can be repeated,
/// and goes on where it was broken off. No provider is called, and no tags are changed by the vocabulary.
#[derive(Clone)]
pub struct Restoring {
    ports: RestoringPorts,
    /// How long a claim protects bytes that no image refers to yet.
    claim: TimeDelta,
}

/// Reads the bytes of an original beside the export: `None` if they are not there.
pub type ReadOriginal<'r> = dyn Fn(ContentDigest, ImageFacts) -> BoxFuture<'r, Result<Option<Bytes>, Cause>>
    + Send
    + Sync
    + 'r;

/// What came of a record that was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// It was made now.
    New,
    /// It was there already, with the same content.
    Present,
}

/// Why a record was not restored, while others are.
#[derive(Debug, Clone, Error)]
pub enum RestoreError {
    /// It is there with another content, which stays.
    #[error("it is there already with another content, which was left as it is")]
    Different,
    /// Another image was imported from the same file.
    #[error("another image was imported from the same file")]
    FileTaken,
    /// Its bytes are nowhere.
    #[error("its original {0} is missing")]
    NoOriginal(ContentDigest),
    /// The file of its original has other bytes.
    #[error("its original {0} was altered")]
    Altered(ContentDigest),
    /// The file of its original cannot be read.
    #[error("its original cannot be read")]
    Unreadable(#[source] Cause),
    /// A removal of the same original is under way.
    #[error("its original is being removed; start the import again")]
    Removing,
}

/// Why a restoration cannot go on.
#[derive(Debug, Clone, Error)]
pub enum RestoreFailure {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The store of originals failed.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

/// What came of each of some records, in their order.
type Outcomes = Result<Vec<Result<Restored, RestoreError>>, RestoreFailure>;

/// The claims under which originals are there, or why one is not.
type Claims = HashMap<ContentDigest, Result<Claimed, RestoreError>>;

impl Restoring {
    /// Creates the service. `claim`: how long bytes are protected until their images are recorded.
    pub fn new(ports: RestoringPorts, claim: TimeDelta) -> Self {
        Self { ports, claim }
    }

    /// The number of images that are there.
    pub async fn count(&self) -> Result<u64, ImageStoreError> {
        self.ports.inspector.count(Rows::Images).await
    }

    /// How many of these images are there; at most 1000.
    pub async fn count_present(&self, ids: &[ImageId]) -> Result<u64, ImageStoreError> {
        Ok(self.ports.infos.infos(ids).await?.len() as u64)
    }

    /// A tag of the vocabulary that is not among these entries.
    pub async fn foreign_tag(
        &self,
        entries: &[VocabularyEntry],
    ) -> Result<Option<crate::Label>, ImageStoreError> {
        let known = self.ports.vocabulary.read().await?;
        let exported: HashSet<String> = entries.iter().map(|entry| entry.tag.folded()).collect();
        let mut kept = known.vocabulary.after(None);
        let foreign = kept.find(|entry| !exported.contains(&entry.tag.folded()));
        Ok(foreign.map(|entry| entry.tag.clone()))
    }

    /// Puts the entries that are missing, all of them or none, and returns what came of each.
    pub async fn restore_vocabulary(
        &self,
        entries: &[VocabularyEntry],
    ) -> Result<Vec<Result<Restored, RestoreError>>, VocabularyError> {
        let known = self.ports.vocabulary.read().await?;
        let outcomes = entries
            .iter()
            .map(|entry| match known.vocabulary.entry(&entry.tag) {
                None => Ok(Restored::New),
                Some(kept) if kept == entry => Ok(Restored::Present),
                Some(_) => Err(RestoreError::Different),
            });
        let outcomes: Vec<_> = outcomes.collect();
        let missing = entries.iter().zip(&outcomes);
        let missing = missing.filter(|(_, outcome)| matches!(outcome, Ok(Restored::New)));
        let missing: Vec<_> = missing.map(|(entry, _)| entry.clone()).collect();
        if !missing.is_empty() {
            self.ports.vocabulary.import(&missing).await?;
        }
        Ok(outcomes)
    }

    /// Stores the answers that are missing, at most 1000.
    pub async fn restore_answers(&self, answers: &[(TaggingKey, Tagging)]) -> Outcomes {
        let digests: HashSet<ContentDigest> = answers.iter().map(|(key, _)| key.digest).collect();
        let digests: Vec<ContentDigest> = digests.into_iter().collect();
        let known = self.ports.taggings.taggings_of(&digests).await?;
        let known: HashMap<TaggingKey, Tagging> = known.into_iter().collect();
        let outcomes = answers.iter().map(|(key, answer)| match known.get(key) {
            None => Ok(Restored::New),
            // Two stores may have asked for the same picture at different times.
            Some(kept) if kept.tags == answer.tags => Ok(Restored::Present),
            Some(_) => Err(RestoreError::Different),
        });
        let outcomes: Vec<_> = outcomes.collect();
        let missing = answers.iter().filter(|(key, _)| !known.contains_key(key));
        let missing: Vec<_> = missing.cloned().collect();
        if !missing.is_empty() {
            self.ports.store.restore_answers(&missing).await?;
        }
        Ok(outcomes)
    }

    /// Records the images that are missing, at most 1000. Their originals are put from `files`, or must be in the store
    /// of originals where there are no files: their lengths are compared then.
    pub async fn restore_images(
        &self,
        images: &[StoredImage],
        files: Option<&ReadOriginal<'_>>,
    ) -> Outcomes {
        let mut outcomes: Vec<Option<Result<Restored, RestoreError>>> = vec![None; images.len()];
        for _ in 0..ATTEMPTS {
            self.compare(images, &mut outcomes).await?;
            let missing = images.iter().zip(&mut outcomes);
            let mut missing: Vec<_> = missing.filter(|(_, outcome)| outcome.is_none()).collect();
            if missing.is_empty() {
                break;
            }
            self.record(&mut missing, files).await?;
        }
        let removing = |outcome: Option<_>| outcome.unwrap_or(Err(RestoreError::Removing));
        Ok(outcomes.into_iter().map(removing).collect())
    }

    /// Notes which of the images without an outcome are there.
    async fn compare(
        &self,
        images: &[StoredImage],
        outcomes: &mut [Option<Result<Restored, RestoreError>>],
    ) -> Result<(), ImageStoreError> {
        let open = images.iter().zip(outcomes.iter());
        let open = open.filter(|(_, outcome)| outcome.is_none());
        let ids: Vec<ImageId> = open.map(|(image, _)| image.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let kept = self.ports.stored.stored_images(&ids).await?;
        let kept: HashMap<ImageId, StoredImage> =
            kept.into_iter().map(|image| (image.id, image)).collect();
        for (image, outcome) in images.iter().zip(outcomes) {
            if outcome.is_some() {
                continue;
            }
            *outcome = kept.get(&image.id).map(|kept| {
                if kept == image {
                    Ok(Restored::Present)
                } else {
                    Err(RestoreError::Different)
                }
            });
        }
        Ok(())
    }

    /// Provides the originals of images that are not there, and records these. Those in whose way something came keep
    /// no outcome.
    async fn record(
        &self,
        missing: &mut [(&StoredImage, &mut Option<Result<Restored, RestoreError>>)],
        files: Option<&ReadOriginal<'_>>,
    ) -> Result<(), RestoreFailure> {
        let mut originals: HashMap<ContentDigest, ImageFacts> = HashMap::new();
        for (image, outcome) in missing.iter_mut() {
            let facts = originals.entry(image.digest).or_insert(image.facts);
            if *facts != image.facts {
                **outcome = Some(Err(RestoreError::Different));
            }
        }
        let claims = self.provide(originals, files).await?;
        let mut recorded = Vec::new();
        for (image, outcome) in missing.iter_mut().filter(|(_, outcome)| outcome.is_none()) {
            match claims.get(&image.digest) {
                Some(Ok(claimed)) => {
                    let image = StoredImage::clone(image);
                    let fence = claimed.fence;
                    recorded.push((RestoredImage { image, fence }, outcome));
                }
                Some(Err(error)) => **outcome = Some(Err(error.clone())),
                // It is being removed: the next attempt may find that done.
                None => {}
            }
        }
        let (images, outcomes): (Vec<RestoredImage>, Vec<_>) = recorded.into_iter().unzip();
        if images.is_empty() {
            return Ok(());
        }
        let restorations = self.ports.store.restore_images(&images).await?;
        for (restoration, outcome) in restorations.into_iter().zip(outcomes) {
            **outcome = match restoration {
                Restoration::Recorded => Some(Ok(Restored::New)),
                Restoration::FileTaken => Some(Err(RestoreError::FileTaken)),
                // The next attempt compares it.
                Restoration::IdTaken | Restoration::ClaimLost => None,
            };
        }
        if files.is_some() {
            self.mended(&claims).await;
        }
        Ok(())
    }

    /// Claims originals, and puts or finds their bytes.
    async fn provide(
        &self,
        originals: HashMap<ContentDigest, ImageFacts>,
        files: Option<&ReadOriginal<'_>>,
    ) -> Result<Claims, RestoreFailure> {
        let now = self.ports.clock.now();
        let until = now + self.claim;
        let originals: Vec<_> = originals.into_iter().collect();
        let claimed = self
            .ports
            .store
            .claim_originals(&originals, now, until)
            .await?;
        let claimed = originals.into_iter().zip(claimed);
        let claimed = claimed.filter_map(|(original, claimed)| Some((original, claimed?)));
        let mut provided = stream::iter(claimed)
            .map(|((digest, facts), claimed)| async move {
                let outcome = match files {
                    Some(files) => self.put(&digest, &facts, &claimed, files).await,
                    None => self.find(&digest, &facts).await,
                };
                outcome.map(|outcome| (digest, outcome.map(|()| claimed)))
            })
            .buffer_unordered(AT_A_TIME);
        let mut claims = Claims::new();
        while let Some(outcome) = provided.next().await {
            let (digest, outcome) = outcome?;
            claims.insert(digest, outcome);
        }
        Ok(claims)
    }

    /// Puts an original from its file, which must have its digest.
    async fn put(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        claimed: &Claimed,
        files: &ReadOriginal<'_>,
    ) -> Result<Result<(), RestoreError>, OriginalStoreError> {
        let bytes = match files(*digest, *facts).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Err(RestoreError::NoOriginal(*digest))),
            Err(error) => return Ok(Err(RestoreError::Unreadable(error))),
        };
        if bytes.len() as u64 != facts.byte_size || ContentDigest::of(&bytes) != *digest {
            return Ok(Err(RestoreError::Altered(*digest)));
        }
        let mode = if claimed.rewrite {
            PutMode::Overwrite
        } else {
            PutMode::KeepExisting
        };
        self.ports.originals.put(digest, bytes, mode).await?;
        Ok(Ok(()))
    }

    /// Finds an original that is in the store of originals already.
    async fn find(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
    ) -> Result<Result<(), RestoreError>, OriginalStoreError> {
        Ok(match self.ports.originals.length(digest).await? {
            None => Err(RestoreError::NoOriginal(*digest)),
            Some(length) if length != facts.byte_size => Err(RestoreError::Altered(*digest)),
            Some(_) => Ok(()),
        })
    }

    /// Clears the notes about damage of originals that were put. A stale note only costs the next upload a rewrite.
    async fn mended(&self, claims: &Claims) {
        let damaged = claims.iter().filter_map(|(digest, outcome)| {
            let claimed = outcome.as_ref().ok()?;
            claimed.is_damaged.then_some(digest)
        });
        for digest in damaged {
            if let Err(error) = self.ports.ledger.clear_damage(digest).await {
                tracing::warn!(%digest, cause = in_words(&error), "a replaced original is still noted as damaged");
            }
        }
    }
}
