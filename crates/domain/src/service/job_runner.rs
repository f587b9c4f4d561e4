//! Carries out jobs, step by step.
//!
//! A step finds out what is to be done to a few images, calls the provider where it must, and has all of it made in one
//! transaction with the job's progress. Whatever is interrupted begins again behind the last step. This service neither
//! waits nor starts tasks: the program around it drives the steps, and renews the lease meanwhile.

mod faults;
mod features;
mod retag;
mod revise;
mod stretches;

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

use chrono::TimeDelta;

use self::{retag::Retags, stretches::Stretches};
use super::{
    editing::Editing,
    job_images::{JobImages, at_id, registered, up_to},
    picture_codes::PictureCodes,
};
use crate::{
    ImageQuery, ItemError, JobAction, JobId, JobRequest, PageKey, Threshold, UntaggedImage,
    ports::{
        Advanced, CallContext, ClaimedJob, Clock, ImageChange, ImageEdits, ImageStore,
        ImageStoreError, JobChange, JobLease, JobQueue, JobStep, StepEnd, TagChange, TagStatistics,
        in_words,
    },
};

/// The most images of a step. Whoever else writes waits for one step at most.
const STEP: usize = 64;

/// How many images are looked up at a time.
const CHUNK: NonZeroU32 = NonZeroU32::new(512).unwrap();

/// How long a lease lasts. The job of a server that was killed goes on after that time.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// The wait before the statistics of a stretch are counted again that another server counts.
const ROLLUP_WAIT: Duration = Duration::from_millis(200);

/// The rest of a job for features, for each picture: about as long as that took.
const FEATURES_REST: Duration = Duration::from_millis(60);

/// The ports of the runner.
#[derive(Clone)]
pub struct JobRunnerPorts {
    /// Hands out jobs, and makes their changes.
    pub queue: Arc<dyn JobQueue>,
    /// Finds their images.
    pub images: Arc<dyn ImageStore>,
    /// Tells who tagged them.
    pub edits: Arc<dyn ImageEdits>,
    /// Counts again what a job changed.
    pub statistics: Arc<dyn TagStatistics>,
    /// Dates rollups.
    pub clock: Arc<dyn Clock>,
}

/// Carries out jobs.
#[derive(Clone)]
pub struct JobRunner {
    queue: Arc<dyn JobQueue>,
    statistics: Arc<dyn TagStatistics>,
    clock: Arc<dyn Clock>,
    images: JobImages,
    retags: Retags,
    codes: PictureCodes,
}

/// A job that this runner holds.
#[derive(Debug)]
pub struct RunningJob {
    id: JobId,
    lease: JobLease,
    request: JobRequest,
    pauses: u32,
    /// Images that were found and are not done yet.
    waiting: VecDeque<UntaggedImage>,
    /// Where the next images are looked for; `None` if there are no more.
    next: Option<PageKey>,
    stretches: Stretches,
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another step.
    More,
    /// Another step, after a wait.
    Wait(Duration),
    /// Nothing: the job has ended, paused, or is another runner's.
    Over,
}

/// What a step is made of.
enum Prepared {
    /// These changes and errors of so many images, from the first on.
    Images {
        changes: Vec<JobChange>,
        errors: Vec<ItemError>,
        count: usize,
    },
    /// The first image cannot be done for now.
    Pause(TimeDelta),
    /// The caller has gone.
    Cancelled,
}

impl RunningJob {
    fn new(claimed: ClaimedJob) -> Self {
        let ClaimedJob {
            job,
            request,
            last,
            position,
            pauses,
            lease,
        } = claimed;
        // Neither a dry run nor a job for features changes what is counted.
        let changes_nothing = request.dry_run || request.action == JobAction::Features;
        Self {
            id: job.id,
            lease,
            request,
            pauses,
            waiting: VecDeque::new(),
            next: position.or_else(|| last.map(up_to)),
            stretches: Stretches::new(changes_nothing),
        }
    }

    /// The id of the job.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// The lease under which it is carried out.
    pub fn lease(&self) -> JobLease {
        self.lease
    }

    /// What its images must match.
    fn query(&self) -> ImageQuery {
        self.request.filter.query.clone().unwrap_or_default()
    }

