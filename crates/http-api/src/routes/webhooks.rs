//! `/webhooks`: who is told of events.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::{Data, Payload},
};
use chrono_tz::Tz;
use domain::{
    DeliveryFailure, EventKind, EventKinds, Webhook, WebhookId, WebhookReport, WebhookState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::path;
use crate::{
    json_body::{self, JsonBody, Member},
    problem::{Code, Problem},
    queries,
    response::{self, date},
    state::State,
};

/// The words for [`EventBody`].
const EVENTS: &[&str] = &[
    "image.created",
    "image.tagged",
    "image.updated",
    "image.deleted",
    "job.finished",
];

/// What happened: the `type` of a message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub(crate) enum EventBody {
    /// An image was registered.
    #[serde(rename = "image.created")]
    ImageCreated,
    /// A provider's tags of an image were recorded: with the image, or when it was tagged again.
    #[serde(rename = "image.tagged")]
    ImageTagged,
    /// The tags of an image were changed by a person, a file or the vocabulary.
    #[serde(rename = "image.updated")]
    ImageUpdated,
    /// An image was deleted.
    #[serde(rename = "image.deleted")]
    ImageDeleted,
    /// A job was done, failed or was cancelled.
    #[serde(rename = "job.finished")]
    JobFinished,
}

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewWebhookBody {
    /// Where events are posted: an http or https URL of at most 2048 bytes, without a user name or password.
    #[schema(
        min_length = 1,
        max_length = 2048,
        example = "https://example.com/hooks/etiqueta"
    )]
    url: String,
    /// The events that it is told of.
    #[schema(min_items = 1, example = json!(["image.tagged", "image.deleted"]))]
    events: Vec<EventBody>,
}

/// A registered webhook, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedWebhook)]
pub(crate) struct CreatedWebhookBody<'a> {
    /// Its id.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// Where events are posted.
    #[schema(example = "https://example.com/hooks/etiqueta")]
    url: &'a str,
    /// The events that it is told of.
    events: Vec<EventBody>,
    /// What its messages are signed with: `whsec_` and 32 bytes in base64. No other response contains it.
    #[schema(example = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    secret: String,
}

/// A webhook, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookBody<'a> {
    /// Its id.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// Where events are posted.
    #[schema(example = "https://example.com/hooks/etiqueta")]
    url: &'a str,
    /// The events that it is told of.
    events: Vec<EventBody>,
    /// `active`, or `disabled`: then no further events are written for it.
    #[schema(example = "active")]
    state: &'static str,
    /// Why it is disabled: `gone`, its endpoint answered 410; `too-many-waiting`; null while it is active.
    #[schema(example = "gone")]
    reason: Option<&'static str>,
    /// When it was registered.
    #[schema(example = "2024-01-11 10:04:35")]
    created: String,
    /// How many deliveries wait, counted up to 10,000.
    #[schema(example = 1)]
    waiting: u32,
    /// Deliveries whose last attempt failed, at most 20: first those that failed for good, latest first.
    failures: Vec<FailureBody<'a>>,
}

/// A delivery whose last attempt failed.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryFailure)]
pub(crate) struct FailureBody<'a> {
    /// The header `webhook-id` of its message.
    #[schema(example = "msg_9d3f4c1e-5b0a-4f0e-8c59-2f4b3a1d7e66")]
    id: String,
    /// The event.
    #[serde(rename = "type")]
    event: EventBody,
    /// What the event is about.
    data: SubjectBody,
    /// How many attempts there were.
    #[schema(example = 2)]
    attempts: u32,
    /// When the last one began.
    #[schema(example = "2024-01-11 10:04:40")]
    tried: String,
    /// When the next one is due; null if it failed for good.
    #[schema(example = "2024-01-11 10:09:40")]
    next: Option<String>,
    /// What went wrong.
    #[schema(example = "the endpoint answered 500")]
    error: &'a str,
}

/// What an event is about.
#[derive(Serialize, ToSchema)]
#[schema(as = EventSubject)]
pub(crate) struct SubjectBody {
    /// The id of the image or the job.
    #[schema(format = Uuid, example = "018ce6a7-5d2b-7c4f-9c46-1d9b7b1f7f55")]
    id: String,
}

impl JsonBody for NewWebhookBody {
    const EXPECTED: &str = "an object with `url` and `events`";
    const MEMBERS: &'static [Member] = &[Member::Text("url"), Member::Words("events", EVENTS)];
    const IS_SECRET: bool = false;
}

