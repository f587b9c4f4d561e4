//! Injected faults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kind of call that a request is, common to both fakes.
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
    /// Vision servers: `POST /v1/chat/completions`.
    Chat,
    /// Anything else.
    Unknown,
}

/// A fault in one call.
///
/// By default the fault strikes after the request has been read and *before* it had any effect. With
/// [`Fault::after_effect`] the call takes effect and only its response is lost. [`Fault::half_body`] and
/// [`Fault::truncated_json`] spoil the real response, so the call has always taken effect.
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
    /// Whether the fault needs the real response.
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

    /// No fault: lets a call of the queue through, so that a later one can fail.
    pub fn pass() -> Self {
        Self::of(Kind::Pass)
    }

    /// An HTTP status, with the error body that the real service would send.
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status {
            status,
            body: None,
            headers: Vec::new(),
        })
    }

    /// ImageKit's 429 with its three `X-RateLimit` headers; the wait is in milliseconds.
    pub fn rate_limited(wait: Duration) -> Self {
        Self::status(429)
            .with_header("X-RateLimit-Limit", "5")
            .with_header("X-RateLimit-Interval", "1000")
            .with_header("X-RateLimit-Reset", &wait.as_millis().to_string())
    }

    /// No response, ever; the connection stays open until the client gives up.
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// The connection is reset (TCP RST) before the first byte of the response.
    pub fn reset() -> Self {
        Self::of(Kind::Reset)
    }

    /// The head announces the whole response, half of the body follows, then the connection closes.
    pub fn half_body() -> Self {
        Self::of(Kind::HalfBody)
    }

    /// Well-formed HTTP with the right status, whose JSON is truncated.
    pub fn truncated_json() -> Self {
        Self::of(Kind::TruncatedJson)
    }

    /// `200` with a page of HTML, like a captive portal or a wrong proxy.
    pub fn garbage() -> Self {
        Self::of(Kind::Garbage)
    }

    /// The right response, late.
    pub fn delay(delay: Duration) -> Self {
        Self::pass().delayed(delay)
    }

    /// Waits before the fault strikes.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Lets the call take effect first; then comes the delay, then the fault.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }

    /// The body of a [`Fault::status`]; no effect on others.
    #[must_use]
    pub fn with_body(mut self, text: &str) -> Self {
        if let Kind::Status { body, .. } = &mut self.kind {
            *body = Some(text.to_owned());
        }
        self
    }

    /// An additional header of a [`Fault::status`]; no effect on others.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Status { headers, .. } = &mut self.kind {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}
