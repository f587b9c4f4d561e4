//! Builds, runs and stops the server.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use domain::{
    ports::in_words,
    service::{Backfill, Deliveries, FeatureJobs, Ingest, JobRunner, Upkeep, UpkeepSettings},
};
use http_api::KeyPolicy;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{self, FirstKey},
    jobs, metrics,
    releases::Releases,
    rlimit, service_manager,
    settings::Settings,
    telemetry, upkeep, webhooks,
    wiring::{self, Database, Gates, SchemaError},
};

/// Time-out for releasing hosted blobs, and for the last writes, once everything else has ended.
const DRAIN: Duration = Duration::from_secs(5);

/// The wait before a failed connection to the database, or a failed registration, is retried.
const RETRY: Duration = Duration::from_secs(2);

/// Options of `etiqueta serve`.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// Whether pending migrations are applied at the start; otherwise they stop it.
    pub migrate: bool,
}

/// A server whose port is bound but which does not answer yet.
pub struct Application {
    listener: TcpListener,
    /// Where the metrics are, if not beside everything else.
    scraped: Option<TcpListener>,
    api: http_api::Api,
    database: Database,
    gates: Gates,
    upkeep: Upkeep,
    backfill: Backfill,
    feature_jobs: FeatureJobs,
    first_key: Option<FirstKey>,
    recorded: Arc<Notify>,
    runner: JobRunner,
    enqueued: Arc<Notify>,
    deliveries: Deliveries,
    releases: Option<Arc<Releases>>,
    settings: Settings,
    options: ServeOptions,
}

impl Application {
    /// Assembles the server and binds its port.
    ///
    /// # Errors
    /// Invalid settings, a port in use, an embedded database that cannot be opened. An unreachable database
    /// server is not an error: the server waits for it.
    pub async fn build(settings: Settings, options: ServeOptions) -> anyhow::Result<Self> {
        // Before anything counts.
        metrics::install();
        let gates = Gates::default();
        let parts = wiring::assemble(&settings, &gates)?;
        if parts.database.is_embedded() {
            prepare(&parts.database, options).await?;
            gates.schema.open();
        }
        settings.server.umask.warn_of_wider(&parts.paths);
        let address = settings.server.address();
        let listener = listen(address)?;
        let scraped = settings.metrics.bind.map(listen).transpose()?;
        access::tell_of_openness(&settings);
        let first_key =
            access::policy(&settings) != KeyPolicy::Nothing && !parts.api.access.has_admin_key();
        let first_key = first_key.then(|| FirstKey::new(parts.api.keys.clone(), parts.key_file));
        let ages = UpkeepSettings {
            hosted_blob_age: wiring::delta(settings.upkeep.hosted_blob_age),
            original_age: wiring::delta(settings.upkeep.original_age),
        };
        let upkeep = Upkeep::new(parts.upkeep, ages);
        // With a database server, registration is attempted once it answers, and failures are logged then.
        if parts.database.is_embedded() && upkeep.register().await.is_ok() {
            gates.registered.open();
        }
        Ok(Self {
            listener,
            scraped,
            api: parts.api,
            database: parts.database,
            gates,
            upkeep,
            backfill: parts.backfill,
            feature_jobs: parts.feature_jobs,
            first_key,
            recorded: parts.recorded,
            runner: parts.runner,
            enqueued: parts.enqueued,
            deliveries: parts.deliveries,
            releases: parts.releases,
            settings,
            options,
        })
    }

    /// The port the server listens on.
    pub fn port(&self) -> u16 {
        self.listener
            .local_addr()
            .map_or(0, |address| address.port())
    }

