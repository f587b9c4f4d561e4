//! The body of a request, held until the answer is out.
//!
//! The HTTP library reads on behind an answer for a bounded time only while somebody holds the body;
//! if it was dropped, a chunked one is read to its end, which may never come.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
};
use bytes::Bytes;
use futures_util::Stream;

/// What is left of the body of a request.
#[derive(Clone)]
pub(super) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Holds the body of a request, if it has one; whoever handles the request reads it as before.
    pub(super) fn hold(request: &mut ServiceRequest) -> Option<Self> {
        match request.take_payload() {
            Payload::None => None,
            payload => {
                let held = Self(Rc::new(RefCell::new(payload)));
                let payload = Box::pin(held.clone());
                request.set_payload(Payload::Stream { payload });
                Some(held)
            }
        }
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}
