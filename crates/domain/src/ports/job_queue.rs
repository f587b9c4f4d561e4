//! The jobs as their runners see them.

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{ImageStoreError, JobChange};
use crate::{Fence, ImageQuery, ItemError, Job, JobId, JobRequest, PageKey};

/// Hands jobs out to runners, and makes their changes.
///
/// A job is carried out under a lease, which expires by the clock of the database and is extended by each step. A step
/// is one transaction: it is made as a whole or not at all, and only while the lease is the latest one on a job that
/// was not cancelled. So a runner that is late changes nothing, and each image is counted once.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Takes the oldest job that has not ended and that no other runner holds, with a lease of that duration.
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError>;

    /// Makes a step, and lets the lease expire that long from now.
    ///
    /// An image that is gone, does not match any more, or was recorded after the job was made is left alone and
    /// counts as done. So does one that would show too many tags, which is noted as an error. In a dry run nothing
    /// but the job itself changes. [`TagStatistics`](super::TagStatistics) counts what changed at once.
    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError>;
}

/// The right to carry out a job, until it expires or another runner takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    /// The job.
    pub id: JobId,
    /// Changes with each lease.
    pub fence: Fence,
}

/// A job that is to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// The job.
    pub job: Job,
    /// What it is asked to do.
    pub request: JobRequest,
    /// The image at which it begins; `None` if there was none.
    pub last: Option<PageKey>,
    /// The image it is done with last; `None` at the beginning.
    pub position: Option<PageKey>,
    /// How often in a row it paused.
    pub pauses: u32,
    /// The lease.
    pub lease: JobLease,
}

/// A step of a job. An empty one only extends the lease.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobStep {
    /// What images must match to be changed.
    pub query: ImageQuery,
    /// What is done to images, each of them once.
    pub changes: Vec<JobChange>,
    /// Images that failed.
    pub errors: Vec<ItemError>,
    /// The image that the job is done with then; `None` leaves the position.
    pub position: Option<PageKey>,
    /// What becomes of the job.
    pub end: Option<StepEnd>,
}

/// What becomes of a job after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// It is done: all of its images are.
    Done,
    /// It cannot go on.
    Failed,
    /// Its lease ends, and it is to go on after that time.
    Paused(TimeDelta),
    /// Its lease ends, and another runner may go on at once.
    Released,
}

/// Whether a step was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advanced {
    /// It was.
    Made,
    /// It was not: the job has ended, it was cancelled for instance, or is gone.
    Ended,
    /// It was not: another runner has the job.
    Lost,
}
