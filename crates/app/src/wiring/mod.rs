//! Composition root: the only module that names the adapters.

mod archive;
mod database;
mod http;
mod jobs;
mod keys;
mod look_alikes;
mod metrics;
mod names;
mod originals;
mod provider;
mod sidecars;
mod transfer;
mod upstreams;
mod vision;
mod vocabulary;
mod webhooks;

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    LabelNames,
    ports::{self, BlobHost, HostedBlob, ImageCodec, ReleaseQueue, TagProvider},
    service::{
        Backfill, BackfillPorts, Catalog, CatalogPorts, CheckPorts, Deliveries, Editing,
        EditingPorts, FeatureJobs, Idempotency, Importing, Ingest, IngestPorts, IngestSettings,
        JobRunner, Keys, RemovalPorts, RenditionPorts, Renditions, SharedVocabulary, Sidecars,
        Tagger, TaggerPorts, TemporaryUploads, UpkeepPorts,
    },
};
use http_api::{Api, Readiness};
use image_codec::{CodecSettings, PictureCodec};
use image_store_diesel::{Pools, Signals, StoreUrl};
use original_store_objects::OriginalsUrl;
use tokio::sync::Notify;

pub use self::{
    archive::flask_archive,
    database::{Database, SchemaError},
    jobs::managing_jobs,
    keys::managing_keys,
    originals::bucket_files,
    sidecars::managing_sidecars,
    transfer::{existing_originals, exporting, restoring},
    vocabulary::managing_vocabulary,
};
use self::{
    database::Lists,
    metrics::{Watched, exposing},
    originals::{Originals, originals, originals_url},
    provider::{TagProviders, Upstreams},
    upstreams::upstreams,
};
use crate::{
    clock::{LocalClock, SystemClock},
    releases::Releases,
    resilience::{Gate, MeasuredStore},
    settings::Settings,
};

/// The components of a server.
pub struct Parts {
    /// The dependencies of the HTTP interface.
    pub api: Api,
    /// The dependencies of upkeep.
    pub upkeep: UpkeepPorts,
    /// Fills what is unknown of images of earlier versions.
    pub backfill: Backfill,
    /// Makes jobs for images that cannot be found as look-alikes.
    pub feature_jobs: FeatureJobs,
    /// Imports files.
    pub importing: Importing,
    /// Takes keywords of files.
    pub sidecars: Sidecars,
    /// Notified after each image that was recorded, changed or deleted: there may be something to roll up.
    pub recorded: Arc<Notify>,
    /// Carries out jobs.
    pub runner: JobRunner,
    /// Notified after each job that was made.
    pub enqueued: Arc<Notify>,
    /// Delivers events to webhooks.
    pub deliveries: Deliveries,
    /// Releases hosted blobs, if there is a blob host.
    pub releases: Option<Arc<Releases>>,
    /// The database behind the image store.
    pub database: Database,
    /// The files and folders of the store.
    pub paths: Vec<PathBuf>,
    /// The folder of the originals, if they are in one.
    pub originals: Option<PathBuf>,
    /// The file for the initial key.
    pub key_file: PathBuf,
}

/// Gates that calls wait for after the start.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Opens once the database has its schema.
    pub schema: Gate,
    /// Opens once the database is registered with the originals.
    pub registered: Gate,
}

