//! Upkeep runs by itself: at the start, and every few minutes.

use std::{fmt::Display, future::Future, time::Duration};

use domain::service::{Upkeep, UpkeepError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::resilience::Gate;

/// Runs every duty of upkeep until it is stopped. The duties do not wait for each other: a blob host
/// that hangs keeps nobody from removing originals. What needs the database waits for its gate.
pub async fn run(upkeep: &Upkeep, every: Duration, gate: &Gate, stop: &CancellationToken) {
    let duties = async {
        tokio::join!(
            repeat(every, "hosted blobs released", || upkeep
                .release_forgotten()),
            repeat(every, "remains of interrupted puts removed", || upkeep
                .sweep()),
            async {
                gate.opened().await;
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
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "not done: {what}; tried again next time");
            }
        }
    }
}
