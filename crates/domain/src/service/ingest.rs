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
    answers::{Answers, Unsaved},
    single_flight::{InFlight, SingleFlight},
    tagger::{Tagger, TaggerError, TaggerPorts},
};
use crate::{
    CameraData, ContentDigest, Image, ImageFacts, ImageId, ImageInfo, NewImage, Tagging,
    TaggingKey, Threshold, image_info,
    ports::{
        BlobHost, CallContext, Claimed, Clock, CodecError, ImageCodec, ImageStore, ImageStoreError,
        Known, OriginalLedger, OriginalStore, OriginalStoreError, PutMode, ReleaseQueue,
        TagProvider, TaggingCache, UpstreamError,
    },
};

/// How often an upload is claimed and put anew when upkeep removed the same bytes in between.
const CLAIM_ATTEMPTS: usize = 3;

/// What ingest works with.
#[derive(Clone)]
pub struct IngestPorts {
    /// Where images are recorded.
    pub images: Arc<dyn ImageStore>,
    /// Where providers' answers are kept.
    pub taggings: Arc<dyn TaggingCache>,
    /// Grants claims on originals.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Where the bytes are kept.
    pub originals: Arc<dyn OriginalStore>,
    /// Decodes uploads.
    pub codec: Arc<dyn ImageCodec>,
    /// Tags them.
    pub provider: Arc<dyn TagProvider>,
    /// Gives them a public URL; needed only by a provider that pulls one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Takes hosted blobs back.
    pub releases: Arc<dyn ReleaseQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How ingest works.
#[derive(Debug, Clone, Copy)]
pub struct IngestSettings {
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
    /// The name that the client gave to the file, as it gave it; none if it gave none.
    pub file_name: Option<String>,
    /// Whom the image is registered for. Once they have gone, no work that costs something is done for them.
    pub context: CallContext,
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
    pipeline: Pipeline,
    analyses: SingleFlight<TaggingKey, Analyzed>,
}

/// The outcome of an analysis, which uploads of the same bytes share.
type Analyzed = Result<Arc<Analysis>, IngestError>;

/// A provider's answer, and the hold on it where the store does not have it yet.
type Answer = (Tagging, Option<Unsaved>);

/// What was found out about some bytes.
struct Analysis {
    facts: ImageFacts,
    camera: CameraData,
    tagging: Tagging,
    /// Where the store does not have the tagging yet.
    unsaved: Option<Unsaved>,
}

#[derive(Clone)]
struct Pipeline {
    tagger: Tagger,
    images: Arc<dyn ImageStore>,
    taggings: Arc<dyn TaggingCache>,
    ledger: Arc<dyn OriginalLedger>,
    originals: Arc<dyn OriginalStore>,
    clock: Arc<dyn Clock>,
    claim: TimeDelta,
    answers: Answers,
}

impl Ingest {
    /// Puts the service together.
    pub fn new(ports: IngestPorts, settings: IngestSettings) -> Self {
        let IngestPorts {
            images,
            taggings,
            ledger,
            originals,
            codec,
            provider,
            host,
            releases,
            clock,
        } = ports;
        let tagger = Tagger::new(TaggerPorts {
            codec,
            provider,
            host,
            releases,
        });
        let pipeline = Pipeline {
            tagger,
            images,
            taggings,
            ledger,
            originals,
            clock,
            claim: settings.claim,
            answers: Answers::default(),
        };
        Self {
            pipeline,
            analyses: SingleFlight::default(),
        }
    }

    /// Registers an image under a new id.
    ///
    /// The future should be driven to its end also when nobody waits for the image any more: other
    /// uploads of the same bytes may share its work, and what was tagged is recorded. Whether anybody
    /// waits is checked before each call to the provider and to the blob host, and while the picture is decoded.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`], as [`IngestError::Tagging`], or [`CodecError::Cancelled`], as
    /// [`IngestError::Picture`], if nobody did; nothing is recorded.
    /// Whatever fails once the provider has answered, its answer is kept: it was paid for.
    pub async fn ingest(&self, upload: Upload) -> Result<Image, IngestError> {
        let key = self.pipeline.tagger.key(upload.digest);
        // Held until the image is recorded: from then on the store knows the tagging.
        let flight = self.analyze(&key, &upload);
        let analysis = flight.outcome().await?;
        self.pipeline.keep(&upload, key, &analysis).await
    }

    /// Writes the providers' answers that failed uploads could not write. Says how many.
    ///
    /// # Errors
    /// What is left is written by a later call, or by an upload of the same bytes.
    pub async fn save_answers(&self) -> Result<usize, ImageStoreError> {
        let Pipeline {
            answers, taggings, ..
        } = &self.pipeline;
        answers.save(&**taggings).await
    }

