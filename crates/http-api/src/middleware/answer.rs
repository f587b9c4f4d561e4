//! The body of an answer, with what ends when the answer does: the log, the count of requests.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use super::body::Unread;
use crate::{access_log::Record, connection::UnderWay};

/// The body of an answer.
pub(crate) struct Answer {
    body: BoxBody,
    is_head: bool,
    /// The request is under way until this is dropped, too.
    connection: Option<UnderWay>,
    record: Record,
    unread: Option<Unread>,
}

impl Answer {
    pub(super) fn new(
        body: BoxBody,
        connection: Option<UnderWay>,
        mut record: Record,
        unread: Option<Unread>,
    ) -> Self {
        let is_head = record.is_of_head();
        if is_head || matches!(body.size(), BodySize::None | BodySize::Sized(0)) {
            record.completed();
        }
        Self {
            body,
            is_head,
            connection,
            record,
            unread,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
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
            let span = self.record.span().clone();
            let _entered = span.enter();
            Pin::new(&mut self.body).poll_next(cx)
        };
        match &poll {
            Poll::Ready(Some(Ok(piece))) => self.record.sent(piece.len()),
            Poll::Ready(None) => self.record.completed(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        poll
    }
}
