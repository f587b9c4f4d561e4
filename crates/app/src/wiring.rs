//! Which adapters stand behind the ports. This module alone names them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use blob_host_imagekit::{DEFAULT_FOLDER, ImageKit};
use chrono::TimeDelta;
use domain::{
    ports::{
        BlobHost, DatabaseRegistry, HostedBlob, ImageCodec, ImageStore, Inspector, OriginalRemoval,
        OriginalStore, ReleaseQueue, StatisticsInspector, TagProvider,
    },
    service::{
        Catalog, CheckPorts, Ingest, IngestPorts, IngestSettings, Tagger, TaggerPorts, UpkeepPorts,
    },
};
use http_api::{Api, HostCheck, HttpSettings, Readiness};
use image_codec::{CodecSettings, PictureCodec};
use image_store_diesel::{MigrationError, Migrator, PoolSettings, Signals, StoreUrl};
use original_store_objects::OriginalsUrl;
use secrecy::ExposeSecret;
use support::{CircuitBreaker, Guard, GuardSettings, RetryPolicy};
use tag_provider_imagga::{Delivery, Imagga};
use thiserror::Error;
use tokio::sync::Notify;

use crate::{
    clock::SystemClock,
    releases::Releases,
    resilience::{Gate, GuardedHost, GuardedOriginals, GuardedProvider},
    rlimit,
    settings::{ImaggaCredentials, ProviderChoice, ServerSettings, Settings},
};

/// The longest wait for a connection to the database.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// The longest wait for a request's head, which is short.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call to an upstream waits for a place. Longer than a call takes, so that a burst is
/// worked off, and short enough for a client that waits.
const QUEUE_WAIT: Duration = Duration::from_secs(20);

/// How long connecting to an upstream may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that a server consists of.
pub struct Parts {
    /// What the HTTP interface is made of.
    pub api: Api,
    /// What upkeep works with.
    pub upkeep: UpkeepPorts,
    /// Notified after each image that was recorded: there may be something to condense.
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
    let store = database.connect(Signals {
        schema: gates.schema.subscribe(),
        recorded: Arc::clone(&recorded),
    })?;
    let Upstreams { provider, host, .. } = upstreams(settings)?;
    // Last of what may be refused, because it makes a folder.
    let Originals {
        store: originals,
        removal,
        registry,
    } = originals(settings, &gates.registered)?;
    let codec = codec(settings);
    let releases = host.clone().map(Releases::start);
    let clock = Arc::new(SystemClock);
    let ingest = IngestPorts {
        store: Arc::clone(&store),
        originals: Arc::clone(&originals),
        codec,
        provider: Arc::clone(&provider),
        host: host.clone(),
        releases: queue(releases.as_ref()),
        clock: clock.clone(),
    };
    let ingest_settings = IngestSettings {
        claim: delta(settings.upkeep.original_age),
    };
    let api = Api {
        ingest: Arc::new(Ingest::new(ingest, ingest_settings)),
        catalog: Catalog::new(Arc::clone(&store), Arc::clone(&originals), clock.clone()),
        readiness: Readiness {
            database: Arc::clone(&store),
            originals: Arc::clone(&originals),
            provider,
        },
        settings: http_settings(settings),
    };
    let upkeep = UpkeepPorts {
        store,
        originals,
        removal,
        registry,
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
    Ok(CheckPorts {
        store: database.connect(Signals::default())?,
        inspector: database.inspector()?,
        statistics: database.statistics()?,
        originals: originals.clone(),
        removal: originals.clone(),
        registry: originals,
        clock: Arc::new(SystemClock),
    })
}

/// A duration as the domain counts it.
pub fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn http_settings(settings: &Settings) -> HttpSettings {
    HttpSettings {
        memory_budget: settings.limits.memory_bytes.get(),
        upload_rate: settings.limits.upload_rate,
        trusted_proxies: settings.server.trusted_proxies.clone(),
        head_timeout: settings.limits.request_timeout.min(HEAD_TIMEOUT),
        body_timeout: settings.limits.request_timeout,
        unread_timeout: settings.limits.unread_timeout,
        idle_timeout: settings.limits.idle_timeout,
        open_files: rlimit::limit(),
        shutdown_grace: settings.server.shutdown_timeout,
        hosts: host_check(&settings.server),
        ..HttpSettings::new(
            settings.server.timezone,
            settings.tagging.min_confidence,
            settings.limits.image_bytes.get(),
        )
    }
}

fn host_check(server: &ServerSettings) -> HostCheck {
    let trusts_proxies = !server.trusted_proxies.is_empty();
    HostCheck::new(server.allowed_hosts.clone(), server.bind, trusts_proxies)
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

/// The originals, by their ports.
struct Originals {
    store: Arc<dyn OriginalStore>,
    removal: Arc<dyn OriginalRemoval>,
    registry: Arc<dyn DatabaseRegistry>,
}

fn originals(settings: &Settings, registered: &Gate) -> anyhow::Result<Originals> {
    let url = originals_url(settings)?;
    let store =
        original_store_objects::open(&url).map_err(|error| settings.refuse(ORIGINALS, error))?;
    let timeout = settings.originals.timeout;
    let guarded = GuardedOriginals::new(store.clone(), timeout, registered.clone());
    Ok(Originals {
        removal: Arc::new(guarded.removal(store.clone())),
        registry: Arc::new(guarded.registry(store)),
        store: Arc::new(guarded),
    })
}

/// The setting that says where originals are.
const ORIGINALS: &str = "originals.url";

fn originals_url(settings: &Settings) -> anyhow::Result<OriginalsUrl> {
    let url = settings.originals.url.expose_secret().parse();
    Ok(url.map_err(|error| settings.refuse(ORIGINALS, error))?)
}

/// The database behind the image store.
pub struct Database {
    url: StoreUrl,
    pool: PoolSettings,
}

/// Why the schema of the database is not as it must be.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// The migrations failed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Migrations are pending, and applying them was not wanted.
    #[error("{0} migrations of the database are pending: run `etiqueta migrate`")]
    Pending(usize),
}

impl SchemaError {
    /// Whether the database just cannot be reached now.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Migration(MigrationError::Unavailable(_) | MigrationError::Locked)
        )
    }
}

