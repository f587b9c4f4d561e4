//! Schedules upkeep: at the start, and periodically.

use std::{fmt::Display, future::Future, time::Duration};

use domain::{
    ports::{ImageStoreError, in_words},
    service::{
        Backfill, BackfillStep, FeatureJobs, FeatureStep, Ingest, Jobs, TemporaryUploads, Upkeep,
        UpkeepError,
    },
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{resilience::Gate, wiring::Gates};

/// The interval between two rollups while images are recorded.
const PAUSE: Duration = Duration::from_secs(2);

/// The interval while this server records nothing (others may), after a failure, and where another server is at it.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// The shortest pause between two batches of the backfill; and how much longer than a batch it is: the database and
/// the originals are there for requests.
const BATCH_PAUSE: Duration = Duration::from_millis(100);
const REST: u32 = 4;

/// The shortest pause between two looks for images without features.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The pause of a backfill that has nothing to do for now.
const NOTHING_TO_FILL: Duration = Duration::from_mins(10);

/// The longest interval between two sweeps of temporary uploads, which are kept for an hour.
const UPLOADS_EVERY: Duration = Duration::from_mins(10);

/// Runs every upkeep task until `stop` is cancelled. The tasks are independent: a hanging blob host does
/// not delay the removal of originals. Tasks that need the database wait for its gate.
pub async fn run(upkeep: &Upkeep, every: Duration, gates: &Gates, stop: &CancellationToken) {
    let duties = async {
        tokio::join!(
            repeat(every, "hosted blobs released", || upkeep
                .release_forgotten()),
            repeat(every, "remains of interrupted puts removed", || upkeep
                .sweep()),
            async {
                gates.schema.opened().await;
                repeat(every, "expired requests removed", || {
                    upkeep.remove_expired_requests()
                })
                .await;
            },
            async {
                gates.registered.opened().await;
                repeat(every, "abandoned originals removed", || {
                    upkeep.remove_abandoned()
                })
                .await;
            },
        )
    };
    stop.run_until_cancelled(duties).await;
}

async fn repeat<N, F>(every: Duration, what: &str, duty: impl Fn() -> F)
where
    N: Display + Default + PartialEq,
    F: Future<Output = Result<N, UpkeepError>>,
{
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match duty().await {
            Ok(count) if count == N::default() => tracing::debug!("no {what}"),
            Ok(count) => tracing::info!(%count, "{what}"),
            Err(error) => {
                tracing::warn!(
                    cause = in_words(&error),
                    "not done: {what}; tried again next time"
                );
            }
        }
    }
}

