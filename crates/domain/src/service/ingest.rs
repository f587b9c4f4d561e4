//! Registers an image: analyze the bytes, tag them, put them, record them, in this order.
//!
//! The order makes it crash-safe: a row is recorded only when its bytes are durable, and success is
//! reported only when the row is. Remains of an interrupted ingest (a hosted blob, bytes without a row) are
//! harmless and found by [`Upkeep`](super::Upkeep).

mod adopt;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::FutureExt;
use thiserror::Error;

pub use self::adopt::ForeignPicture;
use super::{
    answers::{Answers, Unsaved},
    shared_vocabulary::SharedVocabulary,
    single_flight::{InFlight, SingleFlight},
    store_room::{Reservation, StoreRoom},
    tagger::{Tagger, TaggerError, TaggerPorts},
};
use crate::{
    CameraData, ContentDigest, Image, ImageFacts, ImageId, ImageInfo, ImportedFile, NewImage,
    ProviderIdentity, RequestLease, Tagging, TaggingKey, Tags, Threshold, image_info,
    ports::{
        BlobHost, CallContext, Claimed, Clock, CodecError, ImageCodec, ImageStore, ImageStoreError,
        Known, OriginalLedger, OriginalStore, OriginalStoreError, PutMode, ReleaseQueue,
        TagProvider, TaggingCache, UpstreamError, in_words,
    },
};

/// How often an upload is claimed and put again when upkeep removed the same bytes in between.
const CLAIM_ATTEMPTS: usize = 3;

/// The ports of ingest.
#[derive(Clone)]
pub struct IngestPorts {
    /// Records images with their tags.
    pub images: Arc<dyn ImageStore>,
    /// Caches providers' answers, which are paid for.
    pub taggings: Arc<dyn TaggingCache>,
    /// Grants upload claims on originals.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Stores the uploaded bytes.
    pub originals: Arc<dyn OriginalStore>,
    /// Decodes uploads, and encodes copies.
    pub codec: Arc<dyn ImageCodec>,
    /// Tags pictures, locally or remotely.
    pub provider: Arc<dyn TagProvider>,
    /// Gives pictures a public URL; needed only by a provider that pulls one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Releases hosted blobs in the background.
    pub releases: Arc<dyn ReleaseQueue>,
    /// Dates images and claims.
    pub clock: Arc<dyn Clock>,
}

/// Settings of the upload claims.
#[derive(Debug, Clone, Copy)]
pub struct IngestSettings {
    /// How long an upload claim protects bytes that no image refers to yet.
    pub claim: TimeDelta,
    /// The most bytes of all originals together; `None` is no bound.
    pub store_bytes: Option<u64>,
}

/// Bytes to register as an image.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The bytes of the picture file.
    pub bytes: Bytes,
    /// The digest of the bytes, computed by the caller.
    pub digest: ContentDigest,
    /// The lowest confidence of the tags to record.
    pub threshold: Threshold,
    /// The name of the file as the client gave it, if it gave one.
    pub file_name: Option<String>,
    /// The file that is imported; none where a client uploads.
    pub imported: Option<ImportedFile>,
    /// The lease of the request, if it has an idempotency key.
    pub request: Option<RequestLease>,
    /// The caller. Once it has gone, no work that costs something starts.
    pub context: CallContext,
}

/// The tags of a picture that is not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// What the vocabulary gives of the answer at or above the threshold, highest confidence first.
    pub tags: Tags,
    /// The provider's whole answer.
    pub answer: Tags,
    /// The provider that found them.
    pub provider: ProviderIdentity,
}

