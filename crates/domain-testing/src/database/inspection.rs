//! The in-memory [`Inspector`].

use std::num::NonZeroU32;

use async_trait::async_trait;

use super::{FakeDatabase, State};
use domain::{
    ContentDigest, ImageId,
    ports::{
        ImageStoreError, Inspected, Inspector, RecordedOriginal, RowMark, Rows, UnreadableRow,
        cause,
    },
};

impl State {
    /// The keys of the rows of a kind, in order.
    fn keys(&self, rows: Rows) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = match rows {
            Rows::Labels => {
                let tags = self.images.values().flat_map(|image| &image.tags);
                tags.map(|tag| tag.label.as_str().into()).collect()
            }
            Rows::Images => {
                let images = self.images.values();
                images.map(|image| image.id.as_bytes().into()).collect()
            }
            Rows::Taggings => {
                let keys = self.taggings.keys();
                keys.map(|key| format!("{key:?}").into()).collect()
            }
            Rows::Originals => {
                let digests = self.originals.keys();
                digests.map(|digest| digest.as_bytes().into()).collect()
            }
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn recorded(&self, digest: &ContentDigest) -> Option<RecordedOriginal> {
        let original = self.originals.get(digest)?;
        let image = self.first_image(digest);
        Some(RecordedOriginal {
            digest: *digest,
            facts: original.facts,
            is_used: image.is_some(),
            image,
            claimed_until: original.claimed_until.max(original.removing_until),
        })
    }

    pub(super) fn first_image(&self, digest: &ContentDigest) -> Option<ImageId> {
        let images = self.images.values();
        let used = images.filter(|image| image.digest == *digest);
        used.map(|image| image.id).min()
    }

    fn unreadable(&self, key: &[u8]) -> Option<UnreadableRow> {
        let id = self.spoilt.iter().find(|id| id.as_bytes() == key)?;
        Some(UnreadableRow {
            name: format!("image {id}"),
            image: Some(*id),
            digest: None,
            reason: cause("it was spoilt"),
        })
    }
}

#[async_trait]
impl Inspector for FakeDatabase {
    async fn count(&self, rows: Rows) -> Result<u64, ImageStoreError> {
        Ok(self.call().await.keys(rows).len() as u64)
    }

    async fn inspect(
        &self,
        rows: Rows,
        after: Option<RowMark>,
        limit: NonZeroU32,
    ) -> Result<Inspected, ImageStoreError> {
        let state = self.call().await;
        let mut keys = state.keys(rows);
        if let Some(RowMark(last)) = after {
            keys.retain(|key| *key > last);
        }
        let limit = limit.get() as usize;
        let has_more = keys.len() > limit;
        keys.truncate(limit);
        let originals = keys.iter().filter_map(|key| {
            let digest = <[u8; 32]>::try_from(key.as_slice()).ok()?;
            state.recorded(&ContentDigest::from_bytes(digest))
        });
        let originals = match rows {
            Rows::Originals => originals.collect(),
            _ => Vec::new(),
        };
        Ok(Inspected {
            rows: keys.len() as u64,
            originals,
            unreadable: keys
                .iter()
                .filter_map(|key| state.unreadable(key))
                .collect(),
            next: keys.pop().filter(|_| has_more).map(RowMark),
        })
    }

    async fn recorded(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<RecordedOriginal>, ImageStoreError> {
        let state = self.call().await;
        Ok(digests.iter().filter_map(|d| state.recorded(d)).collect())
    }
}
