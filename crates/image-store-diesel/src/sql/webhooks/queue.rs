//! Claiming and settling deliveries.

use std::num::NonZeroU32;

use chrono::TimeDelta;
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::sql,
    sql_types::{BigInt, Binary, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    DeliveryId, Fence, WebhookId, WebhookSecret,
    ports::{ClaimedDelivery, DeliveryLease, DeliveryOutcome, WebhookEndpoint},
};

use super::{
    super::{BEGIN, Connection, NOW, load, requests::from_now, statement::Statement},
    rows::{self, FAILED, GONE, WAITING},
};
use crate::{
    error::StoreError,
    schema::{delivery, webhook},
    values::{DigestBytes, IdBytes, time},
};

/// The webhooks with deliveries due. Each is looked up along the index of deliveries, however many wait.
pub(super) async fn due(connection: &mut Connection) -> Result<Vec<WebhookEndpoint>, StoreError> {
    let statement = Statement::new(&format!(
        "SELECT webhook.id, webhook.url, webhook.secret FROM etiqueta_webhook AS webhook \
         WHERE webhook.state <> {GONE} AND webhook.paused_until <= {NOW} AND \
         (SELECT delivery.state FROM etiqueta_delivery AS delivery \
          WHERE delivery.webhook_id = webhook.id AND delivery.state = {WAITING} AND delivery.due_at <= {NOW} \
          ORDER BY delivery.due_at LIMIT 1) = {WAITING}"
    ));
    let statement = statement.with_columns::<(Binary, Text, Binary)>();
    let rows: Vec<(IdBytes, String, DigestBytes)> = load(connection, statement).await?;
    let rows = rows.into_iter();
    rows.map(|(id, url, secret)| {
        Ok(WebhookEndpoint {
            webhook: WebhookId::from_bytes(id.get()?),
            url,
            secret: WebhookSecret::from_bytes(secret.get()?),
        })
    })
    .collect()
}

/// A delivery that may be claimed: id, fence, event, subject, time, attempts.
type Candidate = (Vec<u8>, i64, i32, IdBytes, i64, i32);

pub(super) async fn claim(
    connection: &mut Connection,
    webhook: &WebhookId,
    lease: TimeDelta,
    limit: NonZeroU32,
) -> Result<Vec<ClaimedDelivery>, StoreError> {
    if !is_open(connection, webhook).await? {
        return Ok(Vec::new());
    }
    let candidates: Vec<Candidate> = delivery::table
        .filter(delivery::webhook_id.eq(webhook.as_bytes().as_slice()))
        .filter(delivery::state.eq(WAITING))
        .filter(delivery::due_at.le(sql::<BigInt>(NOW)))
        .filter(delivery::event.eq_any(rows::KINDS))
        .order(delivery::due_at)
        .limit(i64::from(limit.get()))
        .select((
            delivery::id,
            delivery::fence,
            delivery::event,
            delivery::subject,
            delivery::happened_at,
            delivery::attempts,
        ))
        .load(connection)
        .await?;
    let mut claimed = Vec::new();
    connection.batch_execute(BEGIN).await?;
    for candidate in candidates {
        claimed.extend(take(connection, candidate, lease).await?);
    }
    connection.batch_execute("COMMIT").await?;
    Ok(claimed)
}

/// Whether a webhook is neither gone nor paused.
async fn is_open(connection: &mut Connection, webhook: &WebhookId) -> Result<bool, StoreError> {
    let open: Option<i32> = webhook::table
        .find(webhook.as_bytes().as_slice())
        .filter(webhook::state.ne(GONE))
        .filter(webhook::paused_until.le(sql::<BigInt>(NOW)))
        .select(webhook::state)
        .first(connection)
        .await
        .optional()?;
    Ok(open.is_some())
}

