//! Jobs. Their clock is that of this machine.

use std::{num::NonZeroU32, time::SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    Fence, ImageId, ItemError, Job, JobId, JobRequest, JobResult, JobState, MAX_ITEM_ERRORS,
    MAX_SHOWN, PageKey, Tags, Tallies, WebhookEvent,
    ports::{
        Advanced, ClaimedJob, Figures, ImageChange, ImageStoreError, ItemOutcome, JobChange,
        JobLease, JobQueue, JobStep, JobStore, KeptTags, NewJob, StepEnd, StoreFigures,
        TagsVersion,
    },
};

use super::{FakeDatabase, State};

/// A job with all that is kept of it.
#[derive(Debug)]
pub(super) struct FakeJob {
    job: Job,
    request: JobRequest,
    last: Option<PageKey>,
    position: Option<PageKey>,
    pauses: u32,
    fence: Fence,
    leased_until: DateTime<Utc>,
    tallies: Tallies,
    errors: Vec<ItemError>,
}

pub(super) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

impl FakeDatabase {
    /// Lets the leases and pauses of all jobs expire.
    pub fn expire_jobs(&self) {
        for job in &mut self.state().jobs {
            job.leased_until = DateTime::UNIX_EPOCH;
        }
    }

    /// How often in a row a job paused.
    pub fn pauses(&self, id: &JobId) -> u32 {
        let state = self.state();
        let job = state.jobs.iter().find(|job| job.job.id == *id);
        job.map_or(0, |job| job.pauses)
    }
}

/// Nothing is rolled up here.
#[async_trait]
impl StoreFigures for FakeDatabase {
    async fn figures(&self) -> Result<Figures, ImageStoreError> {
        let state = self.call().await;
        let count = |wanted| {
            let jobs = state.jobs.iter();
            let count = jobs.filter(|job| job.job.state == wanted).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Ok(Figures {
            jobs: JobState::ALL.map(count),
            unrolled_changes: 0,
            waiting_deliveries: state.webhooks.waiting(),
        })
    }
}

impl FakeJob {
    /// Cancelled, or with failures, some time ago: time does not go by here.
    fn holds_others_off(&self) -> bool {
        self.job.state == JobState::Cancelled || self.job.failed > 0
    }

    fn is_open(&self) -> bool {
        !self.job.state.has_ended()
    }

    fn end(&mut self, end: StepEnd) {
        match end {
            StepEnd::Done => {
                self.job.done = self.job.total;
                self.finish(JobState::Done);
            }
            StepEnd::Failed => self.finish(JobState::Failed),
            StepEnd::Paused(pause) => {
                self.pauses += 1;
                self.release(now() + pause);
            }
            StepEnd::Released => self.release(DateTime::UNIX_EPOCH),
        }
    }

    fn finish(&mut self, state: JobState) {
        self.job.state = state;
        self.job.finished_at = Some(now());
        self.fence = Fence::random();
    }

    fn release(&mut self, until: DateTime<Utc>) {
        self.leased_until = until;
        self.fence = Fence::random();
    }

    fn note(&mut self, step: &JobStep, applied: Applied) {
        for tally in applied.tallies.iter() {
            self.tallies.add(tally);
        }
        let errors: Vec<ItemError> = step.errors.iter().cloned().chain(applied.errors).collect();
        let done = (step.changes.len() + step.errors.len()) as u64;
        self.job.done = (self.job.done + done).min(self.job.total);
        self.job.failed += errors.len() as u64;
        self.job.changed += applied.changed;
        self.errors.extend(errors);
        self.errors.truncate(MAX_ITEM_ERRORS);
        if let Some(position) = step.position {
            self.position = Some(position);
            self.pauses = 0;
        }
    }
}

#[derive(Default)]
struct Applied {
    changed: u64,
    tallies: Tallies,
    errors: Vec<ItemError>,
}

impl State {
    fn job(&mut self, id: &JobId) -> Option<&mut FakeJob> {
        self.jobs.iter_mut().find(|job| job.job.id == *id)
    }

    /// Makes a change of a job of that number, or only counts it.
    fn apply(&mut self, change: &JobChange, step: &JobStep, number: u64, is_dry: bool) -> Applied {
        let id = change.image.id;
        let mut applied = Applied::default();
        let is_newer = self.job_numbers.get(&id).is_some_and(|at| *at >= number);
        let Some(known) = self.versioned(&id).filter(|_| !is_newer) else {
            return applied;
        };
        let info = self.infos.get(&id).cloned().unwrap_or_default();
        let kept = KeptTags {
            taggers: info.taggers,
            threshold: info.threshold,
            tags: known.tags,
        };
        let after = match change.outcome(&step.query, &kept) {
            ItemOutcome::Unchanged => return applied,
            ItemOutcome::TooMany => {
                let detail = format!("an image has at most {MAX_SHOWN} tags");
                applied.errors.push(ItemError::new(id, "too-many", &detail));
                return applied;
            }
            ItemOutcome::Tags(tags) => {
                applied.changed = u64::from(tags != kept.tags);
                if !is_dry {
                    let version = TagsVersion(known.version.0 + 1);
                    self.set_tags(&id, tags.clone(), version);
                    if let ImageChange::Tags(change) = &change.change {
                        self.note_taggers(&id, change);
                        self.webhooks.emit(change.event(id));
                    }
                }
                tags.tags()
            }
            ItemOutcome::Delete => {
                applied.changed = 1;
                if let ImageChange::Delete(at) = change.change
                    && !is_dry
                {
                    self.delete(&id, at);
                }
                Tags::default()
            }
        };
        applied.tallies.count(&kept.tags.tags(), &after);
        applied
    }

