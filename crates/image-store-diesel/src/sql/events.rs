//! Events, written in the transaction of what they tell of: a delivery for each webhook that asked for them.
//!
//! Which webhooks there are is read in the transaction, without a lock: whoever records an image neither waits for
//! those who change webhooks or deliver, nor conflicts with them on any node.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{DeliveryId, EventKind, Fence, WebhookEvent};

use super::{
    Connection, NOW,
    statement::Statement,
    webhooks::{ACTIVE, WAITING, kind_number},
};
use crate::{error::StoreError, schema::webhook, values::IdBytes};

/// How many deliveries are written by one statement.
const WRITTEN: usize = 100;

/// A delivery to be written: the webhook and the event.
type New = ([u8; 16], WebhookEvent);

/// Writes events for the active webhooks that asked for them. Without a webhook this is one read of an empty table.
pub(super) async fn write(
    connection: &mut Connection,
    events: &[WebhookEvent],
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let active: Vec<(IdBytes, String)> = webhook::table
        .filter(webhook::state.eq(ACTIVE))
        .select((webhook::id, webhook::events))
        .load(connection)
        .await?;
    let mut deliveries: Vec<New> = Vec::new();
    for (id, wanted) in active {
        let id = id.get()?;
        let told = events
            .iter()
            .filter(|event| is_wanted(&wanted, event.kind()));
        deliveries.extend(told.map(|event| (id, *event)));
    }
    for deliveries in deliveries.chunks(WRITTEN) {
        insertion(deliveries).execute(connection).await?;
    }
    Ok(())
}

/// Whether a kind is among those of a webhook, which may have others that only later versions know.
fn is_wanted(wanted: &str, kind: EventKind) -> bool {
    wanted.split(',').any(|name| name == kind.as_str())
}

fn insertion(deliveries: &[New]) -> Statement {
    let mut statement = Statement::new(
        "INSERT INTO etiqueta_delivery \
         (id, webhook_id, fence, event, subject, state, due_at, happened_at, attempts, tried_at) VALUES ",
    );
    for (n, (webhook, event)) in deliveries.iter().enumerate() {
        let separator = if n == 0 { "(" } else { ", (" };
        statement = statement
            .sql(separator)
            .bytes(DeliveryId::random().as_bytes())
            .sql(", ")
            .bytes(webhook)
            .sql(", ")
            .long(Fence::random().as_i64())
            .sql(", ")
            .int(kind_number(event.kind()))
            .sql(", ")
            .bytes(event.subject())
            .sql(&format!(", {WAITING}, {NOW}, {NOW}, 0, 0)"));
    }
    statement
}
