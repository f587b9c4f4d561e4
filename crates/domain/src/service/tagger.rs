//! Tags a picture without storing anything.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::source::{Decoded, FileSource, SourcePorts};
use crate::{
    CameraData, ContentDigest, ProviderIdentity, TaggingKey, Tags,
    ports::{
        BlobHost, CallContext, CodecError, ImageCodec, Prediction, ReleaseQueue, TagProvider,
        UpstreamError,
    },
};

/// The ports of a tagger.
#[derive(Clone)]
pub struct TaggerPorts {
    /// Decodes pictures, and encodes the copies sent upstream.
    pub codec: Arc<dyn ImageCodec>,
    /// Tags pictures, locally or remotely.
    pub provider: Arc<dyn TagProvider>,
    /// Gives pictures a public URL; needed only by a provider that pulls one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Releases hosted blobs in the background.
    pub releases: Arc<dyn ReleaseQueue>,
}

/// Why a picture was not tagged.
#[derive(Debug, Clone, Error)]
pub enum TaggerError {
    /// The bytes are not an acceptable picture.
    #[error(transparent)]
    Picture(#[from] CodecError),
    /// The provider, or the blob host it needs, failed.
    #[error("tagging failed")]
    Provider(#[source] UpstreamError),
}

impl From<UpstreamError> for TaggerError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Picture(error) => Self::Picture(error),
            error => Self::Provider(error),
        }
    }
}

/// Tags pictures: gives the provider a source from which it pulls each in the form it wants.
#[derive(Clone)]
pub struct Tagger {
    provider: Arc<dyn TagProvider>,
    source: SourcePorts,
}

impl Tagger {
    /// Creates the service on its ports.
    pub fn new(ports: TaggerPorts) -> Self {
        let TaggerPorts {
            codec,
            provider,
            host,
            releases,
        } = ports;
        let source = SourcePorts {
            codec,
            host,
            releases,
        };
        Self { provider, source }
    }

    /// The same for another provider.
    pub(super) fn for_provider(&self, provider: Arc<dyn TagProvider>) -> Self {
        Self {
            provider,
            source: self.source.clone(),
        }
    }

    /// The provider.
    pub(super) fn provider(&self) -> &ProviderIdentity {
        self.provider.identity()
    }

    /// The cache key of the answer for these bytes.
    pub fn key(&self, digest: ContentDigest) -> TaggingKey {
        TaggingKey {
            digest,
            provider: self.provider.identity().clone(),
            max_side: self.provider.max_side(),
        }
    }

    /// Decodes and tags a picture file: everything the provider finds, whatever the confidence.
    pub async fn tag_file(&self, file: Bytes) -> Result<Tags, TaggerError> {
        let digest = ContentDigest::of(&file);
        let (_, found) = self.tag(&digest, file, &CallContext::local()).await?;
        Ok(found.tags)
    }

    /// Decodes a picture file without tagging it.
    pub(super) async fn decode(
        &self,
        digest: &ContentDigest,
        file: Bytes,
        context: &CallContext,
    ) -> Result<Decoded, TaggerError> {
        Ok(self.source(digest, file, context).decoded().await?)
    }

    /// Decodes and tags a picture file. The provider is called once its facts are known.
    pub(super) async fn tag(
        &self,
        digest: &ContentDigest,
        file: Bytes,
        context: &CallContext,
    ) -> Result<(Decoded, Prediction), TaggerError> {
        let source = self.source(digest, file, context);
        // First, so that the file is decoded at the size that the provider pulls.
        self.provider.prepare(&source).await?;
        let decoded = source.decoded().await?;
        let found = self.provider.tag(&source, context).await?;
        Ok((decoded, found))
    }

    /// What a camera wrote into a picture file.
    pub(super) fn camera_data(&self, file: &[u8]) -> CameraData {
        self.source.codec.camera_data(file)
    }

    fn source(&self, digest: &ContentDigest, file: Bytes, context: &CallContext) -> FileSource {
        FileSource::new(self.source.clone(), *digest, file, context.clone())
    }
}