/// Wires all components together, without connecting to anything yet.
pub fn assemble(settings: &Settings, gates: &Gates) -> anyhow::Result<Parts> {
    let database = Database::new(settings)?;
    let store = Store::open(&database, gates)?;
    let stored = store.stored.clone();
    let lists = database.lists(&stored, &gates.schema)?;
    let names = names::names(settings)?;
    let clock = Arc::new(SystemClock);
    let vocabulary = vocabulary::shared(settings, &stored, clock.clone(), names.clone());
    let upstreams = upstreams(settings, Some(&vocabulary))?.measured();
    let builtin = Arc::new(vocabulary::builtin(&names)?);
    let (providers, host) = (upstreams.providers(), upstreams.host());
    // Last of the steps that may fail, because it creates a folder.
    let opened = originals(settings, &gates.registered)?;
    let releases = host.clone().map(Releases::start);
    let queued = releases.as_ref();
    let pictures = codec(settings);
    let codec: Arc<dyn ImageCodec> = pictures.clone();
    let ingest = ingest_ports(settings, &store, &opened, &codec, &upstreams, queue(queued));
    let (catalog, backfill) = reading(settings, &stored, lists, &codec, &opened, &vocabulary);
    let similar = look_alikes::codes(&stored, &upstreams, &codec, queue(queued), catalog.clone());
    let ingest = ingesting(ingest, settings, vocabulary.clone(), &upstreams);
    let editing = Editing::new(editing(&stored, &clock), catalog.clone(), ingest.clone());
    let work = (editing.clone(), similar.clone());
    let renditions = renditions(settings, &catalog, codec, &opened);
    let watched = store.watched(pictures, &upstreams, queued, &ingest, &renditions);
    let (webhooks, deliveries) = webhooks::webhooks(settings, &stored, &clock)?;
    let api = Api {
        exposition: exposing(watched),
        jobs: jobs::managing(&stored, upstreams.known()),
        look_alikes: look_alikes::finding(&stored, similar.clone()),
        idempotency: Idempotency::new(stored.clone()),
        access: Arc::new(keys::access(settings, stored.clone(), clock.clone())),
        keys: Keys::new(stored.clone(), clock.clone()),
        webhooks,
        renditions,
        uploads: uploads(settings, &opened, &clock),
        editing,
        ingest: ingest.clone(),
        catalog,
        taggers: taggers(&upstreams, &names),
        builtin,
        readiness: readiness(&stored, &opened, providers),
        fetcher: http::fetcher(settings)?,
        settings: http::settings(settings),
    };
    Ok(Parts {
        api,
        feature_jobs: look_alikes::jobs(&stored, similar),
        runner: jobs::running(settings, &stored, store.measured, clock.clone(), work),
        sidecars: sidecars::sidecars(&stored, vocabulary),
        importing: Importing::new(ingest, stored.clone(), stored.clone()),
        upkeep: upkeep(stored, opened, host, clock),
        backfill,
        recorded: store.recorded,
        enqueued: store.enqueued,
        deliveries,
        releases,
        key_file: keys::file(&database),
        paths: paths(&database, &originals_url(settings)?),
        originals: folder(originals_url(settings)?),
        database,
    })
}

/// A database that is open.
struct Store {
    stored: Arc<dyn ports::Database>,
    measured: Arc<MeasuredStore>,
    pools: Pools,
    recorded: Arc<Notify>,
    enqueued: Arc<Notify>,
}

impl Store {
    fn open(database: &Database, gates: &Gates) -> anyhow::Result<Self> {
        let signals = Signals {
            schema: gates.schema.subscribe(),
            ..Signals::default()
        };
        let (recorded, enqueued) = (signals.recorded.clone(), signals.enqueued.clone());
        let pools = signals.pools.clone();
        let stored = database.connect(signals)?;
        Ok(Self {
            measured: Arc::new(MeasuredStore::new(stored.clone())),
            stored,
            pools,
            recorded,
            enqueued,
        })
    }

    /// What the metrics look at.
    fn watched(
        &self,
        codec: Arc<PictureCodec>,
        upstreams: &TagProviders,
        releases: Option<&Arc<Releases>>,
        ingest: &Arc<Ingest>,
        renditions: &Renditions,
    ) -> Watched {
        Watched {
            stored: self.stored.clone(),
            pools: self.pools.clone(),
            codec,
            providers: upstreams.providers(),
            guards: upstreams.guards(),
            releases: releases.cloned(),
            ingest: ingest.clone(),
            renditions: renditions.clone(),
        }
    }
}

/// The ports of registering images.
fn ingest_ports(
    settings: &Settings,
    store: &Store,
    opened: &Originals,
    codec: &Arc<dyn ImageCodec>,
    upstreams: &TagProviders,
    releases: Arc<dyn ReleaseQueue>,
) -> IngestPorts {
    IngestPorts {
        images: store.measured.clone(),
        taggings: store.measured.clone(),
        ledger: store.stored.clone(),
        originals: Arc::clone(&opened.store),
        codec: Arc::clone(codec),
        provider: Arc::clone(&upstreams.first.provider),
        host: upstreams.host(),
        releases,
        clock: Arc::new(LocalClock(settings.server.timezone)),
    }
}

