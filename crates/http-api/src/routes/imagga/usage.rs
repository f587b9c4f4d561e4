//! `GET /v2/usage`.

use actix_web::{HttpResponse, web::Data};
use domain::ports::Quota;
use serde::Serialize;
use utoipa::ToSchema;

use super::{SUCCESS, StatusBody, answer, quota};
use crate::{problem::Problem, state::State};

/// The use of the tagger, as Imagga writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaUsage)]
struct UsageBody {
    result: ResultBody,
    status: StatusBody,
}

/// What is known of the tagger's quota; empty if it has none.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ImaggaUsageResult)]
struct ResultBody {
    /// The calls of a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1000)]
    monthly_limit: Option<u64>,
    /// The calls of this period so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 17)]
    monthly_processed: Option<u64>,
    /// When the period ends, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-12-31 00:00:00")]
    billing_period_end: Option<String>,
}

/// Show what is known of the tagger's quota, as Imagga does.
///
/// Calls are counted where the tagger counts them: a picture that is known costs none.
#[utoipa::path(
    get,
    path = "/v2/usage",
    operation_id = "imagga_usage",
    tag = "compatible",
    responses((status = 200, body = UsageBody, description = "The quota.")),
)]
pub(crate) async fn imagga_usage(state: Data<State>) -> Result<HttpResponse, Problem> {
    let body = UsageBody {
        result: quota(&state).map(ResultBody::from).unwrap_or_default(),
        status: SUCCESS,
    };
    answer(&body, &state)
}

impl From<Quota> for ResultBody {
    fn from(quota: Quota) -> Self {
        let end = quota.resets_at;
        Self {
            monthly_limit: Some(quota.limit),
            monthly_processed: Some(quota.limit.saturating_sub(quota.remaining)),
            billing_period_end: end.map(|end| end.format("%Y-%m-%d %H:%M:%S").to_string()),
        }
    }
}
