//! Verifying originals while they are read.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::Catalog;
use crate::{
    ContentDigest, ContentHasher,
    ports::{Clock, ImageStore, OriginalContent, OriginalStoreError, cause},
};

/// Notes damage of one original.
pub(super) struct Damages {
    digest: ContentDigest,
    store: Arc<dyn ImageStore>,
    clock: Arc<dyn Clock>,
}

impl Damages {
    pub(super) fn new(catalog: &Catalog, digest: ContentDigest) -> Self {
        Self {
            digest,
            store: Arc::clone(&catalog.store),
            clock: Arc::clone(&catalog.clock),
        }
    }

    /// Notes what an error says of the original, and passes the error on.
    pub(super) async fn note(&self, error: OriginalStoreError) -> OriginalStoreError {
        if matches!(error, OriginalStoreError::Altered(_))
            && let Err(error) = self.store.note_damage(&self.digest, self.clock.now()).await
        {
            tracing::warn!(digest = %self.digest, %error, "a damaged original could not be noted");
        }
        error
    }
}

/// A stream under verification.
struct Reading {
    content: OriginalContent,
    hasher: ContentHasher,
    damages: Damages,
}

/// The content, which ends in an error if its bytes do not have their digest.
pub(super) fn verified(content: OriginalContent, damages: Damages) -> OriginalContent {
    let len = content.len;
    let reading = Reading {
        content,
        hasher: ContentHasher::default(),
        damages,
    };
    let stream = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.content.stream.next().await {
            Some(Ok(piece)) => {
                reading.hasher.update(&piece);
                Some((Ok(piece), Some(reading)))
            }
            Some(Err(error)) => Some((Err(reading.damages.note(error).await), None)),
            None => Some((Err(reading.verdict().await?), None)),
        }
    });
    OriginalContent {
        len,
        stream: stream.boxed(),
    }
}

impl Reading {
    /// What is wrong with the bytes that were read.
    async fn verdict(self) -> Option<OriginalStoreError> {
        let found = self.hasher.finish();
        let expected = self.damages.digest;
        if found == expected {
            return None;
        }
        let altered = format!("the bytes of the original {expected} are those of {found}");
        let error = OriginalStoreError::Altered(cause(altered));
        Some(self.damages.note(error).await)
    }
}
