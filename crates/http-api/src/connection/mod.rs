//! Connections, wrapped around the HTTP library's own handling.
//!
//! Input that is not HTTP never becomes a request: the library answers it with an empty body, and closes
//! the connection, without a hook. So its output passes through our [`Stream`], which holds back what looks
//! like such a bare response until the library has said whether it was one; if so, a problem document
//! replaces it. The bytes alone decide nothing: regular responses may contain any.
//!
//! It also frames answers by the head that it parsed last, so that the input passes through the stream one request at
//! a time; see [`turns`].
//!
//! The library also has a deadline only for the first head on a connection; the deadline of all heads is
//! kept here.

mod bare;
mod chunks;
mod input;
mod refusal;
mod stream;
mod turns;
mod unparsed;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::error::DispatchError;
use actix_web::{dev::Extensions, rt::net::TcpStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use self::{input::Input, stream::Socket, turns::Turns, unparsed::refuse};
pub(super) use self::{input::UnderWay, stream::Stream, turns::Framing};
use super::{
    HttpSettings, disconnect,
    problem::{Code, Problem},
    request_id::RequestId,
    state::State,
};

/// How long the rest of a body is discarded after an early answer. A client that still writes when the
/// connection is closed gets a reset instead of the answer.
pub(super) const LINGER: Duration = Duration::from_secs(15);

/// How long the rest of a refused body may take to arrive before the connection is closed. Longer than the
/// library lingers, which otherwise closes such connections.
const DISCARDING: Duration = Duration::from_secs(2 * LINGER.as_secs());

/// A connection, shared by the library's side and ours.
pub(super) struct Connection {
    socket: RefCell<Socket>,
    input: RefCell<Input>,
    turns: RefCell<Turns>,
}

/// How the library finished with a connection.
enum Ending {
    /// By itself.
    Served(Result<(), DispatchError>),
    /// At the deadline of a head or of a discarded body.
    Late,
}

impl Connection {
    pub(super) fn new(socket: TcpStream) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(Socket::new(socket)),
            input: RefCell::default(),
            turns: RefCell::default(),
        })
    }

    /// The library's side of the connection.
    pub(super) fn stream(self: &Rc<Self>) -> Stream {
        Stream::new(Rc::clone(self))
    }

    /// Attaches per-connection data that requests need.
    pub(super) fn introduce(
        self: &Rc<Self>,
        keep: impl Fn(&dyn std::any::Any, &mut Extensions),
        data: &mut Extensions,
    ) {
        keep(self.socket.borrow().tcp(), data);
        data.insert(Rc::clone(self));
    }

    /// Registers a request, which is in progress until the returned value is dropped.
    pub(super) fn begin(self: &Rc<Self>, id: &RequestId, framing: Framing) -> UnderWay {
        self.input.borrow_mut().begin(id);
        self.turns.borrow_mut().begin(framing);
        UnderWay::new(Rc::clone(self))
    }

    /// Runs the library on the connection, then closes it.
    pub(super) async fn serve(
        self: Rc<Self>,
        state: Arc<State>,
        serving: impl Future<Output = Result<(), DispatchError>>,
    ) {
        let ending = self.served(&state.settings, serving).await;
        let problem = self.problem(&state, &ending);
        if problem.is_none() && self.is_over(&ending) {
            return;
        }
        // A client past its deadline does not deserve the connection slot any longer.
        let lingers = !matches!(ending, Ending::Late);
        // The client may be gone.
        let _ = timeout(LINGER, self.close(&state, problem, lingers)).await;
    }

    /// Waits until the library has finished.
    async fn served(
        &self,
        settings: &HttpSettings,
        serving: impl Future<Output = Result<(), DispatchError>>,
    ) -> Ending {
        let mut serving = pin!(serving);
        let mut timer = pin!(sleep_until(Instant::now() + settings.head_timeout));
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = serving.as_mut().poll(cx) {
                return Poll::Ready(Ending::Served(outcome));
            }
            self.socket.borrow_mut().let_go(cx);
            self.poll_deadline(cx, timer.as_mut(), settings)
                .map(|()| Ending::Late)
        })
        .await
    }

    /// Ready once the client has missed its deadline.
    fn poll_deadline(
        &self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        settings: &HttpSettings,
    ) -> Poll<()> {
        let deadline = self.input.borrow().deadline(settings);
        // A client that does not read has its own deadline, at the socket.
        let Some(deadline) = deadline.filter(|_| !self.socket.borrow().is_blocked()) else {
            return Poll::Pending;
        };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.poll(cx)
    }

    /// The problem to answer instead of the library's own answer, or of none.
    fn problem(&self, state: &State, ending: &Ending) -> Option<Problem> {
        let input = self.input.borrow();
        match ending {
            Ending::Late => input
                .is_at_head()
                .then(|| Problem::new(Code::RequestTimeout, "the head did not arrive in time")),
            Ending::Served(Err(error)) => refusal::of_error(error, &input.head, &state.settings),
            Ending::Served(Ok(())) => {
                // The library mistakes a badly framed body for a client that is gone.
                let is_owed = !self.socket.borrow().is_shut() && input.owes_answer();
                is_owed.then(refusal::of_framing)
            }
        }
    }

    /// Whether the connection is already closed, by the library or the client.
    fn is_over(&self, ending: &Ending) -> bool {
        let socket = self.socket.borrow();
        match ending {
            Ending::Served(Ok(())) => socket.is_shut(),
            Ending::Served(Err(_)) => true,
            Ending::Late => false,
        }
    }

    /// Sends an answer, if there is one, and closes the connection so that the client can read it: closing
    /// with unread input would send a reset.
    async fn close(
        &self,
        state: &State,
        problem: Option<Problem>,
        lingers: bool,
    ) -> io::Result<()> {
        let refusal = problem.map(|problem| {
            let refusal = refuse(state, &problem, &self.input.borrow().request_id());
            self.socket.borrow_mut().replace_bare(refusal.bytes());
            refusal
        });
        poll_fn(|cx| self.socket.borrow_mut().poll_shutdown(cx)).await?;
        if let Some(refusal) = refusal {
            refusal.sent();
        }
        if lingers {
            poll_fn(|cx| self.socket.borrow_mut().poll_discard(cx)).await?;
        }
        Ok(())
    }
}

/// Like [`disconnect::keeping`], and attaches the connections themselves.
pub(super) fn introducing(open_files: usize) -> impl Fn(&Stream, &mut Extensions) {
    let keep = disconnect::keeping(open_files);
    move |stream, data| stream.connection().introduce(&keep, data)
}
