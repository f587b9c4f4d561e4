//! Requests with idempotency keys.
//!
//! Whoever gets a lease writes its row, so that every engine, and every node of a cluster, notices a conflict at the
//! latest when it commits. Times are those of the database.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    expression::SqlLiteral,
    sql_types::{BigInt, Bool},
};
use diesel_async::RunQueryDsl;
use domain::{
    Fence, IdempotentRequest, ImageId, OUTCOME_KEPT, RequestFingerprint, RequestLease,
    ports::{Begun, IdempotencyStore, ImageStoreError},
};

use super::{Connection, NOW, Store};
use crate::{
    error::StoreError,
    schema::request,
    values::{DigestBytes, IdBytes},
};

/// How often a request is begun: another session may take the lease between two statements.
const ATTEMPTS: usize = 3;

#[async_trait]
impl IdempotencyStore for Store {
    async fn begin_request(
        &self,
        request: &IdempotentRequest,
        lease: TimeDelta,
    ) -> Result<Begun, ImageStoreError> {
        self.write(|mut connection| async move { begin(&mut connection, request, lease).await })
            .await
    }

    async fn renew_request(
        &self,
        lease: &RequestLease,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move { renew(&mut connection, lease, duration).await })
            .await
    }

    async fn cancel_request(&self, lease: &RequestLease) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move { cancel(&mut connection, lease).await })
            .await
    }

    async fn remove_expired_requests(&self, limit: NonZeroU32) -> Result<u32, ImageStoreError> {
        self.write(|mut connection| async move { remove_expired(&mut connection, limit).await })
            .await
    }
}

/// A time that long from now, in microseconds.
pub(super) fn from_now(duration: TimeDelta) -> SqlLiteral<BigInt> {
    let micros = duration.num_microseconds().unwrap_or(i64::MAX / 2);
    sql(&format!("{NOW} + {micros}"))
}

/// A request as it is stored.
struct Known {
    fingerprint: RequestFingerprint,
    fence: i64,
    outcome: Option<ImageId>,
    is_expired: bool,
}

async fn begin(
    connection: &mut Connection,
    new: &IdempotentRequest,
    lease: TimeDelta,
) -> Result<Begun, StoreError> {
    for _ in 0..ATTEMPTS {
        let fence = Fence::random();
        let is_granted = match find(connection, new).await? {
            None => insert(connection, new, fence, lease).await?,
            Some(known) if known.is_expired => {
                take_over(connection, new, known.fence, fence, lease).await?
            }
            Some(known) if known.fingerprint != new.fingerprint => return Ok(Begun::Mismatch),
            Some(known) => return Ok(known.outcome.map_or(Begun::InProgress, Begun::Done)),
        };
        if is_granted {
            let key = new.key;
            return Ok(Begun::Started(RequestLease { key, fence }));
        }
    }
    Ok(Begun::InProgress)
}

async fn find(
    connection: &mut Connection,
    new: &IdempotentRequest,
) -> Result<Option<Known>, StoreError> {
    let row: Option<(DigestBytes, i64, Option<IdBytes>, bool)> = request::table
        .find(new.key.as_bytes().as_slice())
        .select((
            request::fingerprint,
            request::fence,
            request::outcome,
            sql::<Bool>(&format!("expires_at <= {NOW}")),
        ))
        .first(connection)
        .await
        .optional()?;
    row.map(|(fingerprint, fence, outcome, is_expired)| {
        Ok(Known {
            fingerprint: RequestFingerprint::from_bytes(fingerprint.get()?),
            fence,
            outcome: outcome
                .map(|id| id.get().map(ImageId::from_bytes))
                .transpose()?,
            is_expired,
        })
    })
    .transpose()
}

/// `false` if another session has inserted the row.
async fn insert(
    connection: &mut Connection,
    new: &IdempotentRequest,
    fence: Fence,
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let inserted = diesel::insert_or_ignore_into(request::table)
        .values((
            request::id.eq(new.key.as_bytes().as_slice()),
            request::fingerprint.eq(new.fingerprint.as_bytes().as_slice()),
            request::fence.eq(fence.as_i64()),
            request::expires_at.eq(from_now(lease)),
        ))
        .execute(connection)
        .await?;
    Ok(inserted > 0)
}

/// Takes the row of a lease or an outcome that has expired. `false` if another session did, or it was renewed.
async fn take_over(
    connection: &mut Connection,
    new: &IdempotentRequest,
    older: i64,
    fence: Fence,
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let taken = diesel::update(request::table.find(new.key.as_bytes().as_slice()))
        .filter(request::fence.eq(older))
        .filter(request::expires_at.le(sql::<BigInt>(NOW)))
        .set((
            request::fingerprint.eq(new.fingerprint.as_bytes().as_slice()),
            request::fence.eq(fence.as_i64()),
            request::outcome.eq(None::<&[u8]>),
            request::expires_at.eq(from_now(lease)),
        ))
        .execute(connection)
        .await?;
    Ok(taken > 0)
}

/// The row of a lease that is held.
macro_rules! held {
    ($statement:expr, $lease:expr) => {
        $statement
            .filter(request::fence.eq($lease.fence.as_i64()))
            .filter(request::outcome.is_null())
    };
}

/// Keeps the outcome of a request, in the transaction that records it. `false` if its lease is no longer held.
pub(super) async fn complete(
    connection: &mut Connection,
    lease: &RequestLease,
    image: &ImageId,
) -> Result<bool, StoreError> {
    let row = diesel::update(request::table.find(lease.key.as_bytes().as_slice()));
    let completed = held!(row, lease)
        .set((
            request::outcome.eq(Some(image.as_bytes().as_slice())),
            request::expires_at.eq(from_now(OUTCOME_KEPT)),
        ))
        .execute(connection)
        .await?;
    Ok(completed > 0)
}

async fn renew(
    connection: &mut Connection,
    lease: &RequestLease,
    duration: TimeDelta,
) -> Result<bool, StoreError> {
    let row = diesel::update(request::table.find(lease.key.as_bytes().as_slice()));
    let renewed = held!(row, lease)
        .set(request::expires_at.eq(from_now(duration)))
        .execute(connection)
        .await?;
    Ok(renewed > 0)
}

async fn cancel(connection: &mut Connection, lease: &RequestLease) -> Result<(), StoreError> {
    let row = diesel::delete(request::table.find(lease.key.as_bytes().as_slice()));
    held!(row, lease).execute(connection).await?;
    Ok(())
}

/// Two statements, as neither database deletes the first rows of an order in a way that the other understands.
async fn remove_expired(connection: &mut Connection, limit: NonZeroU32) -> Result<u32, StoreError> {
    let expired: Vec<Vec<u8>> = request::table
        .filter(request::expires_at.le(sql::<BigInt>(NOW)))
        .order(request::expires_at)
        .limit(i64::from(limit.get()))
        .select(request::id)
        .load(connection)
        .await?;
    if expired.is_empty() {
        return Ok(0);
    }
    // One that was taken over meanwhile stays.
    let removed = diesel::delete(request::table)
        .filter(request::id.eq_any(&expired))
        .filter(request::expires_at.le(sql::<BigInt>(NOW)))
        .execute(connection)
        .await?;
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}
