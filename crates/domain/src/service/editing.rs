//! Changes the tags of registered images, and deletes images.

mod names;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use thiserror::Error;

use super::{
    catalog::{Catalog, CatalogError},
    ingest::{Ingest, IngestError, Tagged, TaggerChoice, UnknownTagger, Upload},
    lanes::Lanes,
};
use crate::{
    ContentDigest, Image, ImageId, ImageInfo, TagEdit, Tagging, TaggingKey, Threshold,
    UntaggedImage, Vocabulary,
    ports::{
        CallContext, Clock, ImageEdits, ImageStoreError, TagChange, TagsChanged, TagsVersion,
        VersionedTags, cause,
    },
};

/// The ports of editing.
#[derive(Clone)]
pub struct EditingPorts {
    /// Changes and deletes images.
    pub edits: Arc<dyn ImageEdits>,
    /// Dates deletions.
    pub clock: Arc<dyn Clock>,
}

/// How to tag an image again.
#[derive(Debug, Clone)]
pub struct Retagging {
    /// The names of the providers, separated by commas; `None` is all that are set up.
    pub provider: Option<String>,
    /// The threshold; `None` is the image's own.
    pub threshold: Option<Threshold>,
    /// The threshold of an image of which none is known.
    pub default: Threshold,
}

/// Why an image was not tagged again. It is unchanged.
#[derive(Debug, Clone, Error)]
pub enum RetagError {
    /// No provider of that name is set up.
    #[error(transparent)]
    UnknownProvider(#[from] UnknownTagger),
    /// The image cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The picture could not be tagged.
    #[error(transparent)]
    Tagging(#[from] IngestError),
    /// The tags could not be changed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

/// Changes the tags of images, and deletes images. Clones share the work.
#[derive(Clone)]
pub struct Editing {
    ports: EditingPorts,
    catalog: Catalog,
    ingest: Arc<Ingest>,
    lanes: Lanes,
}

impl Editing {
    /// Creates the service on its ports, and on the services that read and tag images.
    pub fn new(ports: EditingPorts, catalog: Catalog, ingest: Arc<Ingest>) -> Self {
        Self {
            ports,
            catalog,
            ingest,
            lanes: Lanes::default(),
        }
    }

    /// All that was said of an image.
    pub async fn tags(&self, id: &ImageId) -> Result<Option<VersionedTags>, ImageStoreError> {
        self.ports.edits.tags_of(id).await
    }

    /// Adds and removes tags, for a person; see [`ImageTags::edited`](crate::ImageTags::edited). With a
    /// version, only if the tags have it.
    pub async fn edit(
        &self,
        id: &ImageId,
        edit: TagEdit,
        version: Option<TagsVersion>,
    ) -> Result<TagsChanged, ImageStoreError> {
        let known = self.catalog.vocabulary().current().await?;
        let change = TagChange::Edit(edit.under(Arc::clone(&known.vocabulary)));
        self.ports.edits.change_tags(id, &change, version).await
    }

    /// Deletes an image. `false` if there is none. Upkeep removes the original once no image refers to it.
    pub async fn delete(&self, id: &ImageId) -> Result<bool, ImageStoreError> {
        self.ports.edits.delete(id, self.ports.clock.now()).await
    }

    /// Has an image tagged again. What persons and files said, and rejections, are kept; see
    /// [`ImageTags::retagged`](crate::ImageTags::retagged).
    ///
    /// An answer that is stored is used; else the original is read and the provider called. As with
    /// [`Ingest::tag`], the future should be driven to its end.
    pub async fn retag(
        &self,
        id: &ImageId,
        asked: &Retagging,
        context: CallContext,
    ) -> Result<TagsChanged, RetagError> {
        let choice = self.ingest.choose(asked.provider.as_deref())?;
        let Some(image) = self.catalog.image(id).await? else {
            return Ok(TagsChanged::NotFound);
        };
        let threshold = match asked.threshold {
            Some(threshold) => threshold,
            None => self.threshold_of(&image, asked.default).await?,
        };
        let tagged = self.answer(&image, threshold, &choice, context).await?;
        let change = TagChange::Retag {
            answers: tagged.answers,
            threshold,
            vocabulary: self.vocabulary().await?,
        };
        Ok(self.ports.edits.change_tags(id, &change, None).await?)
    }

    async fn threshold_of(
        &self,
        image: &Image,
        default: Threshold,
    ) -> Result<Threshold, CatalogError> {
        let mut infos = self.catalog.infos(&[image.id]).await?;
        let info = infos.remove(&image.id).unwrap_or_default();
        Ok(info.threshold_of(image, default))
    }

    /// What is kept of images beside their tags.
    pub(super) async fn infos(
        &self,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, ImageInfo>, ImageStoreError> {
        match self.catalog.infos(images).await {
            Ok(infos) => Ok(infos),
            Err(CatalogError::Store(error)) => Err(error),
            Err(CatalogError::Originals(error)) => Err(ImageStoreError::Failed(cause(error))),
        }
    }

    /// The vocabulary.
    pub(super) async fn vocabulary(&self) -> Result<Arc<Vocabulary>, ImageStoreError> {
        let known = self.catalog.vocabulary().current().await?;
        Ok(Arc::clone(&known.vocabulary))
    }

    /// The stored answers of all providers for some images, by digest.
    pub(super) async fn stored_answers(
        &self,
        images: &[UntaggedImage],
    ) -> Result<HashMap<ContentDigest, Vec<(TaggingKey, Tagging)>>, ImageStoreError> {
        let digests: BTreeSet<ContentDigest> = images.iter().map(|image| image.digest).collect();
        let digests: Vec<ContentDigest> = digests.into_iter().collect();
        self.ingest.stored_answers(&digests).await
    }

    /// The choice of providers by their names.
    pub(super) fn choose(&self, names: Option<&str>) -> Result<TaggerChoice, UnknownTagger> {
        self.ingest.choose(names)
    }

    /// The keys of the answers of the chosen providers.
    pub(super) fn keys(&self, image: &UntaggedImage, choice: &TaggerChoice) -> Vec<TaggingKey> {
        self.ingest.keys(image.digest, choice)
    }

    /// The answers of the chosen providers for an image: the stored ones, or new ones.
    pub(super) async fn answer(
        &self,
        image: &Image,
        threshold: Threshold,
        choice: &TaggerChoice,
        context: CallContext,
    ) -> Result<Tagged, RetagError> {
        let stored = self.ingest.stored_tags(image.digest, threshold, choice);
        if let Some(stored) = stored.await? {
            return Ok(stored);
        }
        let _turn = self.lanes.turn(&image.digest).await;
        context.check().map_err(IngestError::Tagging)?;
        let upload = Upload {
            bytes: self.catalog.bytes(image).await?,
            digest: image.digest,
            threshold,
            taggers: choice.clone(),
            file_name: None,
            imported: None,
            request: None,
            context,
        };
        Ok(self.ingest.tag(upload).await?)
    }
}
