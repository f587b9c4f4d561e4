//! Jobs: their list, and the queue.
//!
//! Whoever makes a job writes the counter first, and whoever carries one out writes its row first, under its fence: so
//! two at once conflict on every engine, and on every node of a cluster.

mod apply;
mod errors;
mod queue;
mod rows;
mod tallies;

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    sql_types::{BigInt, Nullable},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Fence, ImageId, Job, JobId, JobKind, JobResult, WebhookEvent,
    ports::{Advanced, ClaimedJob, ImageStoreError, JobLease, JobQueue, JobStep, JobStore, NewJob},
};

pub(super) use self::rows::state_number;
use super::{BEGIN, Connection, NOW, Store, events, requests};
use crate::{
    error::StoreError,
    job_text,
    schema::{job, job_counter, job_detail, job_tag},
    values::signed,
};

/// The key of the single row of the counter.
const COUNTER: i32 = 1;

#[async_trait]
impl JobStore for Store {
    async fn enqueue_job(
        &self,
        new: &NewJob,
        at_most: u32,
    ) -> Result<Option<Job>, ImageStoreError> {
        let made = self
            .write(|mut connection| async move { enqueue(&mut connection, new, at_most).await })
            .await?;
        if made.is_some() {
            self.signals.enqueued.notify_one();
        }
        Ok(made)
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        self.read(|mut connection| async move { rows::find(&mut connection, id).await })
            .await
    }

    async fn jobs(
        &self,
        before: Option<u64>,
        limit: NonZeroU32,
    ) -> Result<Vec<Job>, ImageStoreError> {
        self.read(|mut connection| async move { rows::list(&mut connection, before, limit).await })
            .await
    }

    async fn job_result(&self, id: &JobId) -> Result<JobResult, ImageStoreError> {
        self.read(|mut connection| async move { tallies::result(&mut connection, id).await })
            .await
    }

    async fn cancel_job(&self, id: &JobId) -> Result<Option<Job>, ImageStoreError> {
        self.write(|mut connection| async move { cancel(&mut connection, id).await })
            .await
    }

    async fn remove_old_jobs(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError> {
        self.write(|mut connection| async move { remove_old(&mut connection, kept, limit).await })
            .await
    }
}

#[async_trait]
impl JobQueue for Store {
    async fn claim_job(&self, lease: TimeDelta) -> Result<Option<ClaimedJob>, ImageStoreError> {
        // Mostly there is none, and looking for one writes nothing.
        let candidate = self
            .read(|mut connection| async move { queue::candidate(&mut connection).await })
            .await?;
        if candidate.is_none() {
            return Ok(None);
        }
        self.write(|mut connection| async move { queue::claim(&mut connection, lease).await })
            .await
    }