/// Rolls up statistics until `stop` is cancelled: at the start, and while images are recorded or changed.
pub async fn roll_up(upkeep: &Upkeep, recorded: &Notify, gate: &Gate, stop: &CancellationToken) {
    let duty = async {
        gate.opened().await;
        loop {
            let outcome = roll_up_all(upkeep).await;
            if let Err(UpkeepError::Store(ImageStoreError::Contended(_))) = outcome {
                tracing::debug!("another server rolls up statistics");
                sleep(LONG_PAUSE).await;
            } else if let Err(error) = outcome {
                tracing::warn!(
                    cause = in_words(&error),
                    "statistics not rolled up; tried again soon"
                );
                sleep(LONG_PAUSE).await;
            }
            sleep(PAUSE).await;
            // Notified or timed out, a rollup is due.
            let _ = timeout(LONG_PAUSE, recorded.notified()).await;
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Fills what is unknown of images that earlier versions registered, until that is done for good or `stop` is
/// cancelled.
pub async fn backfill(backfill: &Backfill, gate: &Gate, stop: &CancellationToken) {
    let duty = async {
        gate.opened().await;
        let mut filled = 0;
        loop {
            let began = Instant::now();
            match backfill.step().await {
                Ok(BackfillStep::Filled(count)) => {
                    filled += count;
                    sleep(BATCH_PAUSE.max(began.elapsed() * REST)).await;
                }
                Ok(pause) => {
                    if filled > 0 {
                        tracing::info!(filled, "images of earlier versions filled in");
                    }
                    if pause == BackfillStep::Done {
                        return;
                    }
                    filled = 0;
                    sleep(NOTHING_TO_FILL).await;
                }
                Err(error) => {
                    tracing::warn!(
                        cause = in_words(&error),
                        "images not filled in; tried again soon"
                    );
                    sleep(LONG_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Makes jobs for images that cannot be found as look-alikes until `stop` is cancelled: at the start, and periodically.
pub async fn make_feature_jobs(
    jobs: &FeatureJobs,
    every: Duration,
    gate: &Gate,
    stop: &CancellationToken,
) {
    let duty = async {
        gate.opened().await;
        loop {
            let began = Instant::now();
            match jobs.step().await {
                Ok(FeatureStep::Looked) => {
                    sleep(LOOK_PAUSE.max(began.elapsed() * REST)).await;
                }
                Ok(FeatureStep::Resting) => sleep(every).await,
                Ok(FeatureStep::Made(job)) => {
                    tracing::info!(job = %job.id, images = job.total, "a job for look-alikes is made");
                    sleep(every).await;
                }
                Err(error) => {
                    tracing::warn!(
                        cause = in_words(&error),
                        "images without features not looked for; tried again soon"
                    );
                    sleep(LONG_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Counts the bytes of the originals until `stop` is cancelled: at the start, and periodically.
pub async fn recount_store(
    ingest: &Ingest,
    every: Duration,
    gate: &Gate,
    stop: &CancellationToken,
) {
    let duty = async {
        gate.opened().await;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match ingest.recount_store().await {
                Ok(None) => return,
                Ok(Some(bytes)) => tracing::debug!(bytes, "originals counted"),
                Err(error) => {
                    tracing::warn!(
                        cause = in_words(&error),
                        "originals not counted; tried again next time"
                    );
                }
            }
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Removes jobs that ended long ago until `stop` is cancelled: at the start, and periodically.
pub async fn remove_old_jobs(jobs: &Jobs, every: Duration, gate: &Gate, stop: &CancellationToken) {
    let duty = async {
        gate.opened().await;
        repeat(every, "old jobs removed", || async {
            Ok::<_, UpkeepError>(jobs.remove_old().await?)
        })
        .await;
    };
    stop.run_until_cancelled(duty).await;
}

/// Removes expired uploads until `stop` is cancelled: at the start, and periodically.
pub async fn remove_expired_uploads(
    uploads: &TemporaryUploads,
    every: Duration,
    stop: &CancellationToken,
) {
    let duty = repeat(
        every.min(UPLOADS_EVERY),
        "expired uploads removed",
        || async { Ok::<_, UpkeepError>(uploads.sweep().await?) },
    );
    stop.run_until_cancelled(duty).await;
}

/// Writes providers' answers left behind by failed uploads, until `stop` is cancelled.
pub async fn save_answers(ingest: &Ingest, gate: &Gate, stop: &CancellationToken) {
    let duty = async {
        gate.opened().await;
        let mut pause = PAUSE;
        loop {
            sleep(pause).await;
            pause = if save_answers_once(ingest).await {
                PAUSE
            } else {
                LONG_PAUSE.min(pause * 2)
            };
        }
    };
    stop.run_until_cancelled(duty).await;
}

/// Writes the pending answers. `false` if some are left.
pub async fn save_answers_once(ingest: &Ingest) -> bool {
    match ingest.save_answers().await {
        Ok(0) => true,
        Ok(count) => {
            tracing::info!(count, "answers of providers kept for uploads that failed");
            true
        }
        Err(error) => {
            tracing::warn!(
                cause = in_words(&error),
                "answers of providers are yet to be kept; tried again soon"
            );
            false
        }
    }
}

/// Rolls up until nothing is left, step by step.
async fn roll_up_all(upkeep: &Upkeep) -> Result<(), UpkeepError> {
    let mut steps = 0_u64;
    loop {
        let began = Instant::now();
        if !upkeep.roll_up().await? {
            break;
        }
        steps += 1;
        // Pause for as long as the step took, to leave the database to uploads.
        sleep(began.elapsed()).await;
    }
    if steps > 0 {
        tracing::debug!(steps, "statistics rolled up");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use domain::{
        ports::{MockTagStatistics, TagStatistics, cause},
        service::{RemovalPorts, UpkeepPorts, UpkeepSettings},
    };
    use domain_testing::{FakeDatabase, FakeOriginalStore, TestClock};

    use super::*;

    /// A server that rolls up, on a store that returns `answer` and counts the calls.
    struct Fixture {
        recorded: Arc<Notify>,
        calls: Arc<AtomicU32>,
        stop: CancellationToken,
        running: tokio::task::JoinHandle<()>,
    }

    impl Fixture {
        fn start(answer: impl Fn(u32) -> Result<bool, ImageStoreError> + Send + 'static) -> Self {
            let calls = Arc::new(AtomicU32::new(0));
            let mut store = MockTagStatistics::new();
            let counter = Arc::clone(&calls);
            store
                .expect_roll_up()
                .returning(move |_| answer(counter.fetch_add(1, Ordering::Relaxed)));
            let gate = Gate::default();
            gate.open();
            let (recorded, stop) = (Arc::<Notify>::default(), CancellationToken::new());
            let upkeep = upkeep(Arc::new(store));
            let (notify, stopped) = (Arc::clone(&recorded), stop.clone());
            let running =
                tokio::spawn(async move { roll_up(&upkeep, &notify, &gate, &stopped).await });
            Self {
                recorded,
                calls,
                stop,
                running,
            }
        }

        async fn calls_within(&self, wait: Duration) -> u32 {
            let before = self.calls.load(Ordering::Relaxed);
            sleep(wait).await;
            self.calls.load(Ordering::Relaxed) - before
        }

        fn record(&self) {
            self.recorded.notify_one();
        }
    }

    fn upkeep(statistics: Arc<dyn TagStatistics>) -> Upkeep {
        let database = Arc::<FakeDatabase>::default();
        let originals = Arc::<FakeOriginalStore>::default();
        let ports = UpkeepPorts {
            statistics,
            requests: database.clone(),
            originals: originals.clone(),
            removal: RemovalPorts {
                ledger: database.clone(),
                claims: database,
                originals: originals.clone(),
                registry: originals,
            },
            host: None,
            clock: Arc::<TestClock>::default(),
        };
        let age = chrono::TimeDelta::hours(1);
        let ages = UpkeepSettings {
            hosted_blob_age: age,
            original_age: age,
        };
        Upkeep::new(ports, ages)
    }

    #[tokio::test(start_paused = true)]
    async fn rolls_up_all_there_is_and_then_when_images_are_recorded() {
        let fixture = Fixture::start(|call| Ok(call < 5));
        assert_eq!(fixture.calls_within(PAUSE / 2).await, 6);
        assert_eq!(fixture.calls_within(LONG_PAUSE / 2).await, 0);
        for _ in 0..3 {
            fixture.record();
            fixture.record();
            assert!((1..=2).contains(&fixture.calls_within(PAUSE * 2).await));
        }
        assert!((8..=11).contains(&fixture.calls_within(LONG_PAUSE * 10).await));
        fixture.stop.cancel();
        fixture.running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn failure_is_retried_after_a_while() {
        let fixture = Fixture::start(|_| Err(ImageStoreError::Contended(cause("lock"))));
        assert_eq!(fixture.calls_within(LONG_PAUSE / 2).await, 1);
        fixture.record();
        assert_eq!(fixture.calls_within(LONG_PAUSE).await, 1);
        fixture.stop.cancel();
        fixture.running.await.unwrap();
    }
}
