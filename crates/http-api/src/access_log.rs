//! What is recorded of each request: one line of the access log, and its metrics.

use std::time::Instant;

use actix_web::{
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use crate::{measure::RequestMetrics, state::State};

/// The record of a request, written on drop.
pub(crate) struct Record {
    span: Span,
    /// `None` for a request that could not be parsed.
    method: Option<Method>,
    route: Option<String>,
    status: Option<StatusCode>,
    began: Instant,
    bytes: u64,
    is_whole: bool,
    metrics: RequestMetrics,
    /// Keeps the request tracked until this is dropped.
    _under_way: TaskTrackerToken,
}

impl Record {
    pub(crate) fn begin(state: &State, span: Span) -> Self {
        state.requests.begun();
        Self {
            span,
            method: None,
            route: None,
            status: None,
            began: Instant::now(),
            bytes: 0,
            is_whole: false,
            metrics: state.requests.clone(),
            _under_way: state.under_way.token(),
        }
    }

    /// Records the request line.
    pub(crate) fn requested(mut self, request: &ServiceRequest) -> Self {
        self.method = Some(request.method().clone());
        self
    }

    pub(crate) fn answered(mut self, response: &ServiceResponse) -> Self {
        self.route = response.request().match_pattern();
        self.status = Some(response.status());
        self
    }

    /// Records the answer to a request that could not be parsed, and how many bytes of it were sent.
    pub(crate) fn refused(&mut self, status: StatusCode, sent: Option<u64>) {
        self.status = Some(status);
        self.is_whole = sent.is_some();
        self.bytes = sent.unwrap_or(0);
    }
}

impl Record {
    /// Whether the request is a HEAD, whose answer has no body.
    pub(crate) fn is_of_head(&self) -> bool {
        self.method == Some(Method::HEAD)
    }

    /// The span in which the request is handled.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Records that so many bytes of the body were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Records that the body was sent to its end.
    pub(crate) fn completed(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        let route = self.route.as_deref();
        self.metrics
            .ended(self.method.as_ref(), route, self.status, duration);
        self.span.in_scope(|| {
            tracing::info!(
                method = self.method.as_ref().map_or("-", Method::as_str),
                route = self.route.as_deref().unwrap_or("-"),
                status = self.status.map_or(0, |status| status.as_u16()),
                duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                bytes = self.bytes,
                is_whole = self.is_whole,
                "answered"
            );
        });
    }
}
