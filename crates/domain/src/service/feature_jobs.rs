//! Makes jobs that compute what is needed to find look-alikes, for images that were registered without it.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::picture_codes::PictureCodes;
use crate::{
    ImageOrder, ImageQuery, Job, JobAction, JobFilter, JobId, JobRequest, MAX_JOBS, PageKey,
    TimeWindow,
    ports::{ImageStore, ImageStoreError, JobStore, NewJob},
};

/// How many images are looked at in a step.
const LOOKED_AT: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How far behind the newest image of the last pass the next one ends: images may be recorded later than their time
/// says.
const SLACK: TimeDelta = TimeDelta::hours(1);

/// After so many passes all images are looked at again: they may have been recorded with a time of long ago, as imports do.
const PASSES: u32 = 100;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureStep {
    /// Images were looked at. There are more.
    Looked,
    /// All images were looked at, and lack nothing, or there is a job for them.
    Resting,
    /// A job was made.
    Made(Job),
}

/// Looks for images that lack a code, and makes a job for them.
pub struct FeatureJobs {
    images: Arc<dyn ImageStore>,
    jobs: Arc<dyn JobStore>,
    codes: PictureCodes,
    pass: Mutex<Pass>,
}

/// A pass over images, newest first.
#[derive(Debug, Clone, Copy, Default)]
struct Pass {
    /// The image it came to last.
    place: Option<PageKey>,
    /// The newest image.
    newest: Option<PageKey>,
    /// Where it ends.
    until: Option<DateTime<Utc>>,
    /// How many passes came before this one since all images were looked at.
    number: u32,
    /// How many images lack a code, and the time of the oldest one.
    lacking: u64,
    oldest: Option<DateTime<Utc>>,
}

impl FeatureJobs {
    /// Creates the service on its ports, and on the one that computes codes.
    pub fn new(images: Arc<dyn ImageStore>, jobs: Arc<dyn JobStore>, codes: PictureCodes) -> Self {
        Self {
            images,
            jobs,
            codes,
            pass: Mutex::default(),
        }
    }

    /// Looks at the next images. At the end of the pass a job is made if some lack a code, unless there is one that
    /// has not ended, or one that was cancelled or had failures a short time ago. The next pass ends where this one
    /// began, or at the oldest image that waits for a job.
    ///
    /// # Errors
    /// The next step looks at the same images.
    pub async fn step(&self) -> Result<FeatureStep, ImageStoreError> {
        let mut pass = self.pass();
        let window = TimeWindow {
            from: pass.until,
            until: None,
        };
        let query = ImageQuery {
            window,
            ..ImageQuery::default()
        };
        let page = self
            .images
            .untagged_page(&query, pass.place, LOOKED_AT)
            .await?;
        if !page.is_empty() {
            let lacking = self.codes.lacking(&page).await?;
            for image in page.iter().filter(|image| lacking.contains(&image.digest)) {
                pass.lacking += 1;
                pass.oldest = Some(image.registered_at);
            }
        }
        let key = |image| PageKey::after(ImageOrder::Registered, image);
        pass.newest = pass.newest.or_else(|| page.first().map(key));
        if page.len() == LOOKED_AT.get() as usize {
            pass.place = page.last().map(key);
            self.set(pass);
            return Ok(FeatureStep::Looked);
        }
        let made = self.make(&pass).await?;
        let newest = pass.newest.map(|newest| newest.time.and_utc() - SLACK);
        let until = match (&made, pass.oldest) {
            (None, Some(oldest)) => newest.map(|newest| newest.min(oldest)),
            _ => newest.or(pass.until),
        };
        let number = (pass.number + 1) % PASSES;
        self.set(Pass {
            until: until.filter(|_| number > 0),
            number,
            ..Pass::default()
        });
        Ok(made.map_or(FeatureStep::Resting, FeatureStep::Made))
    }

    async fn make(&self, pass: &Pass) -> Result<Option<Job>, ImageStoreError> {
        let Some(oldest) = pass.oldest else {
            return Ok(None);
        };
        let window = TimeWindow {
            from: Some(oldest),
            until: None,
        };
        let query = ImageQuery {
            window,
            ..ImageQuery::default()
        };
        let new = NewJob {
            id: JobId::random(),
            request: JobRequest {
                action: JobAction::Features,
                filter: JobFilter::new(Some(query), None),
                dry_run: false,
            },
            total: pass.lacking,
            last: pass.newest,
            lease: None,
        };
        self.jobs.enqueue_job(&new, MAX_JOBS).await
    }

    fn pass(&self) -> Pass {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pass: Pass) {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = pass;
    }
}
