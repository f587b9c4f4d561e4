//! The use cases, built on the ports.

mod access;
mod answers;
mod backfill;
mod backoff;
mod catalog;
mod check;
mod deliveries;
mod editing;
mod exporting;
mod feature_jobs;
mod forgotten;
mod idempotency;
mod importing;
mod ingest;
mod job_images;
mod job_runner;
mod jobs;
mod keys;
mod lanes;
mod look_alikes;
mod picture_codes;
mod removal;
mod renditions;
mod restoring;
mod shared_vocabulary;
mod sidecars;
mod single_flight;
mod source;
mod store_room;
mod tagger;
mod temporary_uploads;
mod upkeep;
mod webhooks;

pub use access::{Access, AccessPorts, AdminKey, AdminKeyError, Caller, KeyHolder};
pub use backfill::{Backfill, BackfillError, BackfillPorts, BackfillStep};
pub use catalog::{Catalog, CatalogError, CatalogPorts, Found, ImagePage, ImagePages};
pub use check::{
    Check, CheckError, CheckPorts, CheckSettings, Depth, Event, Finding, FindingKind, Forgotten,
    Part, Summary, UnknownOriginals,
};
pub use deliveries::{Deliveries, DeliveryPorts, TidiedDeliveries};
pub use editing::{Editing, EditingPorts, RetagError, Retagging};
pub use exporting::{Exporting, ExportingPorts};
pub use feature_jobs::{FeatureJobs, FeatureStep};
pub use idempotency::Idempotency;
pub use importing::{AdoptError, Imported, Importing};
pub use ingest::{
    ForeignPicture, Ingest, IngestError, IngestPorts, IngestSettings, KnownTaggers, Tagged,
    TaggerChoice, UnknownTagger, Upload,
};
pub use job_runner::{JobRunner, JobRunnerPorts, Progress, RunningJob};
pub use jobs::{JobError, JobPorts, Jobs};
pub use keys::{KeyError, KeyRequest, Keys, MAX_KEYS};
pub use look_alikes::{
    DUPLICATE_DISTANCE, LookAlikePorts, LookAlikes, LookAlikesError, MAX_MATCHES, Match,
};
pub use picture_codes::{PictureCodePorts, PictureCodes};
pub use removal::{RemovalError, RemovalPorts};
pub use renditions::{RenditionError, RenditionPorts, Renditions};
pub use restoring::{
    ReadOriginal, RestoreError, RestoreFailure, Restored, Restoring, RestoringPorts,
};
pub use shared_vocabulary::{KnownVocabulary, SharedVocabulary, VocabularyError};
pub use sidecars::{FileKeywords, SidecarPorts, SidecarTags, Sidecars, Taken};
pub use tagger::{Tagger, TaggerError, TaggerPorts};
pub use temporary_uploads::{MAX_UPLOADS, TemporaryUploads, UPLOAD_LIFETIME, UploadError};
pub use upkeep::{Upkeep, UpkeepError, UpkeepPorts, UpkeepSettings};
pub use webhooks::{WebhookError, Webhooks};
