//! Registering an image: look at the bytes, tag them, keep them, record them, in this order.
//!
//! The order is what makes it safe to be killed anywhere: a row is recorded only when its bytes are
//! durable, and the answer is given only when the row is. What an ingest that was cut off leaves
//! behind (a hosted blob, bytes without a row) is harmless and found by [`Upkeep`](super::Upkeep).

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::FutureExt;
use thiserror::Error;

use super::{
    flights::{Flight, Flights},
    tagger::{Tagger, TaggerError, TaggerPorts},
};
use crate::{
    ContentDigest, Image, ImageFacts, ImageId, NewImage, Tagging, TaggingKey, Threshold,
    ports::{
        BlobHost, Claimed, Clock, CodecError, ImageCodec, ImageStore, ImageStoreError, Interest,
        Known, OriginalStore, OriginalStoreError, PutMode, ReleaseQueue, TagProvider,
        UpstreamError,
    },
};

/// How often an upload is claimed and put anew when upkeep removed the same bytes in between.
const CLAIM_ATTEMPTS: usize = 3;

/// What ingest works with.
#[derive(Clone)]
pub struct IngestPorts {
    /// Where images are recorded.
    pub store: Arc<dyn ImageStore>,
    /// Where the bytes are kept.
    pub originals: Arc<dyn OriginalStore>,
    /// Decodes uploads.
    pub codec: Arc<dyn ImageCodec>,
    /// Tags them.
    pub provider: Arc<dyn TagProvider>,
    /// Gives them a public URL; needed only by a provider that wants one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Takes hosted blobs back.
    pub releases: Arc<dyn ReleaseQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How ingest works.
#[derive(Debug, Clone, Copy)]
pub struct IngestSettings {
    /// Longest side in pixels of the copy that a cloud provider is sent, which must be the codec's own
    /// setting then. 0 sends the original.
    pub max_side: u32,
    /// For how long an upload protects bytes that no image refers to yet.
    pub claim: TimeDelta,
}

/// Bytes to register.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The bytes.
    pub bytes: Bytes,
    /// Their digest.
    pub digest: ContentDigest,
    /// The lowest confidence of the tags to record.
    pub threshold: Threshold,
    /// Who waits for the image. When they are gone, no call that costs something is begun for them.
    pub interest: Interest,
}

