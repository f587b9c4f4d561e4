//! Which adapters stand behind the ports. This module alone names them.

mod database;
mod http;
mod originals;
mod upstreams;

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    ports::{self, HostedBlob, ImageCodec, ReleaseQueue},
    service::{
        Catalog, CatalogPorts, CheckPorts, Ingest, IngestPorts, IngestSettings, RemovalPorts,
        Tagger, TaggerPorts, UpkeepPorts,
    },
};
use http_api::{Api, Readiness};
use image_codec::{CodecSettings, PictureCodec};
use image_store_diesel::{Signals, StoreUrl};
use original_store_objects::OriginalsUrl;
use tokio::sync::Notify;

pub use self::database::{Database, SchemaError};
use self::{
    originals::{Originals, originals, originals_url},
    upstreams::{Upstreams, upstreams},
};
use crate::{clock::SystemClock, releases::Releases, resilience::Gate, settings::Settings};

/// Everything that a server consists of.
pub struct Parts {
    /// What the HTTP interface is made of.
    pub api: Api,
    /// What upkeep works with.
    pub upkeep: UpkeepPorts,
    /// Notified after each image that was recorded: there may be something to roll up.
    pub recorded: Arc<Notify>,
    /// Releases hosted blobs, where there is a host.
    pub releases: Option<Arc<Releases>>,
    /// The database behind the image store.
    pub database: Database,
    /// The files and folders that the store consists of.
    pub paths: Vec<PathBuf>,
}

/// What calls wait for after the start.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Open once the schema of the database is there.
    pub schema: Gate,
    /// Open once the database is registered with the originals.
    pub registered: Gate,
}

/// Puts everything together. Connects to nobody yet.
pub fn assemble(settings: &Settings, gates: &Gates) -> anyhow::Result<Parts> {
    let database = Database::new(settings)?;
    let recorded = Arc::<Notify>::default();
    let stored = database.connect(Signals {
        schema: gates.schema.subscribe(),
        recorded: Arc::clone(&recorded),
    })?;
    let Upstreams { provider, host, .. } = upstreams(settings)?;
    // Last of what may be refused, because it makes a folder.
    let opened = originals(settings, &gates.registered)?;
    let releases = host.clone().map(Releases::start);
    let clock = Arc::new(SystemClock);
    let ingest = IngestPorts {
        images: stored.clone(),
        taggings: stored.clone(),
        ledger: stored.clone(),
        originals: Arc::clone(&opened.store),
        codec: codec(settings),
        provider: Arc::clone(&provider),
        host: host.clone(),
        releases: queue(releases.as_ref()),
        clock: clock.clone(),
    };
    let ingest_settings = IngestSettings {
        claim: delta(settings.upkeep.original_age),
    };
    let catalog = CatalogPorts {
        images: stored.clone(),
        infos: stored.clone(),
        statistics: stored.clone(),
        ledger: stored.clone(),
        originals: Arc::clone(&opened.store),
        clock: clock.clone(),
    };
    let api = Api {
        ingest: Arc::new(Ingest::new(ingest, ingest_settings)),
        catalog: Catalog::new(catalog),
        readiness: Readiness {
            images: stored.clone(),
            originals: Arc::clone(&opened.store),
            provider,
        },
        settings: http::settings(settings),
    };
    let upkeep = UpkeepPorts {
        statistics: stored.clone(),
        originals: Arc::clone(&opened.store),
        removal: removal(stored, opened),
        host,
        clock,
    };
    Ok(Parts {
        api,
        upkeep,
        recorded,
        releases,
        paths: paths(&database, &originals_url(settings)?),
        database,
    })
}

/// What of the store is on this machine.
fn paths(database: &Database, originals: &OriginalsUrl) -> Vec<PathBuf> {
    let file = match &database.url {
        StoreUrl::Sqlite { path } => Some(path.clone()),
        StoreUrl::Mysql(_) => None,
    };
    let folder = match originals {
        OriginalsUrl::Folder(path) => Some(path.clone()),
        OriginalsUrl::Bucket { .. } => None,
    };
    file.into_iter().chain(folder).collect()
}

/// What tags pictures without keeping them.
pub struct Tagging {
    /// Tags them.
    pub tagger: Tagger,
    /// Whether pictures are tagged by this machine's own processor.
    pub is_local: bool,
    /// Releases hosted blobs, where there is a host.
    pub releases: Option<Arc<Releases>>,
}

/// Puts a tagger together, without any store.
pub fn tagging(settings: &Settings) -> anyhow::Result<Tagging> {
    let Upstreams {
        provider,
        host,
        is_local,
    } = upstreams(settings)?;
    let releases = host.clone().map(Releases::start);
    let ports = TaggerPorts {
        codec: codec(settings),
        provider,
        host,
        releases: queue(releases.as_ref()),
    };
    Ok(Tagging {
        tagger: Tagger::new(ports),
        is_local,
        releases,
    })
}

/// Puts together what a check works with. Neither schema nor folder is made: both must be there.
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

/// What takes originals away.
fn removal(stored: Arc<dyn ports::Database>, originals: Originals) -> RemovalPorts {
    RemovalPorts {
        ledger: stored.clone(),
        claims: stored,
        originals: originals.removal,
        registry: originals.registry,
    }
}

/// A duration as the domain counts it.
pub fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn codec(settings: &Settings) -> Arc<dyn ImageCodec> {
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

/// Without a host nothing is hosted, so nothing is handed over.
struct NoHost;

impl ReleaseQueue for NoHost {
    fn release_later(&self, blob: HostedBlob) {
        tracing::error!(blob = blob.id, "a hosted blob without a host");
    }
}