fn readiness(
    stored: &Arc<dyn ports::Database>,
    opened: &Originals,
    providers: Vec<Arc<dyn TagProvider>>,
) -> Readiness {
    Readiness {
        images: stored.clone(),
        originals: Arc::clone(&opened.store),
        providers,
    }
}

fn upkeep(
    stored: Arc<dyn ports::Database>,
    opened: Originals,
    host: Option<Arc<dyn BlobHost>>,
    clock: Arc<SystemClock>,
) -> UpkeepPorts {
    UpkeepPorts {
        statistics: stored.clone(),
        requests: stored.clone(),
        originals: Arc::clone(&opened.store),
        removal: removal(stored, opened),
        host,
        clock,
    }
}

/// The service that registers images.
fn ingesting(
    ports: IngestPorts,
    settings: &Settings,
    vocabulary: SharedVocabulary,
    upstreams: &TagProviders,
) -> Arc<Ingest> {
    let ingest = Ingest::new(ports, ingest_settings(settings));
    let ingest = ingest.with_vocabulary(vocabulary);
    Arc::new(ingest.with_further(upstreams.further()))
}

fn ingest_settings(settings: &Settings) -> IngestSettings {
    IngestSettings {
        claim: delta(settings.upkeep.original_age),
        store_bytes: Some(settings.limits.store_bytes).filter(|bytes| *bytes > 0),
    }
}

fn editing(stored: &Arc<dyn ports::Database>, clock: &Arc<SystemClock>) -> EditingPorts {
    EditingPorts {
        edits: stored.clone(),
        clock: clock.clone(),
    }
}

/// The languages of the provider's tags: the local tagger has those in which they have names.
fn languages(upstreams: &Upstreams, names: &LabelNames) -> Vec<String> {
    if upstreams.is_local {
        return names.languages().map(ToOwned::to_owned).collect();
    }
    upstreams.languages.clone()
}

/// What callers are told of the providers.
fn taggers(upstreams: &TagProviders, names: &LabelNames) -> Vec<http_api::Tagger> {
    let taggers = upstreams.iter().map(|upstream| http_api::Tagger {
        provider: Arc::clone(&upstream.provider),
        languages: languages(upstream, names),
        embeds_pictures: upstream.extractor.is_some(),
        embeds_words: false,
    });
    taggers.collect()
}

/// The service that reads images.
fn catalog(
    stored: &Arc<dyn ports::Database>,
    lists: Lists,
    opened: &Originals,
    clock: Arc<SystemClock>,
) -> Catalog {
    Catalog::new(CatalogPorts {
        images: lists.images,
        counter: lists.counter,
        infos: stored.clone(),
        statistics: lists.statistics,
        ledger: stored.clone(),
        originals: Arc::clone(&opened.store),
        clock,
    })
}

/// What reads images, and what fills in what is unknown of those of earlier versions.
fn reading(
    settings: &Settings,
    stored: &Arc<dyn ports::Database>,
    lists: Lists,
    codec: &Arc<dyn ImageCodec>,
    opened: &Originals,
    vocabulary: &SharedVocabulary,
) -> (Catalog, Backfill) {
    let catalog = catalog(stored, lists, opened, Arc::new(SystemClock));
    let ports = BackfillPorts {
        images: stored.clone(),
        originals: Arc::clone(&opened.store),
        codec: Arc::clone(codec),
        clock: Arc::new(LocalClock(settings.server.timezone)),
    };
    let read = catalog.clone().with_vocabulary(vocabulary.clone());
    (read, Backfill::new(ports, catalog))
}

/// What makes thumbnails, and keeps them beside the originals.
fn renditions(
    settings: &Settings,
    catalog: &Catalog,
    codec: Arc<dyn ImageCodec>,
    opened: &Originals,
) -> Renditions {
    let ports = RenditionPorts {
        codec,
        originals: Arc::clone(&opened.store),
        renditions: Arc::clone(&opened.renditions),
    };
    Renditions::new(catalog.clone(), ports, settings.renditions.bytes)
}

