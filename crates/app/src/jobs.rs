//! Drives jobs: a few at a time, step by step, until the server stops.

use std::time::Duration;

use domain::{
    ports::{CallContext, in_words},
    service::{JobRunner, Progress, RunningJob},
};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::resilience::Gate;

/// How many jobs are carried out at a time, so that a short one need not wait for the end of a long one, nor for that of
/// one of the server's own.
const SLOTS: usize = 3;

/// How often a job is looked for that another server made or gave up.
const POLL: Duration = Duration::from_secs(2);

/// The first and the longest wait before a step is tried again that failed.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How long the last step may take once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Carries out jobs until `stop` is cancelled. Jobs that have not ended then go on with another server, or after the next
/// start.
pub async fn run(runner: &JobRunner, enqueued: &Notify, gate: &Gate, stop: &CancellationToken) {
    if stop.run_until_cancelled(gate.opened()).await.is_none() {
        return;
    }
    let slots = [(); SLOTS].map(|()| Box::pin(slot(runner, enqueued, stop)));
    let [one, other, third] = slots;
    tokio::join!(one, other, third);
}

async fn slot(runner: &JobRunner, enqueued: &Notify, stop: &CancellationToken) {
    let mut retry = RETRY;
    while !stop.is_cancelled() {
        match runner.claim().await {
            Ok(Some(job)) => {
                retry = RETRY;
                carry_out(runner, job, stop).await;
            }
            Ok(None) => {
                retry = RETRY;
                let waiting = timeout(POLL, enqueued.notified());
                stop.run_until_cancelled(waiting).await;
            }
            Err(error) => {
                tracing::warn!(
                    cause = in_words(&error),
                    "no job can be taken; tried again soon"
                );
                stop.run_until_cancelled(sleep(retry)).await;
                retry = LONGEST_RETRY.min(retry * 2);
            }
        }
    }
}

/// Carries out a job while its lease is this server's.
async fn carry_out(runner: &JobRunner, job: RunningJob, stop: &CancellationToken) {
    let (id, lease) = (job.id(), job.lease());
    // Cancels calls that have not begun, once the server stops or the lease is lost.
    let held = stop.child_token();
    let _cancel = held.clone().drop_guard();
    let steps = steps(runner, job, &held);
    tokio::pin!(steps);
    let renewal = renew(runner, &lease, stop);
    tokio::select! {
        () = &mut steps => {}
        () = renewal => {
            held.cancel();
            if timeout(GRACE, steps).await.is_err() {
                tracing::warn!(job = %id, "a step of a job is broken off");
            }
        }
    }
    if stop.is_cancelled() {
        let released = timeout(GRACE, runner.release(&lease)).await;
        if !matches!(released, Ok(Ok(()))) {
            tracing::debug!(job = %id, "the lease of a job ends by itself");
        }
    }
}

/// Renews a lease until it is lost, or the server stops.
async fn renew(runner: &JobRunner, lease: &domain::ports::JobLease, stop: &CancellationToken) {
    let mut ticks = interval(JobRunner::RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match runner.renew(lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(job = %lease.id, cause = in_words(&error), "the lease of a job was not renewed");
            }
        }
    }
}

async fn steps(runner: &JobRunner, mut job: RunningJob, held: &CancellationToken) {
    let gone = held.clone();
    let context = CallContext::cancelled_when(move || gone.is_cancelled());
    let mut retry = RETRY;
    while !held.is_cancelled() {
        match runner.step(&mut job, &context).await {
            Ok(Progress::More) => {
                retry = RETRY;
                // Whatever else is ready goes first.
                tokio::task::yield_now().await;
            }
            Ok(Progress::Wait(wait)) => {
                held.run_until_cancelled(sleep(wait)).await;
            }
            Ok(Progress::Over) => return,
            Err(error) => {
                tracing::warn!(job = %job.id(), cause = in_words(&error), "a step of a job failed; tried again soon");
                held.run_until_cancelled(sleep(retry)).await;
                retry = LONGEST_RETRY.min(retry * 2);
            }
        }
    }
}
