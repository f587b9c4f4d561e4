//! The body of a request, held until the answer is out.
//!
//! The HTTP library reads on behind an answer for a bounded time only while somebody holds the body;
//! if it was dropped, a chunked one is read to its end, which may never come.

use std::{
    cell::{Cell, RefCell},
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
pub(super) struct Unread(Rc<Body>);

struct Body {
    payload: RefCell<Payload>,
    is_read: Cell<bool>,
}

impl Unread {
    /// Holds the body of a request, if it has one; whoever handles the request reads it as before.
    pub(super) fn hold(request: &mut ServiceRequest) -> Option<Self> {
        match request.take_payload() {
            Payload::None => None,
            payload => {
                let held = Self(Rc::new(Body {
                    payload: RefCell::new(payload),
                    is_read: Cell::new(false),
                }));
                let payload = Box::pin(held.clone());
                request.set_payload(Payload::Stream { payload });
                Some(held)
            }
        }
    }

    /// Whether it was read to its end.
    pub(super) fn is_read(&self) -> bool {
        self.0.is_read.get()
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = Pin::new(&mut *self.0.payload.borrow_mut()).poll_next(cx);
        if let Poll::Ready(None) = piece {
            self.0.is_read.set(true);
        }
        piece
    }
}