    fn analyze(&self, key: &TaggingKey, upload: &Upload) -> Arc<InFlight<TaggingKey, Analyzed>> {
        self.analyses.join(key, &upload.context, |context| {
            let (pipeline, key, bytes) = (self.pipeline.clone(), key.clone(), upload.bytes.clone());
            async move { pipeline.analyze(&key, bytes, &context).await.map(Arc::new) }.boxed()
        })
    }
}

impl Pipeline {
    /// Finds facts and tags: those that are known, or else by decoding and tagging.
    async fn analyze(
        &self,
        key: &TaggingKey,
        bytes: Bytes,
        context: &CallContext,
    ) -> Result<Analysis, IngestError> {
        let (facts, answer) = self.known(key).await?;
        let file = bytes.clone();
        let (facts, answer) = match (facts, answer) {
            (Some(facts), Some(answer)) => (facts, answer),
            (_, Some(answer)) => {
                let facts = self.tagger.facts(&key.digest, bytes, context).await?;
                (facts, answer)
            }
            (_, None) => self.tag(key, bytes, context).await?,
        };
        Ok(Analysis {
            facts,
            camera: self.tagger.camera_data(&file),
            tagging: answer.0,
            unsaved: answer.1,
        })
    }

    /// What is known of the bytes: their facts, and the answer, in the store or on its way there.
    async fn known(
        &self,
        key: &TaggingKey,
    ) -> Result<(Option<ImageFacts>, Option<Answer>), IngestError> {
        // In this order: what is no longer on its way by now is in the store.
        let waiting = self.answers.resume(key);
        let Known { facts, tagging } = self.taggings.known(key).await?;
        let stored = tagging.map(|tagging| (tagging, None));
        let answer = match waiting {
            Some((tagging, unsaved)) => Some((tagging, Some(unsaved))),
            None => stored,
        };
        Ok((facts, answer))
    }

    /// Decodes the bytes and has them tagged.
    async fn tag(
        &self,
        key: &TaggingKey,
        bytes: Bytes,
        context: &CallContext,
    ) -> Result<(ImageFacts, Answer), IngestError> {
        // Decoding for a caller that has gone takes time from those that wait.
        context.check().map_err(IngestError::Tagging)?;
        // What could not be kept is not paid for.
        self.answers.check_room()?;
        let (facts, tags) = self.tagger.tag(&key.digest, bytes, context).await?;
        let tagging = Tagging {
            tags,
            tagged_at: self.clock.now(),
        };
        let unsaved = self.answers.hold(key, &tagging);
        Ok((facts, (tagging, Some(unsaved))))
    }

    /// Keeps the bytes and records the image. If that fails, the provider's answer is kept all the same.
    async fn keep(
        &self,
        upload: &Upload,
        key: TaggingKey,
        analysis: &Analysis,
    ) -> Result<Image, IngestError> {
        let Some(unsaved) = &analysis.unsaved else {
            return self.register(upload, &key, None, analysis).await;
        };
        let tagging = &analysis.tagging;
        let outcome = self.register(upload, &key, Some(tagging), analysis).await;
        match &outcome {
            Ok(_) => unsaved.saved(),
            // It is asked again in the background: the client has waited long enough for it.
            Err(IngestError::Store(ImageStoreError::Unavailable(_))) => {}
            Err(_) => self.rescue(unsaved, &key, tagging).await,
        }
        outcome
    }

    /// Keeps the bytes, then records the image.
    async fn register(
        &self,
        upload: &Upload,
        key: &TaggingKey,
        tagging: Option<&Tagging>,
        analysis: &Analysis,
    ) -> Result<Image, IngestError> {
        let mut attempt = 1;
        loop {
            let claimed = self.put(upload, analysis).await?;
            let new = NewImage {
                image: self.image(upload, analysis),
                info: info(upload, key, analysis),
                fence: Some(claimed.fence),
                tagging: tagging.map(|tagging| (key.clone(), tagging.clone())),
            };
            match self.images.record(&new).await {
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

    async fn put(&self, upload: &Upload, analysis: &Analysis) -> Result<Claimed, IngestError> {
        let now = self.clock.now();
        let until = now + self.claim;
        let claimed = self
            .ledger
            .claim(&upload.digest, &analysis.facts, now, until)
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
        match self.ledger.clear_damage(digest).await {
            Ok(()) => tracing::info!(%digest, "a damaged original was replaced"),
            Err(error) => {
                tracing::warn!(%digest, %error, "a replaced original is still noted as damaged");
            }
        }
    }

    fn image(&self, upload: &Upload, analysis: &Analysis) -> Image {
        let registered_at = self.clock.now();
        Image {
            id: ImageId::new(registered_at),
            digest: upload.digest,
            facts: analysis.facts,
            registered_at,
            tags: analysis.tagging.tags.at_least(upload.threshold),
        }
    }

    /// An answer that was paid for is not thrown away because the disk is full.
    async fn rescue(&self, unsaved: &Unsaved, key: &TaggingKey, tagging: &Tagging) {
        match self.taggings.keep_tagging(key, tagging).await {
            Ok(()) => unsaved.saved(),
            Err(error) => {
                tracing::warn!(digest = %key.digest, %error, "a provider's answer is yet to be kept");
            }
        }
    }
}

fn info(upload: &Upload, key: &TaggingKey, analysis: &Analysis) -> ImageInfo {
    let name = upload.file_name.as_deref();
    ImageInfo {
        threshold: Some(upload.threshold),
        provider: Some(key.provider.name().to_owned()),
        file_name: name.and_then(image_info::file_name),
        camera: analysis.camera.clone(),
    }
}