/// Takes a delivery, unless another server did.
async fn take(
    connection: &mut Connection,
    (id, older, event, subject, happened_at, attempts): Candidate,
    lease: TimeDelta,
) -> Result<Option<ClaimedDelivery>, StoreError> {
    let fence = Fence::random();
    let taken = diesel::update(delivery::table.find(&id))
        .filter(delivery::fence.eq(older))
        .filter(delivery::state.eq(WAITING))
        .set((
            delivery::fence.eq(fence.as_i64()),
            delivery::due_at.eq(from_now(lease)),
            delivery::tried_at.eq(sql::<BigInt>(NOW)),
            delivery::attempts.eq(attempts + 1),
        ))
        .execute(connection)
        .await?;
    if taken == 0 {
        return Ok(None);
    }
    let id = DeliveryId::from_bytes(IdBytes::from(id.as_slice()).get()?);
    Ok(Some(ClaimedDelivery {
        lease: DeliveryLease { id, fence },
        event: rows::event(event, subject)?,
        happened_at: time(happened_at)?,
        attempt: u32::try_from(attempts + 1).unwrap_or_default(),
    }))
}

/// The row of a delivery whose latest lease is this one.
macro_rules! held {
    ($statement:expr, $lease:expr) => {
        $statement
            .filter(delivery::id.eq($lease.id.as_bytes().as_slice()))
            .filter(delivery::fence.eq($lease.fence.as_i64()))
            .filter(delivery::state.eq(WAITING))
    };
}

pub(super) async fn settle(
    connection: &mut Connection,
    lease: &DeliveryLease,
    outcome: &DeliveryOutcome,
) -> Result<bool, StoreError> {
    connection.batch_execute(BEGIN).await?;
    if write_outcome(connection, lease, outcome).await? == 0 {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    match outcome {
        DeliveryOutcome::Retry {
            pause: Some(pause), ..
        } => {
            let webhook = webhook_of(connection, lease).await?;
            diesel::update(webhook::table.find(webhook))
                .set(webhook::paused_until.eq(from_now(*pause)))
                .execute(connection)
                .await?;
        }
        DeliveryOutcome::Gone { .. } => {
            let webhook = webhook_of(connection, lease).await?;
            diesel::update(webhook::table.find(webhook))
                .set(webhook::state.eq(GONE))
                .execute(connection)
                .await?;
        }
        _ => {}
    }
    connection.batch_execute("COMMIT").await?;
    Ok(true)
}

async fn webhook_of(
    connection: &mut Connection,
    lease: &DeliveryLease,
) -> Result<Vec<u8>, StoreError> {
    Ok(delivery::table
        .find(lease.id.as_bytes().as_slice())
        .select(delivery::webhook_id)
        .first(connection)
        .await?)
}

/// Writes the row of a delivery, and returns how many rows that were.
async fn write_outcome(
    connection: &mut Connection,
    lease: &DeliveryLease,
    outcome: &DeliveryOutcome,
) -> Result<usize, StoreError> {
    let fence = delivery::fence.eq(Fence::random().as_i64());
    let row = diesel::update(delivery::table);
    let written = match outcome {
        DeliveryOutcome::Delivered => {
            held!(diesel::delete(delivery::table), lease)
                .execute(connection)
                .await
        }
        DeliveryOutcome::Retry { after, error, .. } => {
            let due = delivery::due_at.eq(from_now(*after));
            let changes = (fence, due, delivery::error.eq(Some(error)));
            held!(row, lease).set(changes).execute(connection).await
        }
        DeliveryOutcome::Failed { error } | DeliveryOutcome::Gone { error } => {
            let changes = (
                fence,
                delivery::state.eq(FAILED),
                delivery::due_at.eq(sql::<BigInt>(NOW)),
                delivery::error.eq(Some(error)),
            );
            held!(row, lease).set(changes).execute(connection).await
        }
        DeliveryOutcome::Released => {
            let changes = (
                fence,
                delivery::due_at.eq(sql::<BigInt>(NOW)),
                delivery::attempts.eq(delivery::attempts - 1),
            );
            held!(row, lease).set(changes).execute(connection).await
        }
    };
    Ok(written?)
}
