//! Registers an image: analyze the bytes, tag them, put them, record them, in this order.
//!
//! The order makes it crash-safe: a row is recorded only when its bytes are durable, and success is
//! reported only when the row is. Remains of an interrupted ingest (a hosted blob, bytes without a row) are
//! harmless and found by [`Upkeep`](super::Upkeep).

mod adopt;
mod analysis;
mod choice;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{FutureExt, future::join_all};
use thiserror::Error;

pub(super) use self::analysis::codes;
use self::analysis::{Analyses, Analysis};
pub use self::{
    adopt::ForeignPicture,
    choice::{KnownTaggers, TaggerChoice, UnknownTagger},
};
use super::{
    answers::{Answers, Unsaved},
    shared_vocabulary::SharedVocabulary,
    single_flight::{InFlight, SingleFlight},
    store_room::{Reservation, StoreRoom},
    tagger::{Tagger, TaggerError, TaggerPorts},
};
use crate::{
    ContentDigest, Image, ImageFacts, ImageId, ImageInfo, ImageTags, ImportedFile, ModelCode,
    NewImage, ProviderAnswers, ProviderIdentity, RequestLease, Taggers, Tagging, TaggingKey, Tags,
    Threshold, image_info,
    ports::{
        BlobHost, CallContext, Claimed, Clock, CodecError, ImageCodec, ImageStore, ImageStoreError,
        Known, OriginalLedger, OriginalStore, OriginalStoreError, PutMode, ReleaseQueue,
        TagProvider, TaggingCache, UpstreamError, cause, in_words,
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
    /// The taggers that tag it.
    pub taggers: TaggerChoice,
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
    /// What the vocabulary gives of the answers at or above the threshold, highest confidence first.
    pub tags: Tags,
    /// The whole answers of the providers that found them.
    pub answers: ProviderAnswers,
}

impl Tagged {
    /// The names of the providers, as `local, openai`.
    pub fn providers(&self) -> String {
        self.each(ProviderIdentity::name)
    }

    /// The versions of the providers, in the same order.
    pub fn versions(&self) -> String {
        self.each(ProviderIdentity::version)
    }

    fn each(&self, part: impl Fn(&ProviderIdentity) -> &str) -> String {
        let parts: Vec<&str> = self.answers.iter().map(|(of, _)| part(of)).collect();
        parts.join(", ")
    }
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

/// An analysis under way.
type Flight = InFlight<TaggingKey, Analyzed>;

/// A provider's answer, and the reference to it while it is pending.
type Answer = (Tagging, Option<Unsaved>);

/// Bytes to put, and what is known of them.
#[derive(Clone, Copy)]
struct Original<'a> {
    digest: &'a ContentDigest,
    bytes: &'a Bytes,
    facts: &'a ImageFacts,
}

#[derive(Clone)]
struct Pipeline {
    /// The first tagger, which also tells what all of them need to know of a picture.
    tagger: Tagger,
    further: Vec<Tagger>,
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
            further: Vec::new(),
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

    /// The service with further providers: pictures are tagged by all of them, unless some are chosen.
    #[must_use]
    pub fn with_further(
        mut self,
        providers: impl IntoIterator<Item = Arc<dyn TagProvider>>,
    ) -> Self {
        let first = &self.pipeline.tagger;
        let further = providers.into_iter().map(|other| first.for_provider(other));
        self.pipeline.further = further.collect();
        self
    }

    /// The choice of the providers with these names, separated by commas; without any, all of them.
    ///
    /// # Errors
    /// The first name that no provider has.
    pub fn choose(&self, names: Option<&str>) -> Result<TaggerChoice, UnknownTagger> {
        let all = self.pipeline.taggers();
        KnownTaggers::new(all.map(|tagger| tagger.provider().name())).choose(names)
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
        // Held until the image is recorded: from then on the store has the taggings.
        let flights = self.analyze(&upload);
        let analyses = self.outcomes(&flights).await?;
        self.pipeline.keep(&upload, &analyses).await
    }

    /// Tags a picture without registering it: neither its bytes nor a row is stored.
    ///
    /// The providers' answers are shared with uploads of the same bytes: stored ones are used, new ones are
    /// stored. As with [`ingest`](Self::ingest), the future should be driven to its end.
    ///
    /// # Errors
    /// Those of `ingest` up to the provider's answer. An answer that cannot be stored yet is not an error:
    /// [`save_answers`](Self::save_answers) writes it.
    pub async fn tag(&self, upload: Upload) -> Result<Tagged, IngestError> {
        // Held until the answers are kept, as for an upload.
        let flights = self.analyze(&upload);
        let analyses = self.outcomes(&flights).await?;
        self.pipeline.rescue(analyses.iter()).await;
        self.pipeline
            .tagged(analyses.answers(), upload.threshold)
            .await
    }

    /// Like [`tag`](Self::tag), by stored answers alone. `None` if one of them is not stored.
    pub(super) async fn stored_tags(
        &self,
        digest: ContentDigest,
        threshold: Threshold,
        choice: &TaggerChoice,
    ) -> Result<Option<Tagged>, IngestError> {
        let mut answers = Vec::new();
        for key in self.keys(digest, choice) {
            let (_, answer) = self.pipeline.known(&key).await?;
            let Some((tagging, _)) = answer else {
                return Ok(None);
            };
            answers.push((key.provider, tagging.tags));
        }
        match ProviderAnswers::from_list(answers) {
            Some(answers) => self.pipeline.tagged(answers, threshold).await.map(Some),
            None => Ok(None),
        }
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

    /// The keys of the answers of the chosen providers for some bytes.
    pub(super) fn keys(&self, digest: ContentDigest, choice: &TaggerChoice) -> Vec<TaggingKey> {
        let chosen = self.pipeline.chosen(choice);
        chosen.map(|tagger| tagger.key(digest)).collect()
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

    /// Has a picture analyzed by every chosen tagger, each for itself: they decode it at sizes of their own, and others
    /// may wait for one of them alone.
    fn analyze(&self, upload: &Upload) -> Vec<Arc<Flight>> {
        let chosen = self.pipeline.chosen(&upload.taggers);
        let flights = chosen.map(|tagger| {
            let key = tagger.key(upload.digest);
            self.analyses.join(&key, &upload.context, |context| {
                let (pipeline, tagger) = (self.pipeline.clone(), tagger.clone());
                let (digest, bytes) = (upload.digest, upload.bytes.clone());
                async move {
                    pipeline
                        .analyze(&tagger, digest, bytes, &context)
                        .await
                        .map(Arc::new)
                }
                .boxed()
            })
        });
        flights.collect()
    }

    /// What came of them. If one failed, the answers of the others are kept: they were paid for.
    async fn outcomes(&self, flights: &[Arc<Flight>]) -> Result<Analyses, IngestError> {
        let outcomes = join_all(flights.iter().map(|flight| flight.outcome())).await;
        let (mut done, mut failure) = (Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                Ok(analysis) => done.push(analysis),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(error) = failure {
            self.pipeline.rescue(done.iter()).await;
            return Err(error);
        }
        let mut done = done.into_iter();
        let none = || {
            let reason = "no tag provider is chosen";
            IngestError::Tagging(UpstreamError::Refused(cause(reason)))
        };
        Ok(Analyses {
            first: done.next().ok_or_else(none)?,
            further: done.collect(),
        })
    }
}

impl Pipeline {
    fn taggers(&self) -> impl Iterator<Item = &Tagger> {
        std::iter::once(&self.tagger).chain(&self.further)
    }

    fn chosen<'a>(&'a self, choice: &'a TaggerChoice) -> impl Iterator<Item = &'a Tagger> {
        let all = self.taggers();
        all.filter(|tagger| choice.admits(tagger.provider().name()))
    }

    /// Finds facts and tags: the stored ones, or else by decoding and tagging.
    async fn analyze(
        &self,
        tagger: &Tagger,
        digest: ContentDigest,
        bytes: Bytes,
        context: &CallContext,
    ) -> Result<Analysis, IngestError> {
        let key = tagger.key(digest);
        let (facts, answer) = self.known(&key).await?;
        let file = bytes.clone();
        let (facts, codes, answer) = match (facts, answer) {
            (Some(facts), Some(answer)) => (facts, Vec::new(), answer),
            (_, Some(answer)) => {
                let decoded = tagger.decode(&digest, bytes, context).await?;
                (decoded.facts, codes(&decoded, None), answer)
            }
            (_, None) => self.tag(tagger, &key, bytes, context).await?,
        };
        Ok(Analysis {
            key,
            facts,
            codes,
            camera: tagger.camera_data(&file),
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
        tagger: &Tagger,
        key: &TaggingKey,
        bytes: Bytes,
        context: &CallContext,
    ) -> Result<(ImageFacts, Vec<ModelCode>, Answer), IngestError> {
        // Decoding for a caller that has gone delays those that wait.
        context.check().map_err(IngestError::Tagging)?;
        // An answer that could not be kept must not be paid for.
        self.answers.check_room()?;
        let (decoded, found) = tagger.tag(&key.digest, bytes, context).await?;
        let tagging = Tagging {
            tags: found.tags,
            tagged_at: self.clock.now(),
        };
        let unsaved = self.answers.hold(key, &tagging);
        let codes = codes(&decoded, found.features);
        Ok((decoded.facts, codes, (tagging, Some(unsaved))))
    }

    /// Puts the bytes and records the image. If that fails, the providers' answers are kept nonetheless.
    async fn keep(&self, upload: &Upload, analyses: &Analyses) -> Result<Image, IngestError> {
        let outcome = self.register(upload, analyses).await;
        match &outcome {
            Ok(_) => {
                let unsaved = analyses.iter().filter_map(|it| it.unsaved.as_ref());
                unsaved.for_each(Unsaved::saved);
            }
            // The write is retried in the background: the client has waited long enough.
            Err(IngestError::Store(ImageStoreError::Unavailable(_))) => {}
            Err(_) => self.rescue(analyses.iter()).await,
        }
        outcome
    }

    /// Puts the bytes, then records the image.
    async fn register(&self, upload: &Upload, analyses: &Analyses) -> Result<Image, IngestError> {
        let first = &analyses.first;
        let original = Original {
            digest: &upload.digest,
            bytes: &upload.bytes,
            facts: &first.facts,
        };
        let (answers, taggings) = (analyses.answers(), analyses.unsaved());
        let draft = || async {
            let said = self.said(&answers, upload.threshold).await?;
            let image = self.image(upload, first, said.tags());
            let info = ImageInfo {
                taggers: answers.taggers(),
                registered_local: Some(self.clock.local(image.registered_at)),
                ..info(upload, first)
            };
            Ok(NewImage {
                image,
                said: (!analyses.further.is_empty()).then_some(said),
                info,
                fence: None,
                taggings: taggings.clone(),
                codes: analyses.codes(),
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

    /// What the vocabulary gives of providers' answers.
    async fn said(
        &self,
        answers: &ProviderAnswers,
        lowest: Threshold,
    ) -> Result<ImageTags, IngestError> {
        let known = self.vocabulary.current().await?;
        Ok(ImageTags::of_answers(answers, lowest, &known.vocabulary))
    }

    async fn tagged(
        &self,
        answers: ProviderAnswers,
        lowest: Threshold,
    ) -> Result<Tagged, IngestError> {
        Ok(Tagged {
            tags: self.said(&answers, lowest).await?.tags(),
            answers,
        })
    }

    /// Answers that were paid for are not lost because the disk is full.
    async fn rescue(&self, analyses: impl Iterator<Item = &Arc<Analysis>>) {
        for analysis in analyses {
            let Some(unsaved) = &analysis.unsaved else {
                continue;
            };
            match self
                .taggings
                .keep_tagging(&analysis.key, &analysis.tagging)
                .await
            {
                Ok(()) => unsaved.saved(),
                Err(error) => {
                    tracing::warn!(digest = %analysis.key.digest, cause = in_words(&error), "a provider's answer is yet to be kept");
                }
            }
        }
    }
}

fn info(upload: &Upload, analysis: &Analysis) -> ImageInfo {
    let name = upload.file_name.as_deref();
    ImageInfo {
        threshold: Some(upload.threshold),
        taggers: Taggers::default(),
        file_name: name.and_then(image_info::file_name),
        camera: analysis.camera.clone(),
        registered_local: None,
        imported: upload.imported.clone(),
    }
}
