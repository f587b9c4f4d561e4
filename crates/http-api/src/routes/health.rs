//! `GET /livez` and `GET /readyz`: whether the server runs, and whether it can do its work.

use std::{error::Error, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
    web::Data,
};
use chrono::SecondsFormat;
use domain::ports::{Quota, TagProvider, in_words};
use futures_util::future::try_join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{KeyPolicy, Readiness, problem::Problem, response, state::State};

/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// It works.
    Ready,
    /// It does not; the server's log says why.
    NotReady,
}

/// The server runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Live {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
}

/// What works and what does not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Report {
    /// Whether everything works.
    status: Status,
    /// What was looked at. Left out where every request takes a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<Checks>,
}

/// What the server depends on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checks {
    /// Where images and tags are recorded.
    database: Check,
    /// Where the bytes are kept.
    originals: Check,
    /// What tags images.
    tag_provider: ProviderCheck,
}

/// Whether one of them works.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    status: Status,
}

/// Whether the tag provider works.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderCheck {
    status: Status,
    /// The name of the provider; of several all, as `local, openai`.
    #[schema(example = "imagga")]
    name: String,
    /// The account's quota, where there is one and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaBody>,
}

/// How many calls the account has left.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuotaBody {
    /// Calls in a period.
    #[schema(example = 1000)]
    limit: u64,
    /// Calls left in this one.
    #[schema(example = 983)]
    remaining: u64,
    /// When the next period begins (RFC 3339, UTC), where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2024-02-01T00:00:00Z")]
    resets_at: Option<String>,
}

/// Whether the server runs.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "operations",
    responses((status = 200, body = Live, description = "It does.")),
)]
pub(crate) async fn livez() -> Result<HttpResponse, Problem> {
    response::json(&Live { status: "alive" })
}

/// Whether everything that the server depends on works.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "operations",
    responses(
        (status = 200, body = Report, description = "Everything works."),
        (
            status = 503, body = Report,
            description = "Something does not, or the server is shutting down.",
        ),
    )
)]
pub(crate) async fn readyz(state: Data<State>) -> Result<HttpResponse, Problem> {
    let Readiness {
        images,
        originals,
        providers,
    } = state.readiness.clone();
    let taggers = providers.clone();
    let (database, originals, tagger) = tokio::join!(
        check(&state, "database", async move { images.ready().await }),
        check(&state, "originals", async move { originals.ready().await }),
        check(&state, "tag provider", async move {
            try_join_all(taggers.iter().map(|tagger| tagger.ready())).await
        }),
    );
    let is_ready = [database, originals, tagger]
        .iter()
        .all(|status| *status == Status::Ready);
    let report = Report {
        status: if is_ready {
            Status::Ready
        } else {
            Status::NotReady
        },
        checks: (state.settings.keys != KeyPolicy::Everything).then(|| Checks {
            database: Check { status: database },
            originals: Check { status: originals },
            tag_provider: ProviderCheck {
                status: tagger,
                name: names(&providers),
                quota: providers
                    .iter()
                    .find_map(|provider| provider.quota())
                    .map(QuotaBody::from),
            },
        }),
    };
    if is_ready {
        return response::json(&report);
    }
    Ok(HttpResponse::ServiceUnavailable()
        .content_type(ContentType::json())
        .insert_header((header::RETRY_AFTER, LOOK_AGAIN.as_secs()))
        .body(response::to_json(&report)?))
}

fn names(providers: &[Arc<dyn TagProvider>]) -> String {
    let names = providers.iter().map(|provider| provider.identity().name());
    names.collect::<Vec<_>>().join(", ")
}

/// Runs one check, for a short time at most. Why it fails is for the log.
async fn check<T: Send + 'static, E: Error + Send + 'static>(
    state: &State,
    name: &'static str,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Status {
    let task = state.spawn(work);
    let cause = match tokio::time::timeout(state.settings.check_timeout, task).await {
        Ok(Ok(Ok(_))) => return Status::Ready,
        Ok(Ok(Err(error))) => in_words(&error),
        Ok(Err(panicked)) => in_words(&panicked),
        Err(late) => in_words(&late),
    };
    tracing::warn!(name, cause, "a dependency is not ready");
    Status::NotReady
}

impl From<Quota> for QuotaBody {
    fn from(quota: Quota) -> Self {
        let text =
            |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self {
            limit: quota.limit,
            remaining: quota.remaining,
            resets_at: quota.resets_at.map(text),
        }
    }
}