    /// Serves until `stop` is cancelled, then lets requests in progress finish.
    pub async fn run_until_stopped(self, stop: CancellationToken) -> anyhow::Result<()> {
        let address = self.listener.local_addr()?;
        let ingest = Arc::clone(&self.api.ingest);
        let jobs = self.api.jobs.clone();
        let uploads = self.api.uploads.clone();
        let scraped = self.scraped.as_ref().map(TcpListener::local_addr);
        let listening = http_api::server(self.listener, self.scraped, self.api, stop.clone())?;
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
        if let Some(address) = scraped.transpose()? {
            tracing::info!(metrics = %address, "the metrics are at an address of their own");
        }
        service_manager::ready();
        let serve = async {
            let outcome = listening.await;
            stop.cancel();
            outcome.context("serving")
        };
        let interval = self.settings.upkeep.interval;
        let background = async {
            let opened = open(&self.database, &self.gates, self.options, &stop).await;
            if opened.is_err() {
                stop.cancel();
            }
            if let Some(first_key) = self.first_key.filter(|_| self.gates.schema.is_open()) {
                first_key.leave().await;
            }
            register(&self.upkeep, &self.gates, &stop).await;
            opened
        };
        let schema = &self.gates.schema;
        let upkeep = async {
            if self.settings.upkeep.enabled {
                tokio::join!(
                    upkeep::run(&self.upkeep, interval, &self.gates, &stop),
                    upkeep::roll_up(&self.upkeep, &self.recorded, schema, &stop),
                    upkeep::backfill(&self.backfill, schema, &stop),
                    upkeep::make_feature_jobs(&self.feature_jobs, interval, schema, &stop),
                    upkeep::remove_old_jobs(&jobs, interval, schema, &stop),
                    upkeep::remove_expired_uploads(&uploads, interval, &stop),
                    jobs::run(&self.runner, &self.enqueued, schema, &stop),
                    webhooks::run(&self.deliveries, schema, &stop),
                );
            }
        };
        let saving = upkeep::save_answers(&ingest, schema, &stop);
        let counting = upkeep::recount_store(&ingest, interval, schema, &stop);
        let sorting = metrics::sort(&stop);
        let tasks = async { tokio::join!(upkeep, saving, counting, sorting) };
        let tasks = Box::pin(tasks);
        let (served, opened, _) = tokio::join!(serve, background, tasks);
        tokio::join!(save_the_last(&ingest), drain(self.releases.as_deref()));
        tracing::info!("stopped");
        opened.and(served)
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("listening on {address}"))
}

/// Writes the providers' answers that the last failed uploads left behind.
async fn save_the_last(ingest: &Ingest) {
    let saved = timeout(DRAIN, upkeep::save_answers_once(ingest)).await;
    if !saved.unwrap_or(false) {
        tracing::error!("answers of providers are lost: the database did not take them");
    }
}

/// Waits for the release of hosted blobs.
async fn drain(releases: Option<&Releases>) {
    if let Some(releases) = releases
        && timeout(DRAIN, releases.drained()).await.is_err()
    {
        tracing::warn!("hosted blobs are left to the upkeep of the next start");
    }
}

/// Waits for the database server and brings its schema up to date.
async fn open(
    database: &Database,
    gates: &Gates,
    options: ServeOptions,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if database.is_embedded() {
        return Ok(());
    }
    let patiently = async {
        while let Err(error) = prepare(database, options).await {
            if !error.is_passing() {
                return Err(error);
            }
            tracing::warn!(cause = in_words(&error), "the database is waited for");
            sleep(RETRY).await;
        }
        gates.schema.open();
        tracing::info!("the database is ready");
        Ok(())
    };
    stop.run_until_cancelled(patiently)
        .await
        .unwrap_or(Ok(()))
        .map_err(Into::into)
}

/// Registers the id of this database beside the originals. No original is put before that: another database
/// there must know of this one before it removes anything.
async fn register(upkeep: &Upkeep, gates: &Gates, stop: &CancellationToken) {
    if gates.registered.is_open() {
        return;
    }
    let patiently = async {
        let mut is_told = false;
        while let Err(error) = upkeep.register().await {
            if !is_told {
                tracing::warn!(
                    cause = in_words(&error),
                    "no upload is taken before the database is registered with the originals"
                );
                is_told = true;
            }
            sleep(RETRY).await;
        }
        gates.registered.open();
    };
    stop.run_until_cancelled(patiently).await;
}

async fn prepare(database: &Database, options: ServeOptions) -> Result<(), SchemaError> {
    if options.migrate {
        let applied = database.migrate().await?;
        if applied > 0 {
            tracing::info!(applied, "migrations applied");
        }
    } else {
        database.require_schema().await?;
    }
    database.require_vocabulary().await
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(settings: Settings, options: ServeOptions) -> anyhow::Result<()> {
    rlimit::raise();
    let application = Application::build(settings, options).await?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    application.run_until_stopped(stop).await
}

/// Stops gracefully on the first signal, and at once on the second.
fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    // Registered here, and not in the task: a signal right behind the first answer would end the process otherwise.
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be caught; the server will not stop gracefully");
        return;
    };
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping; requests in progress may finish");
        service_manager::stopping();
        stop.cancel();
        // A second signal stops the server at once.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("stopping at once");
        telemetry::flush();
        std::process::exit(1);
    });
}
