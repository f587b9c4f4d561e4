//! `GET /metrics`: the metrics of the server.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use domain::ports::cause;

use super::fallback;
use crate::{problem::Problem, queries, state::State};

/// Prometheus' text format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Read the metrics.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    responses((
        status = 200, body = String, content_type = "text/plain",
        description = "The metrics in Prometheus' text format. They are there also while the database is not; \
            where the setting `metrics.bind` is set, they are at that address alone.",
    )),
)]
pub(crate) async fn metrics(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    if state.settings.has_metrics_apart {
        return fallback::no_route(request).await;
    }
    queries::nothing(request.query_string())?;
    scrape(state).await
}

/// The same without a key, where the metrics have an address of their own.
pub(crate) async fn scrape(state: Data<State>) -> Result<HttpResponse, Problem> {
    let text = state.spawn((state.exposition)(state.usage())).await;
    let text = text.map_err(|panicked| Problem::internal(cause(panicked)))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, MEDIA_TYPE))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text))
}
