//! Claiming jobs, and making their steps.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    sql_types::{BigInt, Nullable},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Fence, ItemError, JobId, JobRequest, Label, WebhookEvent,
    ports::{Advanced, ClaimedJob, ImageChange, ImageStoreError, JobLease, JobStep, StepEnd},
};

use super::{
    super::{
        BEGIN, Connection, NOW, events,
        label_cache::LabelCache,
        labels::{self, LabelIds},
        requests::from_now,
    },
    apply::{self, Applied, Terms},
    errors, rows, tallies,
};
use crate::{
    error::StoreError,
    job_text,
    schema::{job, job_detail},
    values::{IdBytes, signed},
};

/// How often a claim is tried: another runner may take the job between two statements.
const ATTEMPTS: usize = 3;

/// A job that may be claimed: its id and its fence.
type Candidate = (IdBytes, i64);

pub(super) async fn candidate(
    connection: &mut Connection,
) -> Result<Option<Candidate>, StoreError> {
    let found = job::table
        .filter(job::state.eq_any(rows::OPEN))
        .filter(job::kind.eq_any(rows::KINDS))
        .filter(job::leased_until.le(sql::<BigInt>(NOW)))
        .order(job::number)
        .select((job::id, job::fence))
        .first(connection)
        .await;
    Ok(found.optional()?)
}

pub(super) async fn claim(
    connection: &mut Connection,
    lease: TimeDelta,
) -> Result<Option<ClaimedJob>, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some((id, older)) = candidate(connection).await? else {
            return Ok(None);
        };
        let id = JobId::from_bytes(id.get()?);
        let fence = Fence::random();
        let taken = diesel::update(job::table.find(id.as_bytes().as_slice()))
            .filter(job::fence.eq(older))
            .filter(job::state.eq_any(rows::OPEN))
            .filter(job::leased_until.le(sql::<BigInt>(NOW)))
            .set((
                job::fence.eq(fence.as_i64()),
                job::state.eq(rows::RUNNING),
                job::leased_until.eq(from_now(lease)),
                job::started_at.eq(sql::<Nullable<BigInt>>(&format!(
                    "COALESCE(started_at, {NOW})"
                ))),
            ))
            .execute(connection)
            .await?;
        if taken == 0 {
            continue;
        }
        let lease = JobLease { id, fence };
        match claimed(connection, lease).await {
            Err(StoreError::Known(ImageStoreError::Corrupt(_))) => {
                // It would be claimed again and again, and hold up the others.
                connection.batch_execute(BEGIN).await?;
                end(connection, &id, StepEnd::Failed).await?;
                connection.batch_execute("COMMIT").await?;
            }
            outcome => return outcome,
        }
    }
    Ok(None)
}

async fn claimed(
    connection: &mut Connection,
    lease: JobLease,
) -> Result<Option<ClaimedJob>, StoreError> {
    let key = lease.id.as_bytes().as_slice();
    let (position, pauses): (Option<Vec<u8>>, i32) = job::table
        .find(key)
        .select((job::position, job::pauses))
        .first(connection)
        .await?;
    let (request, last): (Vec<u8>, Option<Vec<u8>>) = job_detail::table
        .find(key)
        .select((job_detail::request, job_detail::last_image))
        .first(connection)
        .await?;
    let request: JobRequest = job_text::read(&request)?;
    let Some(job) = rows::find(connection, &lease.id).await? else {
        return Ok(None);
    };
    Ok(Some(ClaimedJob {
        job,
        request,
        last: last.as_deref().map(rows::key).transpose()?,
        position: position.as_deref().map(rows::key).transpose()?,
        pauses: u32::try_from(pauses).unwrap_or_default(),
        lease,
    }))
}

pub(super) async fn advance(
    connection: &mut Connection,
    cache: &LabelCache,
    lease: &JobLease,
    duration: TimeDelta,
    step: &JobStep,
) -> Result<Advanced, StoreError> {
    let mut names = mentioned(step);
    loop {
        let texts: Vec<&str> = names.iter().map(Label::as_str).collect();
        let labels = labels::find_or_insert(connection, &texts).await?;
        connection.batch_execute(BEGIN).await?;
        if !hold(connection, lease, duration).await? {
            connection.batch_execute("ROLLBACK").await?;
            return lost(connection, &lease.id).await;
        }
        let Some(missing) = make(connection, cache, &labels, lease, step).await? else {
            connection.batch_execute("COMMIT").await?;
            return Ok(Advanced::Made);
        };
        // At most twice, unless the images change meanwhile.
        connection.batch_execute("ROLLBACK").await?;
        names.extend(missing);
    }
}

