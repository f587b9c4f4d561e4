//! Jobs as they are written on the wire.

use actix_web::body::{BodySize, BoxBody};
use bytes::Bytes;
use chrono_tz::Tz;
use domain::{
    ItemError, Job, JobResult, ShownNames, TagTally,
    ports::{ImageStoreError, cause},
    service::Jobs,
};
use serde::Serialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::{
    date,
    dto::Presentation,
    streamed::{Pieces, Streamed},
};

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobBody<'a> {
    /// Its id.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// What it does: `retag`, `edit` or `delete`.
    #[schema(example = "edit")]
    kind: &'static str,
    /// Where it stands: `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(example = "done")]
    state: &'static str,
    /// `true` if it only counts what it would do; else it is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, example = true)]
    dry_run: bool,
    /// How many images it is done with, failed ones included.
    #[schema(example = 12)]
    done: u64,
    /// How many images matched when it was made.
    #[schema(example = 12)]
    total: u64,
    /// How many images failed.
    #[schema(example = 1)]
    failed: u64,
    /// When it was made.
    #[schema(example = "2024-01-11 10:04:35")]
    created: String,
    /// When it began; null if it has not.
    #[schema(example = "2024-01-11 10:04:36")]
    started: Option<String>,
    /// When it ended; null if it has not.
    #[schema(example = "2024-01-11 10:04:40")]
    finished: Option<String>,
    /// What it changed, or would have changed; null until it ended.
    result: Option<JobResultBody<'a>>,
}

/// What a job changed.
#[derive(Serialize, ToSchema)]
#[schema(as = JobResult)]
pub(crate) struct JobResultBody<'a> {
    /// How many images changed.
    #[schema(example = 11)]
    changed: u64,
    /// The tags that changed in most images, at most 1000.
    tags: Vec<TagTallyBody<'a>>,
    /// How many further tags changed.
    #[schema(example = 0)]
    more: u64,
    /// The first images that failed, at most 100.
    errors: Vec<ItemErrorBody<'a>>,
}

/// How a tag changed.
#[derive(Serialize, ToSchema)]
#[schema(as = TagTally)]
pub(crate) struct TagTallyBody<'a> {
    /// Its name.
    #[schema(example = "pet")]
    tag: &'a str,
    /// How many images show it that did not before.
    #[schema(example = 9)]
    gained: u64,
    /// How many images do not show it any more.
    #[schema(example = 0)]
    lost: u64,
    /// How many images show it with another confidence.
    #[schema(example = 2)]
    moved: u64,
    /// By how much these confidences changed in the mean, up or down (negative).
    #[schema(example = 7.5)]
    mean_move: f64,
}

/// An image that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = JobError)]
pub(crate) struct ItemErrorBody<'a> {
    /// The id of the image.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// What went wrong, for programs: as in problem documents.
    #[schema(example = "too-many")]
    code: &'a str,
    /// What went wrong, in words.
    #[schema(example = "an image has at most 1000 tags")]
    detail: &'a str,
}

impl<'a> JobBody<'a> {
    pub(crate) fn new(
        job: &Job,
        result: Option<&'a JobResult>,
        zone: Tz,
        names: &'a ShownNames,
    ) -> Self {
        Self {
            id: job.id.to_string(),
            kind: job.kind.as_str(),
            state: job.state.as_str(),
            dry_run: job.dry_run,
            done: job.done,
            total: job.total,
            failed: job.failed,
            created: date(job.created_at, zone),
            started: job.started_at.map(|at| date(at, zone)),
            finished: job.finished_at.map(|at| date(at, zone)),
            result: result.map(|result| JobResultBody {
                changed: job.changed,
                tags: result
                    .tags
                    .iter()
                    .map(|tally| TagTallyBody::new(tally, names))
                    .collect(),
                more: result.more,
                errors: result.errors.iter().map(Into::into).collect(),
            }),
        }
    }
}

impl<'a> TagTallyBody<'a> {
    fn new(tally: &'a TagTally, names: &'a ShownNames) -> Self {
        Self {
            tag: names.of(&tally.label).as_str(),
            gained: tally.gained,
            lost: tally.lost,
            moved: tally.moved,
            mean_move: tally.mean_move(),
        }
    }
}

impl<'a> From<&'a ItemError> for ItemErrorBody<'a> {
    fn from(error: &'a ItemError) -> Self {
        Self {
            id: error.image.to_string(),
            code: &error.code,
            detail: &error.detail,
        }
    }
}

/// The response with a list of jobs: a bare JSON array. Results are read one by one while it is sent.
pub(crate) fn jobs(
    runtime: &Handle,
    service: Jobs,
    jobs: Vec<Job>,
    shown: Presentation,
) -> BoxBody {
    BoxBody::new(Streamed::new(runtime, BodySize::Stream, move |pieces| {
        send(service, jobs, shown, pieces)
    }))
}

async fn send(
    service: Jobs,
    jobs: Vec<Job>,
    Presentation { zone, names }: Presentation,
    pieces: Pieces,
) -> Result<(), ImageStoreError> {
    let mut separator = "[";
    for job in &jobs {
        let result = service.result(job).await?;
        let body = JobBody::new(job, result.as_ref(), zone, &names);
        let text =
            serde_json::to_string(&body).map_err(|error| ImageStoreError::Failed(cause(error)))?;
        let piece = Bytes::from(format!("{separator}{text}"));
        separator = ",";
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
    let end = if jobs.is_empty() { "[]" } else { "]" };
    // If the receiver is gone, the rest is not needed.
    let _ = pieces.send(Bytes::from_static(end.as_bytes())).await;
    Ok(())
}