/// Why an image was not registered. Nothing is left that upkeep does not remove.
#[derive(Debug, Clone, Error)]
pub enum IngestError {
    /// The bytes are not an acceptable picture.
    #[error(transparent)]
    Picture(CodecError),
    /// The picture could not be tagged.
    #[error("tagging failed")]
    Tagging(#[source] UpstreamError),
    /// The bytes are new, and there is no room for them beside the originals that are stored.
    #[error("the originals would have more than the {limit} bytes allowed")]
    StoreFull {
        /// The most bytes of all originals together.
        limit: u64,
    },
    /// The image could not be recorded.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The bytes could not be stored.
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

/// Registers images: the use case of an upload.
pub struct Ingest {
    pipeline: Pipeline,
    room: StoreRoom,
    analyses: SingleFlight<TaggingKey, Analyzed>,
}

/// The outcome of an analysis, shared by concurrent uploads of the same bytes.
type Analyzed = Result<Arc<Analysis>, IngestError>;

/// A provider's answer, and the reference to it while it is pending.
type Answer = (Tagging, Option<Unsaved>);

/// The facts and tags of some bytes.
struct Analysis {
    facts: ImageFacts,
    camera: CameraData,
    tagging: Tagging,
    /// Present while the tagging is not stored yet.
    unsaved: Option<Unsaved>,
}

/// Bytes to put, and what is known of them.
#[derive(Clone, Copy)]
struct Original<'a> {
    digest: &'a ContentDigest,
    bytes: &'a Bytes,
    facts: &'a ImageFacts,
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
    vocabulary: SharedVocabulary,
}

impl Ingest {
    /// Creates the service on its ports.
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
            vocabulary: SharedVocabulary::default(),
        };
        Self {
            room: StoreRoom::new(Arc::clone(&pipeline.ledger), settings.store_bytes),
            pipeline,
            analyses: SingleFlight::default(),
        }
    }

    /// The service with a vocabulary, by which tags are given.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: SharedVocabulary) -> Self {
        self.pipeline.vocabulary = vocabulary;
        self
    }

    /// Registers an image under a new id.
    ///
    /// The future should be driven to its end even if the caller has gone: other uploads of the same bytes
    /// may share its work, and tags that were paid for are recorded. Cancellation is checked before each
    /// call to the provider and to the blob host, and while the picture is decoded.
    ///
    /// # Errors
    /// [`UpstreamError::Cancelled`], as [`IngestError::Tagging`], or [`CodecError::Cancelled`], as
    /// [`IngestError::Picture`], if every caller had gone; nothing is recorded. Whatever fails once the
    /// provider has answered, its answer is kept: it was paid for.
    ///
    /// [`IngestError::StoreFull`] before anything was called or kept.
    pub async fn ingest(&self, upload: Upload) -> Result<Image, IngestError> {
        let key = self.pipeline.tagger.key(upload.digest);
        // Held until the original is counted among those of the store.
        let _room = self.reserve(&key, upload.bytes.len()).await?;
        // Held until the image is recorded: from then on the store has the tagging.
        let flight = self.analyze(&key, &upload);
        let analysis = flight.outcome().await?;
        self.pipeline.keep(&upload, key, &analysis).await
    }

    /// Tags a picture without registering it: neither its bytes nor a row is stored.
    ///
    /// The provider's answer is shared with uploads of the same bytes: a stored one is used, a new one is
    /// stored. As with [`ingest`](Self::ingest), the future should be driven to its end.
    ///
    /// # Errors
    /// Those of `ingest` up to the provider's answer. An answer that cannot be stored yet is not an error:
    /// [`save_answers`](Self::save_answers) writes it.
    pub async fn tag(&self, upload: Upload) -> Result<Tagged, IngestError> {
        let key = self.pipeline.tagger.key(upload.digest);
        // Held until the answer is kept, as for an upload.
        let flight = self.analyze(&key, &upload);
        let analysis = flight.outcome().await?;
        if let Some(unsaved) = &analysis.unsaved {
            let pipeline = &self.pipeline;
            pipeline.rescue(unsaved, &key, &analysis.tagging).await;
        }
        let answer = analysis.tagging.tags.clone();
        Ok(Tagged {
            tags: self.pipeline.given(&answer, upload.threshold).await?,
            answer,
            provider: key.provider,
        })
    }

    /// The provider that tags pictures.
    pub fn provider(&self) -> &ProviderIdentity {
        self.pipeline.tagger.provider()
    }

    /// Like [`tag`](Self::tag), by the provider's stored answer alone. `None` if there is none.
    pub(super) async fn stored_tags(
        &self,
        digest: ContentDigest,
        threshold: Threshold,
    ) -> Result<Option<Tagged>, IngestError> {
        let key = self.pipeline.tagger.key(digest);
        let (_, answer) = self.pipeline.known(&key).await?;
        let Some((tagging, _)) = answer else {
            return Ok(None);
        };
        Ok(Some(Tagged {
            tags: self.pipeline.given(&tagging.tags, threshold).await?,
            answer: tagging.tags,
            provider: key.provider,
        }))
    }

    /// All stored answers of providers for some original, by digest.
    pub(super) async fn stored_answers(
        &self,
        digests: &[ContentDigest],
    ) -> Result<HashMap<ContentDigest, Vec<(TaggingKey, Tagging)>>, ImageStoreError> {
        let mut answers: HashMap<_, Vec<_>> = HashMap::new();
        for (key, tagging) in self.pipeline.taggings.taggings_of(digests).await? {
            let of_digest = answers.entry(key.digest).or_default();
            of_digest.push((key, tagging));
        }
        Ok(answers)
    }

    /// The key of this provider's answer for some bytes.
    pub(super) fn key(&self, digest: ContentDigest) -> TaggingKey {
        self.pipeline.tagger.key(digest)
    }

    /// How many providers' answers are in memory alone.
    pub fn unsaved_answers(&self) -> usize {
        self.pipeline.answers.len()
    }

    /// Writes the providers' answers that failed uploads could not write, and returns their number.
    ///
    /// # Errors
    /// What is left is written by a later call, or by an upload of the same bytes.
    pub async fn save_answers(&self) -> Result<usize, ImageStoreError> {
        let Pipeline {
            answers, taggings, ..
        } = &self.pipeline;
        answers.save(&**taggings).await
    }

    /// Counts the bytes of all originals again, those that were removed no more, and returns their number. Does
    /// nothing where they have no bound.
    ///
    /// # Errors
    /// The previous count stays.
    pub async fn recount_store(&self) -> Result<Option<u64>, ImageStoreError> {
        match self.room.limit() {
            None => Ok(None),
            Some(_) => self.room.recount().await.map(Some),
        }
    }

    /// Reserves room for an original that is not stored yet.
    async fn reserve(
        &self,
        key: &TaggingKey,
        length: usize,
    ) -> Result<Option<Reservation<'_>>, IngestError> {
        let Some(limit) = self.room.limit() else {
            return Ok(None);
        };
        if self.pipeline.taggings.known(key).await?.facts.is_some() {
            return Ok(None);
        }
        let reservation = self.room.reserve(length as u64).await?;
        reservation
            .map(Some)
            .ok_or(IngestError::StoreFull { limit })
    }

    fn analyze(&self, key: &TaggingKey, upload: &Upload) -> Arc<InFlight<TaggingKey, Analyzed>> {
        self.analyses.join(key, &upload.context, |context| {
            let (pipeline, key, bytes) = (self.pipeline.clone(), key.clone(), upload.bytes.clone());
            async move { pipeline.analyze(&key, bytes, &context).await.map(Arc::new) }.boxed()
        })
    }
}

