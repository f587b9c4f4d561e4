//! What is kept of originals to find look-alikes: reads it, or computes it from an original.

use std::{collections::HashSet, sync::Arc};

use super::{
    catalog::Catalog,
    editing::RetagError,
    ingest::{IngestError, codes},
    lanes::Lanes,
    source::{FileSource, SourcePorts},
    tagger::TaggerError,
};
use crate::{
    ContentDigest, FeatureModel, Image, ModelCode, ModelFeatures, PerceptualHash, Tags,
    UntaggedImage,
    ports::{
        CallContext, CodecError, FeatureExtractor, FeatureStore, ImageCodec, ImageStoreError,
        ReleaseQueue, UpstreamError,
    },
};

/// The ports of the codes of pictures.
#[derive(Clone)]
pub struct PictureCodePorts {
    /// Keeps codes and features.
    pub store: Arc<dyn FeatureStore>,
    /// Computes features; `None` if the tagger in use has none.
    pub extractor: Option<Arc<dyn FeatureExtractor>>,
    /// Decodes originals.
    pub codec: Arc<dyn ImageCodec>,
    /// Not used, as nothing is hosted.
    pub releases: Arc<dyn ReleaseQueue>,
}

/// Reads and computes the codes of originals. Clones share the work.
#[derive(Clone)]
pub struct PictureCodes(Arc<Inner>);

struct Inner {
    store: Arc<dyn FeatureStore>,
    extractor: Option<Arc<dyn FeatureExtractor>>,
    source: SourcePorts,
    catalog: Catalog,
    lanes: Lanes,
}

impl PictureCodes {
    /// Creates the service on its ports. Originals are read with the catalog, which notes damage.
    pub fn new(ports: PictureCodePorts, catalog: Catalog) -> Self {
        Self(Arc::new(Inner {
            store: ports.store,
            extractor: ports.extractor,
            source: SourcePorts {
                codec: ports.codec,
                host: None,
                releases: ports.releases,
            },
            catalog,
            lanes: Lanes::default(),
        }))
    }

    /// The model of the features of the tagger in use, if it has any.
    pub fn feature_model(&self) -> Option<&FeatureModel> {
        self.0.extractor.as_ref().map(|extractor| extractor.model())
    }

    /// Every model under which originals have codes.
    pub(super) fn models(&self) -> Vec<FeatureModel> {
        let features = self.feature_model().cloned();
        features
            .into_iter()
            .chain([PerceptualHash::model()])
            .collect()
    }

    /// Which of these originals, at most 1000, lack a code.
    pub(super) async fn lacking(
        &self,
        images: &[UntaggedImage],
    ) -> Result<HashSet<ContentDigest>, ImageStoreError> {
        let digests: HashSet<ContentDigest> = images.iter().map(|image| image.digest).collect();
        let digests: Vec<ContentDigest> = digests.into_iter().collect();
        self.0.store.lacking_codes(&digests, &self.models()).await
    }

    /// What is kept of an original under a model, or else computed from it.
    pub(super) async fn code(
        &self,
        image: &Image,
        model: &FeatureModel,
        context: &CallContext,
    ) -> Result<ModelCode, RetagError> {
        if let Some(kept) = self.0.store.code_of(&image.digest, model).await? {
            return Ok(kept);
        }
        let computed = self.compute(&image.into(), context).await?;
        let found = computed.into_iter().find(|code| code.model == *model);
        Ok(found.unwrap_or_else(|| ModelCode::none(model.clone())))
    }

    /// Computes the codes of an original under all models, and keeps them. An original that cannot be decoded has
    /// none, which is kept as well.
    pub(super) async fn compute(
        &self,
        image: &UntaggedImage,
        context: &CallContext,
    ) -> Result<Vec<ModelCode>, RetagError> {
        let _turn = self.0.lanes.turn(&image.digest).await;
        // Others that had their turn before may have computed them.
        if let Some(kept) = self.kept(&image.digest).await? {
            return Ok(kept);
        }
        let computed = self.computed(image, context).await;
        if computed.as_ref().err().is_some_and(is_lasting) {
            let none: Vec<ModelCode> = self.models().into_iter().map(ModelCode::none).collect();
            self.0.store.keep_codes(&image.digest, &none).await?;
        }
        let computed = computed?;
        self.0.store.keep_codes(&image.digest, &computed).await?;
        Ok(computed)
    }

    /// What is kept of an original, if that is something under every model.
    async fn kept(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<Vec<ModelCode>>, ImageStoreError> {
        let mut kept = Vec::new();
        for model in self.models() {
            match self.0.store.code_of(digest, &model).await? {
                Some(code) => kept.push(code),
                None => return Ok(None),
            }
        }
        Ok(Some(kept))
    }

    async fn computed(
        &self,
        image: &UntaggedImage,
        context: &CallContext,
    ) -> Result<Vec<ModelCode>, RetagError> {
        context.check().map_err(IngestError::Tagging)?;
        let bytes = self.0.catalog.bytes(&image.with(Tags::default())).await?;
        let source = FileSource::new(self.0.source.clone(), image.digest, bytes, context.clone());
        let mut features = None;
        if let Some(extractor) = &self.0.extractor {
            let found = extractor.features(&source, context).await;
            features = Some(ModelFeatures {
                model: extractor.model().clone(),
                features: found.map_err(failed)?,
            });
        }
        let decoded = source.decoded().await.map_err(IngestError::Picture)?;
        Ok(codes(&decoded, features))
    }
}

fn failed(error: UpstreamError) -> IngestError {
    TaggerError::from(error).into()
}

/// Whether the same original fails in the same way each time. One that is missing or altered may be put back.
fn is_lasting(error: &RetagError) -> bool {
    match error {
        RetagError::Tagging(IngestError::Tagging(UpstreamError::Unreadable(_))) => true,
        RetagError::Tagging(IngestError::Picture(error)) => matches!(
            error,
            CodecError::NotAnImage { .. }
                | CodecError::UnsupportedFormat { .. }
                | CodecError::TooManyPixels { .. }
                | CodecError::TooLarge { .. }
                | CodecError::TooComplex { .. }
        ),
        _ => false,
    }
}
