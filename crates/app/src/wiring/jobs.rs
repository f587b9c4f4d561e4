//! Jobs.

use std::sync::Arc;

use domain::{
    ports,
    service::{Editing, JobPorts, JobRunner, JobRunnerPorts, Jobs, KnownTaggers, PictureCodes},
};

use image_store_diesel::Signals;

use super::database::Database;
use crate::{clock::SystemClock, resilience::MeasuredStore, settings::Settings};

/// The service that makes, lists and cancels jobs, for the tag providers of these names.
pub(super) fn managing(stored: &Arc<dyn ports::Database>, taggers: KnownTaggers) -> Jobs {
    let ports = JobPorts {
        jobs: stored.clone(),
        images: stored.clone(),
        edits: stored.clone(),
    };
    Jobs::new(ports, taggers)
}

/// The service that lists and cancels jobs. The schema must exist.
pub fn managing_jobs(database: &Database) -> anyhow::Result<Jobs> {
    let stored = database.connect(Signals::default())?;
    Ok(managing(&stored, KnownTaggers::default()))
}

/// The service that carries jobs out.
pub(super) fn running(
    settings: &Settings,
    stored: &Arc<dyn ports::Database>,
    queue: Arc<MeasuredStore>,
    clock: Arc<SystemClock>,
    (editing, codes): (Editing, PictureCodes),
) -> JobRunner {
    let ports = JobRunnerPorts {
        queue,
        images: stored.clone(),
        edits: stored.clone(),
        statistics: stored.clone(),
        clock,
    };
    JobRunner::new(ports, editing, codes, settings.tagging.min_confidence)
}
