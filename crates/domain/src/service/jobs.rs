//! Makes, lists and cancels jobs.

use std::{num::NonZeroU32, sync::Arc};

use thiserror::Error;

use super::{
    ingest::{KnownTaggers, UnknownTagger},
    job_images::JobImages,
};
use crate::{
    JOB_KEPT, Job, JobAction, JobId, JobRequest, JobResult, MAX_JOBS, RequestLease,
    ports::{ImageEdits, ImageStore, ImageStoreError, JobStore, NewJob},
};

/// How many old jobs are removed in one transaction.
const REMOVED: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// The ports of jobs.
#[derive(Clone)]
pub struct JobPorts {
    /// Keeps the jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Finds their images.
    pub images: Arc<dyn ImageStore>,
    /// Tells who tagged them.
    pub edits: Arc<dyn ImageEdits>,
}

/// Why there is no such job.
#[derive(Debug, Clone, Error)]
pub enum JobError {
    /// No provider of that name is set up.
    #[error(transparent)]
    UnknownProvider(#[from] UnknownTagger),
    /// Another number of images matches than was expected.
    #[error("{found} images match, not {expected}")]
    CountChanged {
        /// How many were expected.
        expected: u64,
        /// How many match.
        found: u64,
    },
    /// Too many jobs have not ended.
    #[error("{MAX_JOBS} jobs have not ended yet")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

/// Makes, lists and cancels jobs. [`JobRunner`](super::JobRunner) carries them out.
#[derive(Clone)]
pub struct Jobs {
    store: Arc<dyn JobStore>,
    images: JobImages,
    taggers: KnownTaggers,
}

impl Jobs {
    /// Creates the service on its ports, for the tag providers of these names.
    pub fn new(ports: JobPorts, taggers: KnownTaggers) -> Self {
        Self {
            images: JobImages::new(ports.images, ports.edits),
            store: ports.jobs,
            taggers,
        }
    }

    /// Makes a job for the images that match now, if they are as many as expected. It ends the lease of a request with
    /// an idempotency key.
    pub async fn create(
        &self,
        request: JobRequest,
        expected: Option<u64>,
        lease: Option<RequestLease>,
    ) -> Result<Job, JobError> {
        if let JobAction::Retag { provider, .. } = &request.action {
            self.taggers.choose(provider.as_deref())?;
        }
        let last = self.images.last().await?;
        let found = self.images.count(&request.filter, last).await?;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(JobError::CountChanged { expected, found });
        }
        let new = NewJob {
            id: JobId::random(),
            request,
            total: found,
            last,
            lease,
        };
        let made = self.store.enqueue_job(&new, MAX_JOBS).await?;
        made.ok_or(JobError::TooMany)
    }

    /// The job with that id.
    pub async fn find(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        self.store.job(id).await
    }

    /// Jobs made before the one with that number, newest first.
    pub async fn list(
        &self,
        before: Option<u64>,
        limit: NonZeroU32,
    ) -> Result<Vec<Job>, ImageStoreError> {
        self.store.jobs(before, limit).await
    }

    /// The result of a job that has ended.
    pub async fn result(&self, job: &Job) -> Result<Option<JobResult>, ImageStoreError> {
        if !job.state.has_ended() {
            return Ok(None);
        }
        self.store.job_result(&job.id).await.map(Some)
    }

    /// Ends a job. No image is changed once this returns; what was done stays.
    pub async fn cancel(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        self.store.cancel_job(id).await
    }

    /// Removes jobs that ended long ago, and returns their number.
    pub async fn remove_old(&self) -> Result<usize, ImageStoreError> {
        let mut removed = 0;
        loop {
            let found = self.store.remove_old_jobs(JOB_KEPT, REMOVED).await?;
            removed += found as usize;
            if found < REMOVED.get() {
                return Ok(removed);
            }
        }
    }
}