impl Database {
    /// Reads the URL. Connects to nobody.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings
            .database
            .url
            .expose_secret()
            .parse()
            .map_err(|error| settings.refuse("database.url", error))?;
        let timeout = settings.database.timeout;
        let pool = PoolSettings {
            max_connections: settings.database.max_connections.get(),
            acquire_timeout: (timeout / 4).min(CONNECTION_WAIT),
            lock_timeout: timeout.min(PoolSettings::default().lock_timeout),
            call_timeout: timeout,
        };
        Ok(Self { url, pool })
    }

    /// Whether it is a file of this process, not a server.
    pub fn is_embedded(&self) -> bool {
        matches!(self.url, StoreUrl::Sqlite { .. })
    }

    /// Applies the pending migrations. Says how many there were.
    pub async fn migrate(&self) -> Result<usize, SchemaError> {
        Ok(Migrator::new(&self.url).run().await?.len())
    }

    /// Fails if migrations are pending.
    pub async fn require_schema(&self) -> Result<(), SchemaError> {
        let pending = Migrator::new(&self.url).pending().await?.len();
        if pending == 0 {
            Ok(())
        } else {
            Err(SchemaError::Pending(pending))
        }
    }

    fn connect(&self, signals: Signals) -> anyhow::Result<Arc<dyn ImageStore>> {
        image_store_diesel::connect_with(&self.url, self.pool, signals)
            .context("opening the database")
    }

    fn inspector(&self) -> anyhow::Result<Arc<dyn Inspector>> {
        image_store_diesel::inspector(&self.url, self.pool).context("opening the database")
    }

    fn statistics(&self) -> anyhow::Result<Arc<dyn StatisticsInspector>> {
        image_store_diesel::statistics(&self.url, self.pool).context("opening the database")
    }
}

struct Upstreams {
    provider: Arc<dyn TagProvider>,
    host: Option<Arc<dyn BlobHost>>,
    /// Whether the provider works in this process.
    is_local: bool,
}

/// Who tags, and the host that it needs.
fn upstreams(settings: &Settings) -> anyhow::Result<Upstreams> {
    match (settings.tagging.provider, settings.imagga.credentials()) {
        (ProviderChoice::Auto | ProviderChoice::Imagga, Some(credentials)) => {
            imagga(settings, &credentials)
        }
        (ProviderChoice::Imagga, None) => Err(settings
            .refuse("tagging.provider", NoProvider::Credentials)
            .into()),
        (ProviderChoice::Auto | ProviderChoice::Local, _) => Ok(Upstreams {
            provider: local(settings)?,
            host: None,
            is_local: true,
        }),
    }
}

