//! Bounds of what waits, and the removal of what is over.
//!
//! Rows are deleted one by one, by their keys: of a list MariaDB may make a scan, which waits for deliveries that are
//! being written.

use std::{collections::HashMap, num::NonZeroU32};

use chrono::TimeDelta;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, dsl::sql,
    sql_types::BigInt,
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::WebhookId;

use super::{
    super::{BEGIN, Connection, NOW},
    rows::{self, ACTIVE, FAILED, GONE, OVERFLOWN, WAITING},
};
use crate::{
    error::StoreError,
    schema::{delivery, webhook},
};

/// Disables active webhooks for which too much waits.
pub(super) async fn disable(
    connection: &mut Connection,
    most: u32,
) -> Result<Vec<WebhookId>, StoreError> {
    let mut disabled = Vec::new();
    for id in rows::active(connection).await? {
        if rows::waiting(connection, &id, most.saturating_add(1)).await? <= most {
            continue;
        }
        let written = diesel::update(webhook::table.find(id.as_bytes().as_slice()))
            .filter(webhook::state.eq(ACTIVE))
            .set(webhook::state.eq(OVERFLOWN))
            .execute(connection)
            .await?;
        if written > 0 {
            disabled.push(id);
        }
    }
    Ok(disabled)
}

/// Removes deliveries that are over.
pub(super) async fn remove(
    connection: &mut Connection,
    kept: TimeDelta,
    limit: NonZeroU32,
) -> Result<u32, StoreError> {
    let known: Vec<(Vec<u8>, i32)> = webhook::table
        .select((webhook::id, webhook::state))
        .load(connection)
        .await?;
    let known: HashMap<Vec<u8>, i32> = known.into_iter().collect();
    let limit = limit.get() as usize;
    let mut removed = 0;
    let mut last = Vec::new();
    while removed < limit {
        // From one webhook to the next along the index, without a look at what lies between.
        let Some(id) = next(connection, &last).await? else {
            break;
        };
        let left = limit - removed;
        removed += match known.get(&id) {
            // It may have been registered since they were read.
            None if is_there(connection, &id).await? => 0,
            None => remove_all(connection, &id, left).await?,
            Some(state) => remove_dead(connection, &id, *state, kept, left).await?,
        };
        last = id;
    }
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}

/// The first webhook after an id that has deliveries, whether it is still there or not.
async fn next(connection: &mut Connection, after: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let ids: Vec<Vec<u8>> = delivery::table
        .filter(delivery::webhook_id.gt(after))
        .order(delivery::webhook_id)
        .limit(1)
        .select(delivery::webhook_id)
        .load(connection)
        .await?;
    Ok(ids.into_iter().next())
}

async fn is_there(connection: &mut Connection, webhook: &[u8]) -> Result<bool, StoreError> {
    let found: Option<Vec<u8>> = webhook::table
        .find(webhook)
        .select(webhook::id)
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Removes deliveries of a webhook that is not there.
async fn remove_all(
    connection: &mut Connection,
    webhook: &[u8],
    limit: usize,
) -> Result<usize, StoreError> {
    let found: Vec<Vec<u8>> = delivery::table
        .filter(delivery::webhook_id.eq(webhook))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(delivery::id)
        .load(connection)
        .await?;
    connection.batch_execute(BEGIN).await?;
    let mut removed = 0;
    for id in &found {
        removed += diesel::delete(delivery::table.find(id))
            .execute(connection)
            .await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(removed)
}

/// Removes deliveries that failed for good, and those that wait for a webhook that is gone, once they are old.
async fn remove_dead(
    connection: &mut Connection,
    webhook: &[u8],
    state: i32,
    kept: TimeDelta,
    limit: usize,
) -> Result<usize, StoreError> {
    let micros = kept.num_microseconds().unwrap_or(i64::MAX / 2);
    let is_old = || delivery::due_at.le(sql::<BigInt>(&format!("{NOW} - {micros}")));
    let states: &[i32] = if state == GONE {
        &[FAILED, WAITING]
    } else {
        &[FAILED]
    };
    let mut removed = 0;
    for state in states {
        let found: Vec<Vec<u8>> = delivery::table
            .filter(delivery::webhook_id.eq(webhook))
            .filter(delivery::state.eq(state).and(is_old()))
            .order(delivery::due_at)
            .limit(i64::try_from(limit - removed).unwrap_or(i64::MAX))
            .select(delivery::id)
            .load(connection)
            .await?;
        connection.batch_execute(BEGIN).await?;
        for id in &found {
            // One that was made due again in the meantime stays.
            removed += diesel::delete(delivery::table.find(id))
                .filter(delivery::state.eq(state).and(is_old()))
                .execute(connection)
                .await?;
        }
        connection.batch_execute("COMMIT").await?;
    }
    Ok(removed)
}
