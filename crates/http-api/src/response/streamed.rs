//! Streamed bodies, produced by a task.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use domain::ports::in_words;
use futures_util::{FutureExt, future::BoxFuture};
use thiserror::Error;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// How many chunks are buffered: enough to read while the network writes.
const PIECES_AHEAD: usize = 2;

/// Receives the chunks of a body.
pub(super) type Pieces = mpsc::Sender<Bytes>;

/// The body is incomplete. The connection is closed, so that the client notices.
#[derive(Debug, Error)]
#[error("the answer broke off")]
pub(super) struct BrokenOff;

/// A body whose chunks a task produces. The task starts when the first chunk is polled, and is aborted when
/// the body is dropped.
pub(super) struct Streamed {
    size: BodySize,
    pieces: mpsc::Receiver<Bytes>,
    runtime: Handle,
    producer: Producer,
}

enum Producer {
    Waiting(Option<BoxFuture<'static, Result<(), BrokenOff>>>),
    Working(AbortOnDropHandle<Result<(), BrokenOff>>),
}

impl Streamed {
    /// Wraps a producer. It returns `Ok` when the body is complete or the receiver is dropped.
    pub(super) fn new<P, F, E>(runtime: &Handle, size: BodySize, produce: P) -> Self
    where
        P: FnOnce(Pieces) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + 'static,
    {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let work = produce(sender).map(|outcome| {
            outcome.map_err(|error| {
                tracing::error!(cause = in_words(&error), "the answer broke off");
                BrokenOff
            })
        });
        Self {
            size,
            pieces,
            runtime: runtime.clone(),
            producer: Producer::Waiting(Some(work.in_current_span().boxed())),
        }
    }

    fn begin(&mut self) {
        if let Producer::Waiting(work) = &mut self.producer
            && let Some(work) = work.take()
        {
            let task = self.runtime.spawn(work);
            self.producer = Producer::Working(AbortOnDropHandle::new(task));
        }
    }
}

impl MessageBody for Streamed {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.begin();
        if let Some(piece) = ready!(self.pieces.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(piece)));
        }
        // The producer has finished. Only its result says whether the body is complete.
        let Producer::Working(task) = &mut self.producer else {
            return Poll::Ready(Some(Err(BrokenOff)));
        };
        Poll::Ready(match ready!(task.poll_unpin(cx)) {
            Ok(Ok(())) => None,
            Ok(Err(broken)) => Some(Err(broken)),
            Err(panicked) => {
                tracing::error!(cause = in_words(&panicked), "the answer broke off");
                Some(Err(BrokenOff))
            }
        })
    }
}
