//! Exports a store: everything that is kept, in an order that depends on the content alone.

use std::{num::NonZeroU32, sync::Arc};

use futures_util::{Stream, TryStreamExt, stream};

use crate::{
    ContentDigest, Tagging, TaggingKey, Vocabulary, VocabularyEntry,
    ports::{
        ExportPosition, ImageStoreError, Inspector, Rows, StoreExport, StoredImage,
        VocabularyStore, cause,
    },
};

/// How many images, and the answers for how many digests, are read at a time.
const PAGE: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// The ports of an export, all of one database.
#[derive(Clone)]
pub struct ExportingPorts {
    /// Reads images and answers.
    pub store: Arc<dyn StoreExport>,
    /// Reads the vocabulary.
    pub vocabulary: Arc<dyn VocabularyStore>,
    /// Counts images.
    pub inspector: Arc<dyn Inspector>,
}

/// Reads everything that is kept, page by page. Pages are snapshots of their own: what changes meanwhile is read as it
/// is when its page is read.
#[derive(Clone)]
pub struct Exporting(ExportingPorts);

impl Exporting {
    /// Creates the service on its ports.
    pub fn new(ports: ExportingPorts) -> Self {
        Self(ports)
    }

    /// The number of images at this moment.
    pub async fn count(&self) -> Result<u64, ImageStoreError> {
        self.0.inspector.count(Rows::Images).await
    }

    /// All entries of the vocabulary, by their folded tags.
    pub async fn vocabulary(&self) -> Result<Vec<VocabularyEntry>, ImageStoreError> {
        let stored = self.0.vocabulary.vocabulary().await?;
        let vocabulary = Vocabulary::new(stored.entries)
            .map_err(|conflict| ImageStoreError::Corrupt(cause(conflict)))?;
        Ok(vocabulary.after(None).cloned().collect())
    }

    /// All images, in the order of registration.
    pub fn images(&self) -> impl Stream<Item = Result<StoredImage, ImageStoreError>> + use<> {
        let store = Arc::clone(&self.0.store);
        let pages = stream::try_unfold(None::<ExportPosition>, move |after| {
            let store = Arc::clone(&store);
            async move {
                let page = store.export_images(after, PAGE).await?;
                let last = page.last().map(StoredImage::position);
                Ok(last.map(|last| (stream::iter(page.into_iter().map(Ok)), Some(last))))
            }
        });
        pages.try_flatten()
    }

    /// All answers of providers, in the order of their keys.
    pub fn answers(
        &self,
    ) -> impl Stream<Item = Result<(TaggingKey, Tagging), ImageStoreError>> + use<> {
        let store = Arc::clone(&self.0.store);
        let pages = stream::try_unfold(None::<ContentDigest>, move |after| {
            let store = Arc::clone(&store);
            async move {
                let page = store.export_answers(after, PAGE).await?;
                let last = page.last().map(|(key, _)| key.digest);
                Ok(last.map(|last| (stream::iter(page.into_iter().map(Ok)), Some(last))))
            }
        });
        pages.try_flatten()
    }
}
