//! Webhooks, and the deliveries to them.
//!
//! Whoever adds a webhook writes a slot that no other has, so that there are never too many; whoever claims or settles
//! a delivery writes its row under its fence. So two at once conflict on every engine, and on every node of a cluster.

mod queue;
mod rows;
mod sweep;

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::{
    ExpressionMethods, QueryDsl,
    dsl::sql,
    result::{DatabaseErrorKind, Error},
    sql_types::BigInt,
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Fence, NewWebhook, Webhook, WebhookId, WebhookReport,
    ports::{
        ClaimedDelivery, DeliveryLease, DeliveryOutcome, DeliveryQueue, ImageStoreError,
        MOST_COUNTED, WebhookEndpoint, WebhookStore, cause,
    },
};
use std::num::NonZeroU32;

pub(super) use self::rows::{ACTIVE, WAITING, ids, kind_number, waiting};
use super::{BEGIN, Connection, NOW, Store};
use crate::{
    error::StoreError,
    schema::{delivery, webhook},
};

/// How many deliveries are made due again in a transaction.
const REPLAYED: i64 = 1000;

#[async_trait]
impl WebhookStore for Store {
    async fn add_webhook(
        &self,
        new: &NewWebhook,
        at_most: u32,
    ) -> Result<Option<Webhook>, ImageStoreError> {
        self.write(|mut connection| async move { add(&mut connection, new, at_most).await })
            .await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookReport>, ImageStoreError> {
        self.read(|mut connection| async move { list(&mut connection).await })
            .await
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move { remove(&mut connection, id).await })
            .await
    }

    async fn replay_webhook(&self, id: &WebhookId) -> Result<bool, ImageStoreError> {
        let is_known = self
            .write(|mut connection| async move { reactivate(&mut connection, id).await })
            .await?;
        while is_known
            && self
                .write(|mut connection| async move { replay_some(&mut connection, id).await })
                .await?
        {}
        Ok(is_known)
    }
}

#[async_trait]
impl DeliveryQueue for Store {
    async fn due_webhooks(&self) -> Result<Vec<WebhookEndpoint>, ImageStoreError> {
        self.read_here(|mut connection| async move { queue::due(&mut connection).await })
            .await
    }

    async fn claim_deliveries(
        &self,
        webhook: &WebhookId,
        lease: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<ClaimedDelivery>, ImageStoreError> {
        self.write(|mut connection| async move {
            queue::claim(&mut connection, webhook, lease, limit).await
        })
        .await
    }

    async fn settle_delivery(
        &self,
        lease: &DeliveryLease,
        outcome: &DeliveryOutcome,
    ) -> Result<bool, ImageStoreError> {
        self.write(
            |mut connection| async move { queue::settle(&mut connection, lease, outcome).await },
        )
        .await
    }

    async fn disable_overflowing(&self, most: u32) -> Result<Vec<WebhookId>, ImageStoreError> {
        self.write(|mut connection| async move { sweep::disable(&mut connection, most).await })
            .await
    }

    async fn remove_old_deliveries(
        &self,
        kept: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<u32, ImageStoreError> {
        self.write(
            |mut connection| async move { sweep::remove(&mut connection, kept, limit).await },
        )
        .await
    }
}

async fn add(
    connection: &mut Connection,
    new: &NewWebhook,
    at_most: u32,
) -> Result<Option<Webhook>, StoreError> {
    connection.batch_execute(BEGIN).await?;
    let taken: Vec<i32> = webhook::table
        .select(webhook::slot)
        .load(connection)
        .await?;
    let most = i32::try_from(at_most).unwrap_or(i32::MAX);
    let mut free = (0..most).filter(|slot| !taken.contains(slot));
    let slot = free.next().filter(|_| taken.len() < at_most as usize);
    let Some(slot) = slot else {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(None);
    };
    let inserted = diesel::insert_into(webhook::table)
        .values((
            webhook::id.eq(new.id.as_bytes().as_slice()),
            webhook::slot.eq(slot),
            webhook::url.eq(&new.url),
            webhook::events.eq(new.events.to_string()),
            webhook::secret.eq(new.secret.as_bytes().as_slice()),
            webhook::state.eq(ACTIVE),
            webhook::paused_until.eq(0),
            webhook::created_at.eq(sql::<BigInt>(NOW)),
        ))
        .execute(connection)
        .await;
    if let Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) = inserted {
        let reason = cause("another webhook is being added");
        return Err(ImageStoreError::Contended(reason).into());
    }
    inserted?;
    let added = rows::find(connection, &new.id).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(added)
}

async fn list(connection: &mut Connection) -> Result<Vec<WebhookReport>, StoreError> {
    let mut reports = Vec::new();
    for webhook in rows::list(connection).await? {
        reports.push(WebhookReport {
            waiting: waiting(connection, &webhook.id, MOST_COUNTED).await?,
            failures: rows::failures(connection, &webhook.id).await?,
            webhook,
        });
    }
    Ok(reports)
}

/// Its deliveries are removed later: there may be many, and others may be written while it is removed.
async fn remove(connection: &mut Connection, id: &WebhookId) -> Result<bool, StoreError> {
    let removed = diesel::delete(webhook::table.find(id.as_bytes().as_slice()))
        .execute(connection)
        .await?;
    Ok(removed > 0)
}

async fn reactivate(connection: &mut Connection, id: &WebhookId) -> Result<bool, StoreError> {
    diesel::update(webhook::table.find(id.as_bytes().as_slice()))
        .set((webhook::state.eq(ACTIVE), webhook::paused_until.eq(0)))
        .execute(connection)
        .await?;
    Ok(rows::find(connection, id).await?.is_some())
}

/// Makes some failed deliveries due again. `false` if there are no more.
async fn replay_some(connection: &mut Connection, id: &WebhookId) -> Result<bool, StoreError> {
    let failed: Vec<Vec<u8>> = delivery::table
        .filter(delivery::webhook_id.eq(id.as_bytes().as_slice()))
        .filter(delivery::state.eq(rows::FAILED))
        .order(delivery::due_at)
        .limit(REPLAYED)
        .select(delivery::id)
        .load(connection)
        .await?;
    connection.batch_execute(BEGIN).await?;
    for delivery in &failed {
        diesel::update(delivery::table.find(delivery))
            .filter(delivery::state.eq(rows::FAILED))
            .set((
                delivery::state.eq(WAITING),
                delivery::due_at.eq(sql::<BigInt>(NOW)),
                delivery::fence.eq(Fence::random().as_i64()),
                delivery::attempts.eq(0),
                delivery::error.eq(None::<String>),
            ))
            .execute(connection)
            .await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(!failed.is_empty())
}
