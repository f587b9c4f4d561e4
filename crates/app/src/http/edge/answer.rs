//! The body of an answer, with what ends when the answer does: the log, the count of requests.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
};
use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use super::body::Unread;

/// What the log says of a request. It is written when this is dropped.
pub(super) struct Record {
    span: Span,
    method: Method,
    route: Option<String>,
    status: Option<StatusCode>,
    began: Instant,
    bytes: u64,
    is_whole: bool,
    /// The request is under way until this is dropped, too.
    _under_way: TaskTrackerToken,
}

impl Record {
    pub(super) fn begin(request: &ServiceRequest, under_way: TaskTrackerToken, span: Span) -> Self {
        Self {
            span,
            method: request.method().clone(),
            route: None,
            status: None,
            began: Instant::now(),
            bytes: 0,
            is_whole: false,
            _under_way: under_way,
        }
    }

    pub(super) fn answered(mut self, response: &ServiceResponse) -> Self {
        self.route = response.request().match_pattern();
        self.status = Some(response.status());
        self
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        self.span.in_scope(|| {
            tracing::info!(
                method = self.method.as_str(),
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

/// The body of an answer.
pub(in crate::http) struct Answer {
    body: BoxBody,
    is_head: bool,
    record: Record,
    _unread: Option<Unread>,
}

impl Answer {
    pub(super) fn new(body: BoxBody, mut record: Record, unread: Option<Unread>) -> Self {
        let is_head = record.method == Method::HEAD;
        record.is_whole = is_head || matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Self {
            body,
            is_head,
            record,
            _unread: unread,
        }
    }
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.is_head {
            return Poll::Ready(None);
        }
        let poll = {
            let span = self.record.span.clone();
            let _entered = span.enter();
            Pin::new(&mut self.body).poll_next(cx)
        };
        match &poll {
            Poll::Ready(Some(Ok(piece))) => self.record.bytes += piece.len() as u64,
            Poll::Ready(None) => self.record.is_whole = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        poll
    }
}