    /// The rest after a step with so many images, if the job has time: clients go first.
    fn rest(&self, images: usize) -> Option<Duration> {
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        let has_time = self.request.action == JobAction::Features && images > 0;
        has_time.then(|| FEATURES_REST.saturating_mul(images))
    }

    /// The position once the job is done with an image.
    fn position(&self, image: &UntaggedImage) -> PageKey {
        match self.request.filter.ids {
            Some(_) => at_id(image.id),
            None => registered(image),
        }
    }
}

impl JobRunner {
    /// How often the lease of a job must be renewed while a step takes long.
    pub const RENEWAL: Duration = Duration::from_secs(4);

    /// Creates the service on its ports, and on those that tag images and compute their codes. `default` is the threshold of images of
    /// which none is known.
    pub fn new(
        ports: JobRunnerPorts,
        editing: Editing,
        codes: PictureCodes,
        default: Threshold,
    ) -> Self {
        let retags = Retags::new(Arc::clone(&ports.images), editing, default);
        Self {
            queue: ports.queue,
            statistics: ports.statistics,
            clock: ports.clock,
            images: JobImages::new(ports.images, ports.edits),
            retags,
            codes,
        }
    }

    /// Takes a job that nobody else carries out.
    pub async fn claim(&self) -> Result<Option<RunningJob>, ImageStoreError> {
        let claimed = self.queue.claim_job(LEASE).await?;
        Ok(claimed.map(RunningJob::new))
    }

    /// Renews the lease of a job. `false` if the job is no longer this runner's.
    pub async fn renew(&self, lease: &JobLease) -> Result<bool, ImageStoreError> {
        let advanced = self.advance(lease, &JobStep::default()).await?;
        Ok(advanced == Advanced::Made)
    }

    /// Lets another runner go on with a job at once.
    pub async fn release(&self, lease: &JobLease) -> Result<(), ImageStoreError> {
        let step = JobStep {
            end: Some(StepEnd::Released),
            ..JobStep::default()
        };
        self.advance(lease, &step).await.map(drop)
    }

    /// Carries out the next step of a job.
    ///
    /// As with [`Ingest::tag`](super::Ingest::tag), the future should be driven to its end once the context is
    /// cancelled: answers of the provider are kept. Dropping it loses nothing else.
    ///
    /// # Errors
    /// The step was not made, and may be tried again.
    pub async fn step(
        &self,
        job: &mut RunningJob,
        context: &CallContext,
    ) -> Result<Progress, ImageStoreError> {
        if job.stretches.are_full() {
            return self.recount(job).await;
        }
        if job.waiting.is_empty()
            && let Some(after) = job.next
        {
            let chunk = self.images.chunk(&job.request.filter, after, CHUNK).await?;
            job.waiting = chunk.images.into();
            job.next = chunk.next;
        }
        let images = job.waiting.iter().take(STEP);
        let admitted = job.stretches.admit(&*self.statistics, images).await?;
        if admitted == 0 && !job.waiting.is_empty() {
            return Ok(Progress::More);
        }
        let images: Vec<UntaggedImage> = job.waiting.iter().take(admitted).copied().collect();
        match self.prepare(job, &images, context).await? {
            Prepared::Cancelled => Ok(Progress::Over),
            Prepared::Pause(pause) => self.pause(job, pause).await,
            Prepared::Images {
                changes,
                errors,
                count,
            } => {
                let images = images.get(..count).unwrap_or_default();
                self.make(job, images, changes, errors).await
            }
        }
    }

    async fn prepare(
        &self,
        job: &RunningJob,
        images: &[UntaggedImage],
        context: &CallContext,
    ) -> Result<Prepared, ImageStoreError> {
        let all = |change: &dyn Fn() -> ImageChange| Prepared::Images {
            changes: images
                .iter()
                .map(|image| JobChange {
                    image: *image,
                    change: change(),
                })
                .collect(),
            errors: Vec::new(),
            count: images.len(),
        };
        match &job.request.action {
            JobAction::Delete => {
                let now = self.clock.now();
                Ok(all(&|| ImageChange::Delete(now)))
            }
            JobAction::Edit(edit) => {
                let edit = edit.clone().under(self.retags.editing.vocabulary().await?);
                Ok(all(&|| ImageChange::Tags(TagChange::Edit(edit.clone()))))
            }
            JobAction::Vocabulary => self.retags.revise(images).await,
            JobAction::Features => {
                // Rare, and large.
                Box::pin(features::prepare(&self.codes, images, job.pauses, context)).await
            }
            JobAction::Retag {
                provider,
                threshold,
            } => {
                let asked = (provider.as_deref(), *threshold);
                self.retags
                    .prepare(images, asked, job.pauses, context)
                    .await
            }
        }
    }

