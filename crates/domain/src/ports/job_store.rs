//! The jobs as their makers see them.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::ImageStoreError;
use crate::{Job, JobId, JobRequest, JobResult, PageKey, RequestLease};

/// Keeps jobs and their results.
///
/// Each method is one transaction, or one statement. Times are those of the database.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Adds a job to the queue, unless `at_most` jobs have not ended: `None` then. So it is for a job of a kind that the
    /// server makes ([`JobKind::is_internal`](crate::JobKind::is_internal)) while another one of that kind has not ended,
    /// and for a day after one was cancelled.
    ///
    /// Ends the lease of the request that makes it, whose outcome the job becomes.
    ///
    /// # Errors
    /// [`ImageStoreError::LeaseLost`] if that lease is no longer held.
    async fn enqueue_job(&self, new: &NewJob, at_most: u32)
    -> Result<Option<Job>, ImageStoreError>;

    /// The job with that id.
    async fn job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError>;

    /// Jobs made before the one with that number, newest first, at most `limit`.
    async fn jobs(
        &self,
        before: Option<u64>,
        limit: NonZeroU32,
    ) -> Result<Vec<Job>, ImageStoreError>;

    /// The result of a job so far; an empty one if there is no such job.
    async fn job_result(&self, id: &JobId) -> Result<JobResult, ImageStoreError>;

    /// Ends a job that has not ended: from then on it changes nothing more. The job as it is then.
    async fn cancel_job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError>;

    /// Removes jobs that ended longer ago than that, oldest first, at most `limit`. Returns their number.
    async fn remove_old_jobs(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError>;
}

/// A job to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What it is asked to do.
    pub request: JobRequest,
    /// How many images match now.
    pub total: u64,
    /// The last image of the list of all images now; `None` if there is none. The job goes no further.
    pub last: Option<PageKey>,
    /// The lease of the request, if that has an idempotency key.
    pub lease: Option<RequestLease>,
}