/// Register a webhook.
///
/// From then on each event is posted to the URL as a message of Standard Webhooks 1.0: JSON such as
/// `{"type": "image.tagged", "timestamp": "2026-11-29T12:36:41.123456Z", "data": {"id": "…"}}`, with the headers `webhook-id` (the
/// same at every attempt), `webhook-timestamp` and `webhook-signature`. It is delivered at least once; only a status of 2xx is
/// success. Only this response contains the secret.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "register_webhook",
    tag = "webhooks",
    request_body(content = NewWebhookBody, content_type = "application/json", description = "The webhook."),
    responses((status = 201, body = CreatedWebhookBody, description = "The webhook is registered.")),
)]
pub(crate) async fn post_webhook(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let body: NewWebhookBody = json_body::read(&request, body, &state.settings).await?;
    let events = EventKinds::new(body.events.iter().map(|event| EventKind::from(*event)));
    let empty = || Problem::new(Code::InvalidBody, "`events` is empty");
    let (webhooks, events) = (state.webhooks.clone(), events.ok_or_else(empty)?);
    let (webhook, secret) = state
        .read(async move { webhooks.register(body.url, events).await })
        .await?;
    let created = CreatedWebhookBody {
        id: webhook.id.to_string(),
        url: &webhook.url,
        events: events_of(&webhook),
        secret: secret.expose(),
    };
    Ok(HttpResponse::Created()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(response::to_json(&created)?))
}

/// List the webhooks, oldest first, without their secrets.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    responses((status = 200, body = Vec<WebhookBody>, description = "The webhooks, disabled ones included.")),
)]
pub(crate) async fn list_webhooks(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let (webhooks, zone) = (state.webhooks.clone(), state.settings.timezone);
    let reports = state.read(async move { webhooks.list().await }).await?;
    let listed: Vec<_> = reports.iter().map(|report| listed(report, zone)).collect();
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(response::to_json(&listed)?))
}

/// Remove a webhook, and what waits for it.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "remove_webhook",
    tag = "webhooks",
    params((
        "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
        description = "The id of the webhook: a UUID of 36 characters."
    )),
    responses((status = 204, description = "The webhook is removed.")),
)]
pub(crate) async fn delete_webhook(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let id: WebhookId = path::id(&request)?;
    let webhooks = state.webhooks.clone();
    let is_known = state
        .read(async move { webhooks.remove(&id).await })
        .await?;
    known(is_known, id)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deliver again what failed for good.
///
/// These deliveries are due again, with all their attempts, and a disabled webhook is active again.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    operation_id = "replay_webhook",
    tag = "webhooks",
    params((
        "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
        description = "The id of the webhook: a UUID of 36 characters."
    )),
    responses((status = 202, description = "The deliveries are due again.")),
)]
pub(crate) async fn replay_webhook(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let id: WebhookId = path::id(&request)?;
    let webhooks = state.webhooks.clone();
    let is_known = state
        .read(async move { webhooks.replay(&id).await })
        .await?;
    known(is_known, id)?;
    Ok(HttpResponse::Accepted().finish())
}

fn known(is_known: bool, id: WebhookId) -> Result<(), Problem> {
    let unknown = || Problem::new(Code::WebhookNotFound, format!("there is no webhook {id}"));
    is_known.then_some(()).ok_or_else(unknown)
}

fn listed(report: &WebhookReport, zone: Tz) -> WebhookBody<'_> {
    let webhook = &report.webhook;
    let (state, reason) = match webhook.state {
        WebhookState::Active => ("active", None),
        WebhookState::Disabled(reason) => ("disabled", Some(reason.as_str())),
    };
    let failures = report.failures.iter();
    WebhookBody {
        id: webhook.id.to_string(),
        url: &webhook.url,
        events: events_of(webhook),
        state,
        reason,
        created: date(webhook.created_at, zone),
        waiting: report.waiting,
        failures: failures.map(|failure| failed(failure, zone)).collect(),
    }
}

fn failed(failure: &DeliveryFailure, zone: Tz) -> FailureBody<'_> {
    FailureBody {
        id: failure.id.message_id(),
        event: failure.event.kind().into(),
        data: SubjectBody {
            id: failure.event.subject_id(),
        },
        attempts: failure.attempts,
        tried: date(failure.tried_at, zone),
        next: failure.next_at.map(|at| date(at, zone)),
        error: &failure.error,
    }
}

fn events_of(webhook: &Webhook) -> Vec<EventBody> {
    webhook.events.iter().map(EventBody::from).collect()
}

impl From<EventBody> for EventKind {
    fn from(body: EventBody) -> Self {
        match body {
            EventBody::ImageCreated => Self::ImageCreated,
            EventBody::ImageTagged => Self::ImageTagged,
            EventBody::ImageUpdated => Self::ImageUpdated,
            EventBody::ImageDeleted => Self::ImageDeleted,
            EventBody::JobFinished => Self::JobFinished,
        }
    }
}

impl From<EventKind> for EventBody {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::ImageCreated => Self::ImageCreated,
            EventKind::ImageTagged => Self::ImageTagged,
            EventKind::ImageUpdated => Self::ImageUpdated,
            EventKind::ImageDeleted => Self::ImageDeleted,
            EventKind::JobFinished => Self::JobFinished,
        }
    }
}
