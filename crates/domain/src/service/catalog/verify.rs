//! Verifies originals while they are read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::Catalog;
use crate::{
    ContentDigest, ContentHasher,
    ports::{Clock, OriginalContent, OriginalLedger, OriginalStoreError, Stamp, cause, in_words},
};

/// Records damage of one original.
pub(super) struct Damages {
    digest: ContentDigest,
    ledger: Arc<dyn OriginalLedger>,
    clock: Arc<dyn Clock>,
}

impl Damages {
    pub(super) fn new(catalog: &Catalog, digest: ContentDigest) -> Self {
        Self {
            digest,
            ledger: Arc::clone(&catalog.ports.ledger),
            clock: Arc::clone(&catalog.ports.clock),
        }
    }

    /// Records the damage that an error reports, and returns the error.
    pub(super) async fn note(&self, error: OriginalStoreError) -> OriginalStoreError {
        if matches!(error, OriginalStoreError::Altered(_))
            && let Err(error) = self
                .ledger
                .note_damage(&self.digest, self.clock.now())
                .await
        {
            tracing::warn!(digest = %self.digest, cause = in_words(&error), "a damaged original could not be noted");
        }
        error
    }
}

/// How many originals are remembered, at some fifty bytes each.
const REMEMBERED: usize = 20_000;

/// The originals whose digest was verified, by the stamp of their last write: they are not digested again.
/// Clones share them.
#[derive(Clone, Default)]
pub(super) struct Verified(Arc<Mutex<HashMap<ContentDigest, Stamp>>>);

impl Verified {
    /// Wraps the content so that it ends in an error if its bytes do not match the digest.
    pub(super) fn check(&self, content: OriginalContent, damages: Damages) -> OriginalContent {
        let OriginalContent { len, stamp, .. } = content;
        if stamp.is_some() && stamp == self.lock().get(&damages.digest).copied() {
            return content;
        }
        let reading = Reading {
            content,
            hasher: ContentHasher::default(),
            damages,
            verified: self.clone(),
        };
        OriginalContent {
            len,
            stamp,
            stream: reading.stream(),
        }
    }

    fn remember(&self, digest: ContentDigest, stamp: Stamp) {
        let mut verified = self.lock();
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(digest, stamp);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContentDigest, Stamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An original being read and verified.
struct Reading {
    content: OriginalContent,
    hasher: ContentHasher,
    damages: Damages,
    verified: Verified,
}

impl Reading {
    fn stream(self) -> BoxStream<'static, Result<Bytes, OriginalStoreError>> {
        stream::unfold(Some(self), |reading| async {
            let mut reading = reading?;
            match reading.content.stream.next().await {
                Some(Ok(piece)) => {
                    reading.hasher.update(&piece);
                    Some((Ok(piece), Some(reading)))
                }
                Some(Err(error)) => Some((Err(reading.damages.note(error).await), None)),
                None => Some((Err(reading.verdict().await?), None)),
            }
        })
        .boxed()
    }

    /// The error of the bytes read, if any.
    async fn verdict(self) -> Option<OriginalStoreError> {
        let found = self.hasher.finish();
        let expected = self.damages.digest;
        if found == expected {
            if let Some(stamp) = self.content.stamp {
                self.verified.remember(expected, stamp);
            }
            return None;
        }
        let altered = format!("the bytes of the original {expected} are those of {found}");
        let error = OriginalStoreError::Altered(cause(altered));
        Some(self.damages.note(error).await)
    }
}
