//! Follows a job on a terminal.

use std::time::Duration;

use domain::{Job, service::Jobs};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{signal::ctrl_c, time::sleep};

const TEMPLATE: &str = "{bar:32} {human_pos} of {human_len}  {eta} left";

/// How often the job is read.
const EVERY: Duration = Duration::from_millis(200);

/// Waits for the end of a job, and returns it as it is then. `None` if the user interrupts.
pub(super) async fn follow(jobs: &Jobs, job: &Job) -> anyhow::Result<Option<Job>> {
    let bar = ProgressBar::new(job.total);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    let ended = tokio::select! {
        ended = end_of(jobs, job, &bar) => ended.map(Some),
        _ = ctrl_c() => Ok(None),
    };
    bar.finish_and_clear();
    ended
}

async fn end_of(jobs: &Jobs, job: &Job, bar: &ProgressBar) -> anyhow::Result<Job> {
    loop {
        let Some(now) = jobs.find(&job.id).await? else {
            anyhow::bail!("the job {} is gone", job.id);
        };
        bar.set_position(now.done);
        if now.state.has_ended() {
            return Ok(now);
        }
        sleep(EVERY).await;
    }
}
