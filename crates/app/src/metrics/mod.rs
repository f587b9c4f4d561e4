//! The metrics of the program, written as Prometheus' text.
//!
//! What happens (requests, calls, taggings) is counted where it happens, through the facade `metrics`. What is so at a
//! moment (queues, budgets, memory) is looked at when it is asked for, and written here.

mod figures;
mod names;
mod page;
mod process;
mod usage;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt;
use http_api::{Exposition, HttpUsage};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::page::Page;
pub use self::{
    figures::StoredFigures,
    names::{
        IMAGES_REGISTERED, JOB_IMAGES, TAGGING_CACHE_HITS, TAGGING_DURATION, TAGGINGS,
        WEBHOOK_DELIVERIES,
    },
    usage::{Bytes, Connections, Upstream, Usage},
};
use crate::telemetry;

/// The buckets of durations of requests and calls, in seconds, as OpenTelemetry has them.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The histograms of the program.
const HISTOGRAMS: [&str; 4] = [
    "http_server_request_duration_seconds",
    "http_client_request_duration_seconds",
    "db_client_operation_duration_seconds",
    TAGGING_DURATION,
];

/// How often observations are put into their buckets: until then each takes memory.
const SORTING: Duration = Duration::from_secs(5);

/// The recorder of the process, installed once.
static RECORDED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting, unless that was done before. What is counted earlier is lost.
pub fn install() {
    process::begin();
    RECORDED.get_or_init(|| {
        let recorder = match builder() {
            Ok(builder) => builder.build_recorder(),
            // Only an empty list of buckets is refused.
            Err(error) => {
                tracing::error!(%error, "histograms have no buckets");
                PrometheusBuilder::new().build_recorder()
            }
        };
        let handle = recorder.handle();
        set(recorder);
        names::describe();
        handle
    });
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut names = HISTOGRAMS.into_iter();
    names.try_fold(PrometheusBuilder::new(), |builder, name| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS)
    })
}

fn set(recorder: PrometheusRecorder) {
    if let Err(error) = metrics::set_global_recorder(recorder) {
        tracing::error!(%error, "nothing is counted: there is another recorder of metrics");
    }
}

/// Puts observations into their buckets until `stop` is cancelled.
pub async fn sort(stop: &CancellationToken) {
    let duty = async {
        let mut ticks = interval(SORTING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(recorded) = RECORDED.get() {
                recorded.run_upkeep();
            }
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Looks at what the program takes now.
pub type Look = Arc<dyn Fn() -> Usage + Send + Sync>;

/// What writes the metrics.
pub fn exposition(look: Look, figures: StoredFigures) -> Exposition {
    let figures = Arc::new(figures);
    Arc::new(move |http| {
        let (look, figures) = (Arc::clone(&look), Arc::clone(&figures));
        written(look, figures, http).boxed()
    })
}

async fn written(look: Look, figures: Arc<StoredFigures>, http: HttpUsage) -> String {
    let mut page = Page::default();
    page.labelled(
        "etiqueta_build_info",
        "version",
        [(env!("CARGO_PKG_VERSION"), 1.0)],
    );
    page.value(
        "etiqueta_log_lines_dropped_total",
        page::float(telemetry::dropped_lines()),
    );
    usage::write(&look(), http, &mut page);
    figures.write(&mut page).await;
    // Reads files.
    let process = tokio::task::spawn_blocking(process::Process::look).await;
    if let Ok(process) = process {
        process.write(&mut page);
    }
    let counted = RECORDED.get().map(PrometheusHandle::render);
    counted.unwrap_or_default() + page.text()
}

#[cfg(test)]
mod tests;