    /// Makes the changes of some images, the first ones that wait.
    async fn make(
        &self,
        job: &mut RunningJob,
        images: &[UntaggedImage],
        changes: Vec<JobChange>,
        errors: Vec<ItemError>,
    ) -> Result<Progress, ImageStoreError> {
        let is_last = images.len() == job.waiting.len() && job.next.is_none();
        let rest = job.rest(changes.len() + errors.len());
        let behind = images.last().map(|image| job.position(image));
        // Ids of images that are gone leave chunks empty.
        let step = JobStep {
            query: job.query(),
            changes,
            errors,
            position: behind.or(job.next),
            end: is_last.then_some(StepEnd::Done),
        };
        let advanced = match self.advance(&job.lease, &step).await {
            Err(ImageStoreError::Corrupt(_) | ImageStoreError::Failed(_))
                if !step.changes.is_empty() =>
            {
                self.make_one_by_one(job, step).await?
            }
            advanced => advanced?,
        };
        job.waiting.drain(..images.len());
        job.pauses = 0;
        Ok(match advanced {
            Advanced::Made if !is_last => rest.map_or(Progress::More, Progress::Wait),
            Advanced::Made | Advanced::Ended | Advanced::Lost => Progress::Over,
        })
    }

    /// Makes the changes of a step each by itself, and sets aside those that fail: an unreadable row must not hold up
    /// the others.
    async fn make_one_by_one(
        &self,
        job: &RunningJob,
        step: JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        for change in step.changes {
            let (image, position) = (change.image.id, Some(job.position(&change.image)));
            let single = JobStep {
                query: job.query(),
                changes: vec![change],
                position,
                ..JobStep::default()
            };
            let advanced = match self.advance(&job.lease, &single).await {
                Err(error @ (ImageStoreError::Corrupt(_) | ImageStoreError::Failed(_))) => {
                    tracing::error!(job = %job.id, %image, cause = in_words(&error), "an image of a job failed");
                    let failed = JobStep {
                        errors: vec![faults::internal(image, &error)],
                        position,
                        ..JobStep::default()
                    };
                    self.advance(&job.lease, &failed).await?
                }
                advanced => advanced?,
            };
            if advanced != Advanced::Made {
                return Ok(advanced);
            }
        }
        let rest = JobStep {
            changes: Vec::new(),
            ..step
        };
        self.advance(&job.lease, &rest).await
    }

    async fn pause(&self, job: &RunningJob, pause: TimeDelta) -> Result<Progress, ImageStoreError> {
        tracing::warn!(
            job = %job.id,
            seconds = pause.num_seconds(),
            "a job pauses: images cannot be tagged for now"
        );
        let step = JobStep {
            end: Some(StepEnd::Paused(pause)),
            ..JobStep::default()
        };
        self.advance(&job.lease, &step).await?;
        Ok(Progress::Over)
    }

    /// Counts again what the job changed, before it changes more.
    async fn recount(&self, job: &mut RunningJob) -> Result<Progress, ImageStoreError> {
        match self.statistics.roll_up(self.clock.now()).await {
            Ok(true) => Ok(Progress::More),
            Ok(false) => {
                job.stretches.clear();
                Ok(Progress::More)
            }
            Err(ImageStoreError::Contended(_)) => Ok(Progress::Wait(ROLLUP_WAIT)),
            Err(error) => Err(error),
        }
    }

    async fn advance(&self, lease: &JobLease, step: &JobStep) -> Result<Advanced, ImageStoreError> {
        self.queue.advance_job(lease, LEASE, step).await
    }
}