/// Why nobody tags.
#[derive(Debug, Error)]
enum NoProvider {
    #[error(
        "there are no credentials of Imagga; set imagga.api_key and imagga.api_secret, or write them into credentials.json"
    )]
    Credentials,
    #[cfg(not(feature = "local-tagger"))]
    #[error("this build has no local tagger; set the credentials of Imagga")]
    Local,
    #[cfg(feature = "local-tagger")]
    #[error("the local tagger has tags in {} alone", tag_provider_local::LANGUAGE)]
    Language,
}

/// The tagger inside the program. A model of one's own is loaded before anything else happens, so
/// that a mistake in it stops the start.
#[cfg(feature = "local-tagger")]
fn local(settings: &Settings) -> anyhow::Result<Arc<dyn TagProvider>> {
    use tag_provider_local::{LANGUAGE, LocalTagger, ModelFiles, Startup};
    if settings.tagging.language != LANGUAGE {
        return Err(settings
            .refuse("tagging.language", NoProvider::Language)
            .into());
    }
    let tagger = match &settings.tagging.model {
        None => LocalTagger::start(ModelFiles::embedded(), Startup::Background),
        Some(folder) => {
            ModelFiles::open(folder).and_then(|files| LocalTagger::start(files, Startup::Now))
        }
    };
    let tagger = tagger.map_err(|error| settings.refuse("tagging.model", error))?;
    Ok(Arc::new(tagger))
}

#[cfg(not(feature = "local-tagger"))]
fn local(settings: &Settings) -> anyhow::Result<Arc<dyn TagProvider>> {
    Err(settings
        .refuse("tagging.provider", NoProvider::Local)
        .into())
}

fn imagga(settings: &Settings, credentials: &ImaggaCredentials) -> anyhow::Result<Upstreams> {
    let client = client(settings)?;
    let host = settings
        .imagekit
        .private_key
        .as_ref()
        .map(|_| imagekit(settings, &client))
        .transpose()?;
    let delivery = if host.is_some() {
        Delivery::PublicUrl
    } else {
        Delivery::File
    };
    let provider = Imagga::new(
        client,
        tag_provider_imagga::ImaggaSettings {
            base_url: settings.imagga.base_url.to_string(),
            api_key: credentials.api_key.clone(),
            api_secret: credentials.api_secret.clone(),
            language: settings.tagging.language.clone(),
            delivery,
            max_side: settings.tagging.max_side,
        },
    )
    .map_err(|error| {
        use tag_provider_imagga::ImaggaSettingsError::Language;
        let key = if matches!(error, Language(_)) {
            "tagging.language"
        } else {
            "imagga.base_url"
        };
        settings.refuse(key, error)
    })?;
    let guard = Guard::new(
        Arc::default(),
        &guard(
            settings.imagga.concurrency.get(),
            settings.imagga.timeout,
            RetryPolicy::PROMPT,
        ),
    );
    Ok(Upstreams {
        provider: Arc::new(GuardedProvider::new(Arc::new(provider), guard)),
        host,
        is_local: false,
    })
}

fn imagekit(settings: &Settings, client: &reqwest::Client) -> anyhow::Result<Arc<dyn BlobHost>> {
    let own = &settings.imagekit;
    let host = ImageKit::new(
        client.clone(),
        blob_host_imagekit::ImageKitSettings {
            upload_url: own.upload_url.to_string(),
            api_url: own.api_url.to_string(),
            private_key: own.private_key.clone().unwrap_or_default(),
            purge: own.purge,
            folder: DEFAULT_FOLDER.to_owned(),
        },
    )
    .map_err(|error| settings.refuse("imagekit.upload_url", error))?;
    let breaker = Arc::<CircuitBreaker>::default();
    let concurrency = own.concurrency.get();
    let hosting = guard(concurrency, own.timeout, RetryPolicy::PROMPT);
    // The release queue and upkeep do their own repeating.
    let housekeeping = guard(concurrency, own.timeout, RetryPolicy::NEVER);
    Ok(Arc::new(GuardedHost::new(
        Arc::new(host),
        Guard::new(Arc::clone(&breaker), &hosting),
        Guard::new(breaker, &housekeeping),
    )))
}

fn guard(concurrency: usize, attempt_timeout: Duration, retry: RetryPolicy) -> GuardSettings {
    GuardSettings {
        concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
        queue_wait: QUEUE_WAIT,
        attempt_timeout,
        retry,
    }
}

/// The one HTTP client of all upstreams.
fn client(settings: &Settings) -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("etiqueta/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // The guards' time-outs are the ones that count; this is the net below them.
        .timeout(settings.imagga.timeout.max(settings.imagekit.timeout) + CONNECT_TIMEOUT)
        // Neither API redirects; credentials are not carried elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("making the HTTP client")
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
