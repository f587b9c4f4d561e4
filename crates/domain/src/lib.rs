//! The rules of Etiqueta, free of any technology.
//!
//! An *image* is a registered picture: its bytes (the *original*, addressed by the SHA-256 of its content),
//! and the *tags* that a *tag provider* found in it. This crate defines these terms, the *ports* that
//! adapters implement, and the services on top of them: [`service::Ingest`] registers images,
//! [`service::Catalog`] reads them, [`service::Upkeep`] removes what interrupted work left behind.
//!
//! It has no runtime, no I/O and no framework; adapters depend on it, never the other way round.

pub mod api_key;
pub mod confidence;
pub mod database_id;
pub mod digest;
pub mod features;
pub mod fence;
pub mod histogram;
pub mod idempotency;
pub mod ids;
pub mod image;
pub mod image_info;
pub mod image_tags;
pub mod imported;
pub mod job;
pub mod label;
pub mod label_names;
pub mod media_type;
pub mod picture;
pub mod picture_code;
pub mod ports;
pub mod query;
pub mod rendition;
pub mod scope;
pub mod secret;
pub mod service;
pub mod session;
pub mod tag;
pub mod tagging;
pub mod vocabulary;
pub mod webhook;

pub use api_key::{ApiKey, KeyName, KeyNameError};
pub use confidence::{Confidence, ConfidenceError, Threshold};
pub use database_id::DatabaseId;
pub use digest::{ContentDigest, ContentHasher, DigestError};
pub use features::{FeatureModel, FeatureModelError, Features, FeaturesError, ModelFeatures};
pub use fence::{Fence, ParseFenceError};
pub use histogram::ConfidenceHistogram;
pub use idempotency::{
    IdempotencyKey, IdempotencyKeyError, IdempotentRequest, OUTCOME_KEPT, RequestFingerprint,
    RequestKey, RequestLease, UploadSource,
};
pub use ids::{
    DeliveryId, DeliveryIdError, ImageId, ImageIdError, JobId, JobIdError, KeyId, KeyIdError,
    UploadId, UploadIdError, WebhookId, WebhookIdError,
};
pub use image::{Image, ImageFacts, NewImage, UntaggedImage};
pub use image_info::{CameraData, ImageInfo, Location};
pub use image_tags::{
    FileTags, ImageTags, MAX_EDITED, MAX_SHOWN, SourceKind, SourcedTag, TagEdit, TagEditError,
    TagSource, TaggerVersion, Taggers, TooManyTags,
};
pub use imported::{ImportKey, ImportedFile};
pub use job::{
    ItemError, JOB_KEPT, Job, JobAction, JobFilter, JobKind, JobRequest, JobResult, JobState,
    MAX_IDS, MAX_ITEM_ERRORS, MAX_JOBS, MAX_TALLIES, TagTally, Tallies,
};
pub use label::{Label, LabelError};
pub use label_names::{
    LABEL_LANGUAGE, LabelNames, LanguageError, NameTable, NameTableFault, ShownNames,
};
pub use media_type::MediaType;
pub use picture::{DecodedPicture, EncodedPicture, Lease, Picture};
pub use picture_code::{Code, CodeLength, ModelCode, PerceptualHash};
pub use query::{
    Comparison, Condition, ImageOrder, ImageQuery, LabelFilter, LocalWindow, Operator, PageKey,
    TagCondition, TagOrder, TagQuery, TagSummary, TimeWindow,
};
pub use rendition::{RenditionKey, RenditionSize, RenditionSizeError};
pub use scope::{Scope, ScopeError, Scopes};
pub use secret::{KeySecret, SecretDigest, SecretError, SessionToken};
pub use session::Session;
pub use tag::{Tag, Tags};
pub use tagging::{ProviderAnswers, ProviderIdentity, ProviderIdentityError, Tagging, TaggingKey};
pub use vocabulary::{
    ConflictKind, EntryError, Vocabulary, VocabularyChange, VocabularyConflict, VocabularyEntry,
};
pub use webhook::{
    DeliveryFailure, DisabledReason, EventKind, EventKindError, EventKinds, FAILURES_KEPT,
    MAX_WAITING, MAX_WEBHOOKS, NewWebhook, SHOWN_FAILURES, Webhook, WebhookEvent, WebhookReport,
    WebhookSecret, WebhookState,
};