/// Why an image was not registered. Nothing of it is left that upkeep does not remove.
#[derive(Debug, Clone, Error)]
pub enum IngestError {
    /// The bytes are no picture that can be taken.
    #[error(transparent)]
    Picture(CodecError),
    /// The picture could not be tagged.
    #[error("tagging failed")]
    Tagging(#[source] UpstreamError),
    /// The image could not be recorded.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The bytes could not be kept.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

impl From<TaggerError> for IngestError {
    fn from(error: TaggerError) -> Self {
        match error {
            TaggerError::Picture(error) => Self::Picture(error),
            TaggerError::Provider(error) => Self::Tagging(error),
        }
    }
}

/// Registers images.
pub struct Ingest {
    work: Worker,
    flights: Flights<TaggingKey, Seen>,
}

/// What was found out about some bytes.
type Seen = Result<Arc<Sight>, IngestError>;

struct Sight {
    facts: ImageFacts,
    tagging: Tagging,
    /// Whether the store does not have the tagging yet.
    is_new: bool,
}

#[derive(Clone)]
struct Worker {
    tagger: Tagger,
    store: Arc<dyn ImageStore>,
    originals: Arc<dyn OriginalStore>,
    clock: Arc<dyn Clock>,
    claim: TimeDelta,
}

impl Ingest {
    /// Puts the service together.
    pub fn new(ports: IngestPorts, settings: IngestSettings) -> Self {
        let IngestPorts {
            store,
            originals,
            codec,
            provider,
            host,
            releases,
            clock,
        } = ports;
        let tagger = Tagger::new(
            TaggerPorts {
                codec,
                provider,
                host,
                releases,
            },
            settings.max_side,
        );
        let work = Worker {
            tagger,
            store,
            originals,
            clock,
            claim: settings.claim,
        };
        Self {
            work,
            flights: Flights::default(),
        }
    }

    /// Registers an image under a new id.
    ///
    /// The future should be driven to its end also when nobody waits for the image any more: other
    /// uploads of the same bytes may share its work, and what was tagged is recorded. Whether anybody
    /// waits is asked before each call to the provider and to the blob host.
    ///
    /// # Errors
    /// [`UpstreamError::Unwanted`], as [`IngestError::Tagging`], if nobody did; nothing is recorded.
    pub async fn ingest(&self, upload: Upload) -> Result<Image, IngestError> {
        let key = self.work.tagger.key(upload.digest);
        // The place is held until the image is recorded: from then on the store knows the tagging.
        let flight = self.look(&key, &upload);
        let sight = flight.outcome().await?;
        self.work.keep(&upload, key, &sight).await
    }

    fn look(&self, key: &TaggingKey, upload: &Upload) -> Arc<Flight<TaggingKey, Seen>> {
        self.flights.join(key, upload.interest.clone(), |interest| {
            let (work, key, bytes) = (self.work.clone(), key.clone(), upload.bytes.clone());
            async move { work.look(&key, bytes, &interest).await.map(Arc::new) }.boxed()
        })
    }
}

impl Worker {
    /// Finds facts and tags: those that are known, or else by decoding and tagging.
    async fn look(
        &self,
        key: &TaggingKey,
        bytes: Bytes,
        interest: &Interest,
    ) -> Result<Sight, IngestError> {
        let tagging = match self.store.known(key).await? {
            Known {
                facts: Some(facts),
                tagging: Some(tagging),
            } => {
                return Ok(Sight {
                    facts,
                    tagging,
                    is_new: false,
                });
            }
            Known { tagging, .. } => tagging,
        };
        if tagging.is_none() {
            // Decoding for nobody would take the time of those who wait.
            interest.check().map_err(IngestError::Tagging)?;
        }
        let picture = self.tagger.decode(bytes.clone()).await?;
        let facts = ImageFacts {
            media_type: picture.media_type,
            width: picture.width,
            height: picture.height,
            byte_size: bytes.len() as u64,
        };
        if let Some(tagging) = tagging {
            return Ok(Sight {
                facts,
                tagging,
                is_new: false,
            });
        }
        let tags = self
            .tagger
            .tag(&key.digest, picture, bytes, interest)
            .await?;
        let tagging = Tagging {
            tags,
            tagged_at: self.clock.now(),
        };
        Ok(Sight {
            facts,
            tagging,
            is_new: true,
        })
    }

    /// Keeps the bytes, then records the image.
    async fn keep(
        &self,
        upload: &Upload,
        key: TaggingKey,
        sight: &Sight,
    ) -> Result<Image, IngestError> {
        let tagging = sight.is_new.then(|| (key, sight.tagging.clone()));
        let mut attempt = 1;
        loop {
            let claimed = match self.put(upload, sight).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    self.rescue(tagging.as_ref()).await;
                    return Err(error);
                }
            };
            let image = self.image(upload, sight);
            let new = NewImage {
                image,
                fence: Some(claimed.fence),
                tagging: tagging.clone(),
            };
            match self.store.record(&new).await {
                Ok(()) => {
                    if claimed.is_damaged {
                        self.mended(&upload.digest).await;
                    }
                    return Ok(new.image);
                }
                Err(ImageStoreError::ClaimLost) if attempt < CLAIM_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn put(&self, upload: &Upload, sight: &Sight) -> Result<Claimed, IngestError> {
        let now = self.clock.now();
        let until = now + self.claim;
        let claimed = self
            .store
            .claim(&upload.digest, &sight.facts, now, until)
            .await?;
        let mode = if claimed.rewrite {
            PutMode::Overwrite
        } else {
            PutMode::KeepExisting
        };
        self.originals
            .put(&upload.digest, upload.bytes.clone(), mode)
            .await?;
        Ok(claimed)
    }

    /// The image is recorded: a note that stays behind only costs the next upload a rewrite.
    async fn mended(&self, digest: &ContentDigest) {
        match self.store.clear_damage(digest).await {
            Ok(()) => tracing::info!(%digest, "a damaged original was replaced"),
            Err(error) => {
                tracing::warn!(%digest, %error, "a replaced original is still noted as damaged");
            }
        }
    }

    fn image(&self, upload: &Upload, sight: &Sight) -> Image {
        let registered_at = self.clock.now();
        Image {
            id: ImageId::new(registered_at),
            digest: upload.digest,
            facts: sight.facts,
            registered_at,
            tags: sight.tagging.tags.at_least(upload.threshold),
        }
    }

    /// An answer that was paid for is not thrown away because the disk is full.
    async fn rescue(&self, tagging: Option<&(TaggingKey, Tagging)>) {
        if let Some((key, tagging)) = tagging
            && let Err(error) = self.store.keep_tagging(key, tagging).await
        {
            tracing::warn!(digest = %key.digest, %error, "a provider's answer was lost");
        }
    }
}

#[cfg(test)]
mod tests;