/// Makes a step in the transaction. Returns the labels that images get and that need numbers first, if there are any.
async fn make(
    connection: &mut Connection,
    cache: &LabelCache,
    labels: &LabelIds,
    lease: &JobLease,
    step: &JobStep,
) -> Result<Option<BTreeSet<Label>>, StoreError> {
    if *step == JobStep::default() {
        return Ok(None);
    }
    let terms = terms(connection, &lease.id).await?;
    let applied = match apply::apply(connection, cache, labels, &terms, step).await? {
        Ok(applied) => applied,
        Err(missing) => return Ok(Some(missing)),
    };
    note(connection, &lease.id, step, applied).await?;
    if let Some(outcome) = step.end {
        end(connection, &lease.id, outcome).await?;
    }
    Ok(None)
}

/// Labels that a step probably gives images, each once.
fn mentioned(step: &JobStep) -> BTreeSet<Label> {
    let changes = step.changes.iter();
    let changes = changes.filter_map(|change| match &change.change {
        ImageChange::Tags(change) => Some(change.labels()),
        ImageChange::Delete(_) | ImageChange::Nothing => None,
    });
    changes.flatten().collect()
}

/// Writes the row of a job that is still carried out under that lease.
async fn hold(
    connection: &mut Connection,
    lease: &JobLease,
    duration: TimeDelta,
) -> Result<bool, StoreError> {
    let held = diesel::update(job::table.find(lease.id.as_bytes().as_slice()))
        .filter(job::fence.eq(lease.fence.as_i64()))
        .filter(job::state.eq(rows::RUNNING))
        .set(job::leased_until.eq(from_now(duration)))
        .execute(connection)
        .await?;
    Ok(held > 0)
}

async fn lost(connection: &mut Connection, id: &JobId) -> Result<Advanced, StoreError> {
    let is_open = super::state(connection, id)
        .await?
        .is_some_and(|state| rows::OPEN.contains(&state));
    Ok(if is_open {
        Advanced::Lost
    } else {
        Advanced::Ended
    })
}

async fn terms(connection: &mut Connection, id: &JobId) -> Result<Terms, StoreError> {
    let (number, dry_run): (i64, i32) = job::table
        .find(id.as_bytes().as_slice())
        .select((job::number, job::dry_run))
        .first(connection)
        .await?;
    Ok(Terms {
        number,
        is_dry: dry_run != 0,
    })
}

/// Notes what a step did.
async fn note(
    connection: &mut Connection,
    id: &JobId,
    step: &JobStep,
    applied: Applied,
) -> Result<(), StoreError> {
    let key = id.as_bytes().as_slice();
    tallies::add(connection, id, &applied.tallies, &applied.labels).await?;
    let failed: Vec<ItemError> = step.errors.iter().cloned().chain(applied.errors).collect();
    if !failed.is_empty() {
        errors::add(connection, id, &failed).await?;
    }
    let done = step.changes.len() + step.errors.len();
    diesel::update(job::table.find(key))
        .set((
            job::done.eq(job::done + signed(done as u64)),
            job::failed.eq(job::failed + signed(failed.len() as u64)),
            job::changed.eq(job::changed + signed(applied.changed)),
        ))
        .execute(connection)
        .await?;
    if let Some(position) = step.position {
        diesel::update(job::table.find(key))
            .set((
                job::position.eq(Some(rows::written_key(position))),
                job::pauses.eq(0),
            ))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Ends a job, or its lease.
async fn end(connection: &mut Connection, id: &JobId, end: StepEnd) -> Result<(), StoreError> {
    let row = job::table.find(id.as_bytes().as_slice());
    let now = || sql::<Nullable<BigInt>>(NOW);
    let fence = job::fence.eq(Fence::random().as_i64());
    match end {
        StepEnd::Done => {
            tallies::trim(connection, id).await?;
            // Images that are gone, or do not match any more, are done.
            let done = job::done.eq(job::total);
            diesel::update(row)
                .set((job::state.eq(rows::DONE), done, job::finished_at.eq(now())))
                .execute(connection)
                .await?;
            events::write(connection, &[WebhookEvent::JobFinished(*id)]).await?;
        }
        StepEnd::Failed => {
            tallies::trim(connection, id).await?;
            diesel::update(row)
                .set((job::state.eq(rows::FAILED), job::finished_at.eq(now())))
                .execute(connection)
                .await?;
            events::write(connection, &[WebhookEvent::JobFinished(*id)]).await?;
        }
        StepEnd::Paused(pause) => {
            let until = job::leased_until.eq(from_now(pause));
            diesel::update(row)
                .set((until, fence, job::pauses.eq(job::pauses + 1)))
                .execute(connection)
                .await?;
        }
        StepEnd::Released => {
            diesel::update(row)
                .set((job::leased_until.eq(0), fence))
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}
