//! The rows of jobs.

use std::num::NonZeroU32;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Queryable};
use diesel_async::RunQueryDsl;
use domain::{ImageId, ImageOrder, Job, JobId, JobKind, JobState, PageKey};
use thiserror::Error;

use super::super::Connection;
use crate::{
    error::StoreError,
    schema::job,
    values::{IdBytes, micros, signed, time},
};

pub(super) const QUEUED: i32 = 0;
pub(super) const RUNNING: i32 = 1;
pub(super) const DONE: i32 = 2;
pub(super) const FAILED: i32 = 3;
pub(super) const CANCELLED: i32 = 4;

/// The states of jobs that have not ended.
pub(super) const OPEN: [i32; 2] = [QUEUED, RUNNING];

/// The kinds that this version knows. Servers of later versions may make others, and carry them out.
pub(super) const KINDS: [i32; 5] = [0, 1, 2, 3, 4];

#[derive(Debug, Error)]
enum Unreadable {
    #[error("{0} is no kind of job")]
    Kind(i32),
    #[error("{0} is no state of a job")]
    State(i32),
    #[error("{0} is no count")]
    Count(i64),
    #[error("{0} bytes are no position")]
    Position(usize),
}

pub(super) fn kind_number(kind: JobKind) -> i32 {
    match kind {
        JobKind::Retag => 0,
        JobKind::Edit => 1,
        JobKind::Delete => 2,
        JobKind::Vocabulary => 3,
        JobKind::Features => 4,
    }
}

fn kind(number: i32) -> Result<JobKind, StoreError> {
    let mut kinds = JobKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind_number(*kind) == number);
    kind.ok_or_else(|| StoreError::corrupt(Unreadable::Kind(number)))
}

pub(in super::super) fn state_number(state: JobState) -> i32 {
    match state {
        JobState::Queued => QUEUED,
        JobState::Running => RUNNING,
        JobState::Done => DONE,
        JobState::Failed => FAILED,
        JobState::Cancelled => CANCELLED,
    }
}

fn state(number: i32) -> Result<JobState, StoreError> {
    Ok(match number {
        QUEUED => JobState::Queued,
        RUNNING => JobState::Running,
        DONE => JobState::Done,
        FAILED => JobState::Failed,
        CANCELLED => JobState::Cancelled,
        other => return Err(StoreError::corrupt(Unreadable::State(other))),
    })
}

/// A job, as far as its makers see it.
#[derive(Queryable)]
pub(super) struct JobRow {
    id: IdBytes,
    number: i64,
    kind: i32,
    state: i32,
    dry_run: i32,
    total: i64,
    done: i64,
    failed: i64,
    changed: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

/// The columns of a [`JobRow`].
macro_rules! job_columns {
    () => {
        (
            job::id,
            job::number,
            job::kind,
            job::state,
            job::dry_run,
            job::total,
            job::done,
            job::failed,
            job::changed,
            job::created_at,
            job::started_at,
            job::finished_at,
        )
    };
}

impl JobRow {
    fn job(self) -> Result<Job, StoreError> {
        let total = count(self.total)?;
        Ok(Job {
            id: JobId::from_bytes(self.id.get()?),
            number: count(self.number)?,
            kind: kind(self.kind)?,
            state: state(self.state)?,
            dry_run: self.dry_run != 0,
            total,
            // Images may match that did not when the job was made.
            done: count(self.done)?.min(total),
            failed: count(self.failed)?,
            changed: count(self.changed)?,
            created_at: time(self.created_at)?,
            started_at: self.started_at.map(time).transpose()?,
            finished_at: self.finished_at.map(time).transpose()?,
        })
    }
}

pub(super) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::corrupt(Unreadable::Count(number)))
}

pub(super) async fn find(
    connection: &mut Connection,
    id: &JobId,
) -> Result<Option<Job>, StoreError> {
    let row: Option<JobRow> = job::table
        .find(id.as_bytes().as_slice())
        .filter(job::kind.eq_any(KINDS))
        .select(job_columns!())
        .first(connection)
        .await
        .optional()?;
    row.map(JobRow::job).transpose()
}

pub(super) async fn list(
    connection: &mut Connection,
    before: Option<u64>,
    limit: NonZeroU32,
) -> Result<Vec<Job>, StoreError> {
    let rows: Vec<JobRow> = job::table
        .filter(job::number.lt(before.map_or(i64::MAX, signed)))
        .filter(job::kind.eq_any(KINDS))
        .order(job::number.desc())
        .limit(i64::from(limit.get()))
        .select(job_columns!())
        .load(connection)
        .await?;
    rows.into_iter().map(JobRow::job).collect()
}

/// A place in the list of images as it is kept: time and id, most significant byte first.
pub(super) fn written_key(key: PageKey) -> Vec<u8> {
    let time = micros(key.time.and_utc()).to_be_bytes();
    [&time[..], key.id.as_bytes()].concat()
}

pub(super) fn key(bytes: &[u8]) -> Result<PageKey, StoreError> {
    let unreadable = || StoreError::corrupt(Unreadable::Position(bytes.len()));
    let (micros, id) = bytes.split_first_chunk().ok_or_else(unreadable)?;
    Ok(PageKey {
        order: ImageOrder::Registered,
        time: time(i64::from_be_bytes(*micros))?.naive_utc(),
        id: ImageId::from_bytes(id.try_into().map_err(|_| unreadable())?),
    })
}