impl Pipeline {
    /// Finds facts and tags: the stored ones, or else by decoding and tagging.
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

    /// The stored facts of the bytes, and the answer, stored or pending.
    async fn known(
        &self,
        key: &TaggingKey,
    ) -> Result<(Option<ImageFacts>, Option<Answer>), IngestError> {
        // In this order: an answer that is no longer pending by now is in the store.
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
        // Decoding for a caller that has gone delays those that wait.
        context.check().map_err(IngestError::Tagging)?;
        // An answer that could not be kept must not be paid for.
        self.answers.check_room()?;
        let (facts, tags) = self.tagger.tag(&key.digest, bytes, context).await?;
        let tagging = Tagging {
            tags,
            tagged_at: self.clock.now(),
        };
        let unsaved = self.answers.hold(key, &tagging);
        Ok((facts, (tagging, Some(unsaved))))
    }

    /// Puts the bytes and records the image. If that fails, the provider's answer is kept nonetheless.
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
            // The write is retried in the background: the client has waited long enough.
            Err(IngestError::Store(ImageStoreError::Unavailable(_))) => {}
            Err(_) => self.rescue(unsaved, &key, tagging).await,
        }
        outcome
    }

    /// Puts the bytes, then records the image.
    async fn register(
        &self,
        upload: &Upload,
        key: &TaggingKey,
        tagging: Option<&Tagging>,
        analysis: &Analysis,
    ) -> Result<Image, IngestError> {
        let original = Original {
            digest: &upload.digest,
            bytes: &upload.bytes,
            facts: &analysis.facts,
        };
        let draft = || async {
            let tags = &analysis.tagging.tags;
            let tags = self.given(tags, upload.threshold).await?;
            let image = self.image(upload, analysis, tags);
            let info = ImageInfo {
                registered_local: Some(self.clock.local(image.registered_at)),
                ..info(upload, key, analysis)
            };
            Ok(NewImage {
                image,
                info,
                fence: None,
                tagging: tagging.map(|tagging| (key.clone(), tagging.clone())),
                request: upload.request,
            })
        };
        self.put_and_record(original, draft).await
    }

    /// Puts the bytes of an original, then records the image that `draft` makes of it, under the fence of the claim.
    async fn put_and_record<F>(
        &self,
        original: Original<'_>,
        draft: impl Fn() -> F,
    ) -> Result<Image, IngestError>
    where
        F: Future<Output = Result<NewImage, IngestError>>,
    {
        let mut attempt = 1;
        loop {
            let claimed = self.put(original).await?;
            let new = NewImage {
                fence: Some(claimed.fence),
                ..draft().await?
            };
            match self.images.record(&new).await {
                Ok(()) => {
                    if claimed.is_damaged {
                        self.mended(original.digest).await;
                    }
                    return Ok(new.image);
                }
                Err(ImageStoreError::ClaimLost) if attempt < CLAIM_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn put(&self, original: Original<'_>) -> Result<Claimed, IngestError> {
        let now = self.clock.now();
        let until = now + self.claim;
        let claimed = self
            .ledger
            .claim(original.digest, original.facts, now, until)
            .await?;
        let mode = if claimed.rewrite {
            PutMode::Overwrite
        } else {
            PutMode::KeepExisting
        };
        self.originals
            .put(original.digest, original.bytes.clone(), mode)
            .await?;
        Ok(claimed)
    }

    /// The image is recorded: a stale damage note only costs the next upload a rewrite.
    async fn mended(&self, digest: &ContentDigest) {
        match self.ledger.clear_damage(digest).await {
            Ok(()) => tracing::info!(%digest, "a damaged original was replaced"),
            Err(error) => {
                tracing::warn!(%digest, cause = in_words(&error), "a replaced original is still noted as damaged");
            }
        }
    }

    fn image(&self, upload: &Upload, analysis: &Analysis, tags: Tags) -> Image {
        let registered_at = self.clock.now();
        Image {
            id: ImageId::new(registered_at),
            digest: upload.digest,
            facts: analysis.facts,
            registered_at,
            taken_order: analysis
                .camera
                .taken_at
                .unwrap_or_else(|| self.clock.local(registered_at)),
            tags,
        }
    }

    /// What the vocabulary gives of a provider's answer.
    async fn given(&self, answer: &Tags, lowest: Threshold) -> Result<Tags, IngestError> {
        let known = self.vocabulary.current().await?;
        Ok(known.vocabulary.given(answer, lowest))
    }

    /// An answer that was paid for is not lost because the disk is full.
    async fn rescue(&self, unsaved: &Unsaved, key: &TaggingKey, tagging: &Tagging) {
        match self.taggings.keep_tagging(key, tagging).await {
            Ok(()) => unsaved.saved(),
            Err(error) => {
                tracing::warn!(digest = %key.digest, cause = in_words(&error), "a provider's answer is yet to be kept");
            }
        }
    }
}

fn info(upload: &Upload, key: &TaggingKey, analysis: &Analysis) -> ImageInfo {
    let name = upload.file_name.as_deref();
    ImageInfo {
        threshold: Some(upload.threshold),
        provider: Some(key.provider.name().to_owned()),
        provider_version: Some(key.provider.version().to_owned()),
        file_name: name.and_then(image_info::file_name),
        camera: analysis.camera.clone(),
        registered_local: None,
        imported: upload.imported.clone(),
    }
}