    fn advance(&mut self, lease: &JobLease, duration: TimeDelta, step: &JobStep) -> Advanced {
        let Some(job) = self.job(&lease.id).filter(|job| job.is_open()) else {
            return Advanced::Ended;
        };
        if job.fence != lease.fence || job.job.state != JobState::Running {
            return Advanced::Lost;
        }
        job.leased_until = now() + duration;
        let (number, is_dry) = (job.job.number, job.job.dry_run);
        let mut all = Applied::default();
        for change in &step.changes {
            let applied = self.apply(change, step, number, is_dry);
            all.changed += applied.changed;
            all.errors.extend(applied.errors);
            for tally in applied.tallies.iter() {
                all.tallies.add(tally);
            }
        }
        if let Some(job) = self.job(&lease.id) {
            job.note(step, all);
            if let Some(end) = step.end {
                job.end(end);
            }
            if !job.is_open() {
                self.webhooks.emit(WebhookEvent::JobFinished(lease.id));
            }
        }
        Advanced::Made
    }

    fn enqueue(&mut self, new: &NewJob) -> Job {
        self.job_number += 1;
        let job = Job {
            id: new.id,
            number: self.job_number,
            kind: new.request.action.kind(),
            state: JobState::Queued,
            dry_run: new.request.dry_run,
            total: new.total,
            done: 0,
            failed: 0,
            changed: 0,
            created_at: now(),
            started_at: None,
            finished_at: None,
        };
        self.jobs.push(FakeJob {
            job: job.clone(),
            request: new.request.clone(),
            last: new.last,
            position: None,
            pauses: 0,
            fence: Fence::random(),
            leased_until: DateTime::UNIX_EPOCH,
            tallies: Tallies::default(),
            errors: Vec::new(),
        });
        job
    }
}

#[async_trait]
impl JobStore for FakeDatabase {
    async fn enqueue_job(
        &self,
        new: &NewJob,
        at_most: u32,
    ) -> Result<Option<Job>, ImageStoreError> {
        let mut state = self.call().await;
        let open = state.jobs.iter().filter(|job| job.is_open()).count();
        let kind = new.request.action.kind();
        let is_there =
            |job: &FakeJob| job.job.kind == kind && (job.is_open() || job.holds_others_off());
        let is_refused = kind.is_internal() && state.jobs.iter().any(is_there);
        if open >= at_most as usize || is_refused {
            return Ok(None);
        }
        if let Some(lease) = &new.lease {
            if !state.holds(lease) {
                return Err(ImageStoreError::LeaseLost);
            }
            state.complete(lease, ImageId::from_bytes(*new.id.as_bytes()));
        }
        Ok(Some(state.enqueue(new)))
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        let mut state = self.call().await;
        Ok(state.job(id).map(|job| job.job.clone()))
    }

    async fn jobs(
        &self,
        before: Option<u64>,
        limit: NonZeroU32,
    ) -> Result<Vec<Job>, ImageStoreError> {
        let state = self.call().await;
        let jobs = state.jobs.iter().rev().map(|job| job.job.clone());
        let jobs = jobs.filter(|job| before.is_none_or(|before| job.number < before));
        Ok(jobs.take(limit.get() as usize).collect())
    }

    async fn job_result(&self, id: &JobId) -> Result<JobResult, ImageStoreError> {
        let mut state = self.call().await;
        let Some(job) = state.job(id) else {
            return Ok(JobResult::default());
        };
        let (tags, more) = job.tallies.most_changed();
        Ok(JobResult {
            tags,
            more,
            errors: job.errors.clone(),
        })
    }

    async fn cancel_job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        let mut state = self.call().await;
        let Some(job) = state.job(id) else {
            return Ok(None);
        };
        if job.is_open() {
            job.finish(JobState::Cancelled);
            state.webhooks.emit(WebhookEvent::JobFinished(*id));
        }
        Ok(state.job(id).map(|job| job.job.clone()))
    }

    async fn remove_old_jobs(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError> {
        let mut state = self.call().await;
        let ends = state.jobs.iter().filter_map(|job| job.job.finished_at);
        let mut old: Vec<_> = ends.filter(|end| *end + kept <= now()).collect();
        old.sort_unstable();
        old.truncate(limit.get() as usize);
        let before = state.jobs.len();
        let is_old = |job: &FakeJob| job.job.finished_at.is_some_and(|end| old.contains(&end));
        state.jobs.retain(|job| !is_old(job));
        Ok(u32::try_from(before - state.jobs.len()).expect("at most the limit"))
    }
}

#[async_trait]
impl JobQueue for FakeDatabase {
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError> {
        let mut state = self.call().await;
        let is_free = |job: &&mut FakeJob| job.is_open() && job.leased_until <= now();
        let Some(job) = state.jobs.iter_mut().find(is_free) else {
            return Ok(None);
        };
        job.release(now() + lease);
        job.job.state = JobState::Running;
        job.job.started_at.get_or_insert_with(now);
        Ok(Some(ClaimedJob {
            job: job.job.clone(),
            request: job.request.clone(),
            last: job.last,
            position: job.position,
            pauses: job.pauses,
            lease: JobLease {
                id: job.job.id,
                fence: job.fence,
            },
        }))
    }

    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        Ok(self.call().await.advance(lease, duration, step))
    }
}