    async fn advance_job(
        &self,
        lease: &JobLease,
        duration: TimeDelta,
        step: &JobStep,
    ) -> Result<Advanced, ImageStoreError> {
        let advanced = self
            .write(|mut connection| async move {
                queue::advance(&mut connection, &self.label_cache, lease, duration, step).await
            })
            .await?;
        if !step.changes.is_empty() {
            self.signals.recorded.notify_one();
        }
        Ok(advanced)
    }
}

async fn enqueue(
    connection: &mut Connection,
    new: &NewJob,
    at_most: u32,
) -> Result<Option<Job>, StoreError> {
    connection.batch_execute(BEGIN).await?;
    diesel::update(job_counter::table.find(COUNTER))
        .set(job_counter::number.eq(job_counter::number + 1))
        .execute(connection)
        .await?;
    let number: i64 = job_counter::table
        .find(COUNTER)
        .select(job_counter::number)
        .first(connection)
        .await?;
    // Exact: another job is counted once its transaction, which wrote the counter before, is committed.
    let open: i64 = job::table
        .filter(job::state.eq_any(rows::OPEN))
        .count()
        .get_result(connection)
        .await?;
    let kind = new.request.action.kind();
    if open >= i64::from(at_most) || kind.is_internal() && is_there(connection, kind).await? {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(None);
    }
    insert(connection, new, number).await?;
    if let Some(lease) = &new.lease {
        let outcome = ImageId::from_bytes(*new.id.as_bytes());
        if !requests::complete(connection, lease, &outcome).await? {
            return Err(ImageStoreError::LeaseLost.into());
        }
    }
    let made = rows::find(connection, &new.id).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(made)
}

/// Whether a job of a kind has not ended, was cancelled less than a day ago, or left images that failed less than an hour
/// ago: these would fail again.
async fn is_there(connection: &mut Connection, kind: JobKind) -> Result<bool, StoreError> {
    let ended_within = |time: TimeDelta| {
        let time = time.num_microseconds().unwrap_or_default();
        job::finished_at.gt(sql::<Nullable<BigInt>>(&format!("{NOW} - {time}")))
    };
    let is_cancelled = job::state.eq(rows::CANCELLED);
    let is_cancelled = is_cancelled.and(ended_within(TimeDelta::days(1)));
    let has_failures = job::failed.gt(0).and(ended_within(TimeDelta::hours(1)));
    let found: Option<i64> = job::table
        .filter(job::kind.eq(rows::kind_number(kind)))
        .filter(
            job::state
                .eq_any(rows::OPEN)
                .or(is_cancelled)
                .or(has_failures),
        )
        .select(job::number)
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

async fn insert(connection: &mut Connection, new: &NewJob, number: i64) -> Result<(), StoreError> {
    let request = &new.request;
    let id = new.id.as_bytes().as_slice();
    diesel::insert_into(job::table)
        .values((
            job::id.eq(id),
            job::number.eq(number),
            job::kind.eq(rows::kind_number(request.action.kind())),
            job::state.eq(rows::QUEUED),
            job::dry_run.eq(i32::from(request.dry_run)),
            job::total.eq(signed(new.total)),
            job::done.eq(0),
            job::failed.eq(0),
            job::changed.eq(0),
            job::pauses.eq(0),
            job::fence.eq(Fence::random().as_i64()),
            job::leased_until.eq(0),
            job::created_at.eq(sql::<BigInt>(NOW)),
        ))
        .execute(connection)
        .await?;
    diesel::insert_into(job_detail::table)
        .values((
            job_detail::job_id.eq(id),
            job_detail::request.eq(job_text::written(request)),
            job_detail::last_image.eq(new.last.map(rows::written_key)),
            job_detail::more.eq(0),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

async fn cancel(connection: &mut Connection, id: &JobId) -> Result<Option<Job>, StoreError> {
    connection.batch_execute(BEGIN).await?;
    // Waits for a step that is being made, and voids the fence of the next one.
    let cancelled = diesel::update(job::table.find(id.as_bytes().as_slice()))
        .filter(job::state.eq_any(rows::OPEN))
        .set((
            job::state.eq(rows::CANCELLED),
            job::fence.eq(Fence::random().as_i64()),
            job::finished_at.eq(sql::<Nullable<BigInt>>(NOW)),
        ))
        .execute(connection)
        .await?;
    if cancelled > 0 {
        tallies::trim(connection, id).await?;
        events::write(connection, &[WebhookEvent::JobFinished(*id)]).await?;
    }
    let job = rows::find(connection, id).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(job)
}

async fn remove_old(
    connection: &mut Connection,
    kept: TimeDelta,
    limit: NonZeroU32,
) -> Result<u32, StoreError> {
    let micros = kept.num_microseconds().unwrap_or(i64::MAX / 2);
    let old: Vec<Vec<u8>> = job::table
        .filter(job::finished_at.le(sql::<Nullable<BigInt>>(&format!("{NOW} - {micros}"))))
        .order(job::finished_at)
        .limit(i64::from(limit.get()))
        .select(job::id)
        .load(connection)
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    connection.batch_execute(BEGIN).await?;
    let removed = diesel::delete(job::table.filter(job::id.eq_any(&old)))
        .execute(connection)
        .await?;
    diesel::delete(job_tag::table.filter(job_tag::job_id.eq_any(&old)))
        .execute(connection)
        .await?;
    diesel::delete(job_detail::table.filter(job_detail::job_id.eq_any(&old)))
        .execute(connection)
        .await?;
    connection.batch_execute("COMMIT").await?;
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}

/// The state of a job, if there is one.
async fn state(connection: &mut Connection, id: &JobId) -> Result<Option<i32>, StoreError> {
    let state = job::table
        .find(id.as_bytes().as_slice())
        .select(job::state)
        .first(connection)
        .await;
    Ok(state.optional()?)
}