/// What keeps temporary uploads beside the originals.
fn uploads(settings: &Settings, opened: &Originals, clock: &Arc<SystemClock>) -> TemporaryUploads {
    let store = Arc::clone(&opened.uploads);
    TemporaryUploads::new(store, clock.clone(), settings.uploads.bytes)
}

/// The paths of the store on this machine.
fn paths(database: &Database, originals: &OriginalsUrl) -> Vec<PathBuf> {
    let file = match &database.url {
        StoreUrl::Sqlite { path } => Some(path.clone()),
        StoreUrl::Mysql(_) => None,
    };
    file.into_iter().chain(folder(originals.clone())).collect()
}

/// The folder of the originals, if they are in one.
pub fn originals_folder(settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    Ok(folder(originals_url(settings)?))
}

fn folder(originals: OriginalsUrl) -> Option<PathBuf> {
    match originals {
        OriginalsUrl::Folder(path) => Some(path),
        OriginalsUrl::Bucket { .. } => None,
    }
}

/// A tagger without a store.
pub struct Tagging {
    /// Decode and tag pictures, each by another provider.
    pub taggers: Vec<Tagger>,
    /// Whether pictures are tagged on this machine alone.
    pub is_local: bool,
    /// Releases hosted blobs, if there is a blob host.
    pub releases: Option<Arc<Releases>>,
}

/// Wires a tagger without a store.
pub fn tagging(settings: &Settings) -> anyhow::Result<Tagging> {
    let upstreams = upstreams(settings, None)?;
    let host = upstreams.host();
    let releases = host.clone().map(Releases::start);
    let codec = codec(settings);
    let ports = |provider| TaggerPorts {
        codec: codec.clone(),
        provider,
        host: host.clone(),
        releases: queue(releases.as_ref()),
    };
    let providers = upstreams.providers().into_iter();
    Ok(Tagging {
        taggers: providers.map(|it| Tagger::new(ports(it))).collect(),
        is_local: upstreams.iter().all(|upstream| upstream.is_local),
        releases,
    })
}

/// Wires the dependencies of a check. Neither schema nor folder is created: both must exist.
pub fn checking(settings: &Settings, database: &Database) -> anyhow::Result<CheckPorts> {
    let originals = original_store_objects::open_existing(&originals_url(settings)?)?;
    let stored = database.connect(Signals::default())?;
    Ok(CheckPorts {
        inspector: stored.clone(),
        statistics: stored.clone(),
        originals: originals.clone(),
        removal: RemovalPorts {
            ledger: stored.clone(),
            claims: stored,
            originals: originals.clone(),
            registry: originals,
        },
        clock: Arc::new(SystemClock),
    })
}

/// The originals of the settings, and their folder if they are in one. Neither is created.
pub fn probing(
    settings: &Settings,
) -> anyhow::Result<(Arc<dyn ports::OriginalStore>, Option<PathBuf>)> {
    let url = originals_url(settings)?;
    let opened = original_store_objects::open_existing(&url)?;
    Ok((opened, folder(url)))
}

/// The dependencies of removing originals.
fn removal(stored: Arc<dyn ports::Database>, originals: Originals) -> RemovalPorts {
    RemovalPorts {
        ledger: stored.clone(),
        claims: stored,
        originals: originals.removal,
        registry: originals.registry,
    }
}

/// Converts a duration to the domain's type.
pub fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn codec(settings: &Settings) -> Arc<PictureCodec> {
    Arc::new(PictureCodec::new(CodecSettings {
        max_pixels: settings.limits.image_pixels,
        pixel_bytes: settings.limits.pixel_bytes,
        max_work: settings.limits.image_work,
        decode_timeout: settings.limits.decode_timeout,
        ..CodecSettings::default()
    }))
}

fn queue(releases: Option<&Arc<Releases>>) -> Arc<dyn ReleaseQueue> {
    match releases {
        Some(releases) => Arc::<Releases>::clone(releases),
        None => Arc::new(NoHost),
    }
}

/// Without a blob host nothing is hosted, so nothing can be handed over.
struct NoHost;

impl ReleaseQueue for NoHost {
    fn release_later(&self, blob: HostedBlob) {
        tracing::error!(blob = blob.id, "a hosted blob without a host");
    }
}
