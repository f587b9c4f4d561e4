//! What can go wrong on purpose, and what a test asks of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kind of call that a request is. Both fakes speak of the same kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// ImageKit `POST /api/v1/files/upload`, Imagga `POST /v2/uploads`.
    Upload,
    /// ImageKit: a hosted picture is fetched by its URL.
    Serve,
    /// ImageKit `DELETE /v1/files/{id}`, Imagga `DELETE /v2/uploads/{id}`.
    Delete,
    /// ImageKit `POST /v1/files/batch/deleteByFileIds`.
    BulkDelete,
    /// ImageKit `GET /v1/files`.
    List,
    /// ImageKit `GET /v1/files/{id}/details`.
    Details,
    /// ImageKit `/v1/files/purge`.
    Purge,
    /// Imagga `/v2/tags`.
    Tags,
    /// Imagga `GET /v2/usage`.
    Usage,
    /// Anything else.
    Unknown,
}

/// One thing that goes wrong with one call.
///
/// By default the fault strikes after the request has been read and *before* it had any effect.
/// [`Fault::after_effect`] turns that round: the call does its work and only its answer is lost.
/// [`Fault::half_body`] and [`Fault::truncated_json`] spoil the real answer, so that the call has
/// always had its effect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(crate) kind: Kind,
    pub(crate) delay: Duration,
    pub(crate) after_effect: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Pass,
    Status {
        status: u16,
        body: Option<String>,
        headers: Vec<(String, String)>,
    },
    Hang,
    Reset,
    HalfBody,
    TruncatedJson,
    Garbage,
}

impl Kind {
    /// Whether the answer of the real work is needed to make the faulty one.
    pub(crate) fn spoils_the_answer(&self) -> bool {
        matches!(self, Self::Pass | Self::HalfBody | Self::TruncatedJson)
    }
}

impl Fault {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            delay: Duration::ZERO,
            after_effect: false,
        }
    }

    /// Nothing goes wrong: lets a call of the queue through, so that a later one can fail.
    pub fn pass() -> Self {
        Self::of(Kind::Pass)
    }

    /// An HTTP status, with the error body that the real service would send along.
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status {
            status,
            body: None,
            headers: Vec::new(),
        })
    }

    /// ImageKit's 429 with its three `X-RateLimit` headers; the wait is told in milliseconds.
    pub fn rate_limited(wait: Duration) -> Self {
        Self::status(429)
            .with_header("X-RateLimit-Limit", "5")
            .with_header("X-RateLimit-Interval", "1000")
            .with_header("X-RateLimit-Reset", &wait.as_millis().to_string())
    }

    /// No answer, ever; the connection stays open until the client gives up.
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// The connection is reset (TCP RST) before a single byte of the answer.
    pub fn reset() -> Self {
        Self::of(Kind::Reset)
    }

    /// The head announces the whole answer, half of the body follows, then the connection closes.
    pub fn half_body() -> Self {
        Self::of(Kind::HalfBody)
    }

    /// The answer is well-formed HTTP with the right status, its JSON is cut in the middle.
    pub fn truncated_json() -> Self {
        Self::of(Kind::TruncatedJson)
    }

    /// `200` with a page of HTML, as a captive portal or a wrong proxy would answer.
    pub fn garbage() -> Self {
        Self::of(Kind::Garbage)
    }

    /// The right answer, late.
    pub fn delay(delay: Duration) -> Self {
        Self::pass().delayed(delay)
    }

    /// Waits before the fault strikes.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Lets the call have its effect first; then comes the delay, then the fault.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }

    /// The body of a [`Fault::status`]; has no meaning for the others.
    #[must_use]
    pub fn with_body(mut self, text: &str) -> Self {
        if let Kind::Status { body, .. } = &mut self.kind {
            *body = Some(text.to_owned());
        }
        self
    }

    /// One more header of a [`Fault::status`]; has no meaning for the others.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Status { headers, .. } = &mut self.kind {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}
