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
use crate::connection::UnderWay;

/// What the log says of a request. It is written when this is dropped.
pub(super) struct Record {
    span: Span,
    /// None of a request that could not be read.
    method: Option<Method>,
    route: Option<String>,
    status: Option<StatusCode>,
    began: Instant,
    bytes: u64,
    is_whole: bool,
    /// The request is under way until these are dropped, too.
    connection: Option<UnderWay>,
    _under_way: TaskTrackerToken,
}

impl Record {
    pub(super) fn begin(under_way: TaskTrackerToken, span: Span) -> Self {
        Self {
            span,
            method: None,
            route: None,
            status: None,
            began: Instant::now(),
            bytes: 0,
            is_whole: false,
            connection: None,
            _under_way: under_way,
        }
    }

    /// Notes what the request is, and by which connection it came.
    pub(super) fn of(mut self, request: &ServiceRequest, connection: Option<UnderWay>) -> Self {
        self.method = Some(request.method().clone());
        self.connection = connection;
        self
    }

    pub(super) fn answered(mut self, response: &ServiceResponse) -> Self {
        self.route = response.request().match_pattern();
        self.status = Some(response.status());
        if let Some(connection) = &self.connection {
            connection.answered();
        }
        self
    }

    /// Notes the answer to a request that could not be read, and how many bytes of it are out.
    pub(super) fn refused(&mut self, status: StatusCode, sent: Option<u64>) {
        self.status = Some(status);
        self.is_whole = sent.is_some();
        self.bytes = sent.unwrap_or(0);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
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

/// The body of an answer.
pub(crate) struct Answer {
    body: BoxBody,
    is_head: bool,
    record: Record,
    unread: Option<Unread>,
}

impl Answer {
    pub(super) fn new(body: BoxBody, mut record: Record, unread: Option<Unread>) -> Self {
        let is_head = record.method == Some(Method::HEAD);
        record.is_whole = is_head || matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Self {
            body,
            is_head,
            record,
            unread,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.record.connection {
            connection.read(self.unread.as_ref().is_none_or(Unread::is_read));
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
