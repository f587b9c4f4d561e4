//! The rows of webhooks and deliveries.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
};
use diesel_async::RunQueryDsl;
use domain::{
    DeliveryFailure, DeliveryId, DisabledReason, EventKind, EventKinds, SHOWN_FAILURES, Webhook,
    WebhookEvent, WebhookId, WebhookState,
};
use thiserror::Error;

use super::super::{Connection, counted::counted, statement::Statement};
use crate::{
    error::StoreError,
    schema::{delivery, webhook},
    values::{IdBytes, time},
};

/// States of webhooks.
pub(in super::super) const ACTIVE: i32 = 0;
pub(super) const GONE: i32 = 1;
pub(super) const OVERFLOWN: i32 = 2;

/// States of deliveries.
pub(in super::super) const WAITING: i32 = 0;
pub(super) const FAILED: i32 = 1;

/// The events that this version knows. Servers of later versions may write others, and deliver them.
pub(super) const KINDS: [i32; 5] = [0, 1, 2, 3, 4];

#[derive(Debug, Error)]
enum Unreadable {
    #[error("{0} is no state of a webhook")]
    State(i32),
    #[error("{0:?} are no events")]
    Events(String),
    #[error("{0} is no event")]
    Event(i32),
}

pub(in super::super) fn kind_number(kind: EventKind) -> i32 {
    match kind {
        EventKind::ImageCreated => 0,
        EventKind::ImageTagged => 1,
        EventKind::ImageUpdated => 2,
        EventKind::ImageDeleted => 3,
        EventKind::JobFinished => 4,
    }
}

pub(super) fn event(number: i32, subject: IdBytes) -> Result<WebhookEvent, StoreError> {
    let mut kinds = EventKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind_number(*kind) == number);
    let kind = kind.ok_or_else(|| StoreError::corrupt(Unreadable::Event(number)))?;
    Ok(WebhookEvent::from_parts(kind, subject.get()?))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook)]
struct WebhookRow {
    id: Vec<u8>,
    url: String,
    events: String,
    state: i32,
    created_at: i64,
}

impl WebhookRow {
    fn read(self) -> Result<Webhook, StoreError> {
        let known = self.events.split(',').filter_map(|name| name.parse().ok());
        let events = EventKinds::new(known);
        Ok(Webhook {
            id: WebhookId::from_bytes(IdBytes::from(self.id.as_slice()).get()?),
            events: events.ok_or_else(|| StoreError::corrupt(Unreadable::Events(self.events)))?,
            url: self.url,
            state: match self.state {
                ACTIVE => WebhookState::Active,
                GONE => WebhookState::Disabled(DisabledReason::Gone),
                OVERFLOWN => WebhookState::Disabled(DisabledReason::TooManyWaiting),
                other => return Err(StoreError::corrupt(Unreadable::State(other))),
            },
            created_at: time(self.created_at)?,
        })
    }
}

pub(super) async fn find(
    connection: &mut Connection,
    id: &WebhookId,
) -> Result<Option<Webhook>, StoreError> {
    let row = webhook::table
        .find(id.as_bytes().as_slice())
        .select(WebhookRow::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(WebhookRow::read).transpose()
}

pub(super) async fn list(connection: &mut Connection) -> Result<Vec<Webhook>, StoreError> {
    let rows = webhook::table
        .order((webhook::created_at, webhook::id))
        .select(WebhookRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(WebhookRow::read).collect()
}

/// The ids of all webhooks.
pub(in super::super) async fn ids(
    connection: &mut Connection,
) -> Result<Vec<WebhookId>, StoreError> {
    let rows: Vec<IdBytes> = webhook::table.select(webhook::id).load(connection).await?;
    let ids = rows.into_iter();
    ids.map(|id| id.get().map(WebhookId::from_bytes)).collect()
}

/// The webhooks that are told of events.
pub(in super::super) async fn active(
    connection: &mut Connection,
) -> Result<Vec<WebhookId>, StoreError> {
    let rows: Vec<IdBytes> = webhook::table
        .filter(webhook::state.eq(ACTIVE))
        .select(webhook::id)
        .load(connection)
        .await?;
    let ids = rows.into_iter();
    ids.map(|id| id.get().map(WebhookId::from_bytes)).collect()
}

/// How many deliveries wait for a webhook, counted up to `most`.
pub(in super::super) async fn waiting(
    connection: &mut Connection,
    webhook: &WebhookId,
    most: u32,
) -> Result<u32, StoreError> {
    let rows = Statement::new("SELECT 1 AS n FROM etiqueta_delivery WHERE webhook_id = ")
        .bytes(webhook.as_bytes())
        .sql(" AND state = ")
        .int(WAITING);
    counted(connection, rows, most).await
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = delivery)]
struct FailureRow {
    id: Vec<u8>,
    state: i32,
    due_at: i64,
    event: i32,
    subject: Vec<u8>,
    attempts: i32,
    tried_at: i64,
    error: Option<String>,
}

impl FailureRow {
    fn read(self) -> Result<DeliveryFailure, StoreError> {
        let is_waiting = self.state == WAITING;
        let next_at = is_waiting.then(|| time(self.due_at));
        Ok(DeliveryFailure {
            id: DeliveryId::from_bytes(IdBytes::from(self.id.as_slice()).get()?),
            event: event(self.event, self.subject.as_slice().into())?,
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
            tried_at: time(self.tried_at)?,
            next_at: next_at.transpose()?,
            error: self.error.unwrap_or_default(),
        })
    }
}

/// Failures of a webhook: those for good, then those that are retried.
pub(super) async fn failures(
    connection: &mut Connection,
    webhook: &WebhookId,
) -> Result<Vec<DeliveryFailure>, StoreError> {
    let mut found = Vec::new();
    for state in [FAILED, WAITING] {
        let left = i64::from(SHOWN_FAILURES) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        let rows: Vec<FailureRow> = delivery::table
            .filter(delivery::webhook_id.eq(webhook.as_bytes().as_slice()))
            .filter(delivery::state.eq(state))
            .filter(delivery::event.eq_any(KINDS))
            // Of those that wait and never failed only the few that are being tried are due later.
            .filter(delivery::error.is_not_null())
            .order(delivery::due_at.desc())
            .limit(left)
            .select(FailureRow::as_select())
            .load(connection)
            .await?;
        for row in rows {
            found.push(row.read()?);
        }
    }
    Ok(found)
}
