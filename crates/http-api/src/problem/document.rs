//! The form of problem documents.

use serde::Serialize;
use utoipa::ToSchema;

/// The answer to a request that was not done (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:etiqueta:problem:invalid-parameter")]
    pub(super) kind: String,
    /// A summary of the kind of problem.
    #[schema(example = "A parameter is wrong")]
    pub(super) title: &'a str,
    /// The HTTP status.
    #[schema(example = 400)]
    pub(super) status: u16,
    /// What is wrong this time.
    #[schema(example = "`min_confidence` is not a number from 0 to 100")]
    pub(super) detail: &'a str,
    /// What went wrong, for programs.
    #[schema(example = "invalid-parameter")]
    pub(super) code: &'a str,
    /// The same text as `detail`.
    #[schema(example = "`min_confidence` is not a number from 0 to 100")]
    pub(super) description: &'a str,
    /// Names the request in the server's log; also in the header `X-Request-Id`.
    #[schema(example = "0b8f6a52-6f0c-4f8e-9c46-1d9b7b1f7f55")]
    pub(super) request_id: &'a str,
    /// The query parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "min_confidence")]
    pub(super) parameter: Option<&'a str>,
    /// Where in the parameter it is wrong, in characters from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 4)]
    pub(super) position: Option<usize>,
    /// The limit that was exceeded: bytes of `payload-too-large`, `uri-too-long` and
    /// `headers-too-large`, pixels of `image-too-large`, units of work of `image-too-complex`,
    /// keys or tags of `too-many`, requests a minute of `too-many-requests`; the bytes that there are of
    /// `range-not-satisfiable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) limit: Option<u64>,
    /// The server's setting that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) setting: Option<&'static str>,
    /// The format of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) format: Option<&'a str>,
    /// The scope that the key lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "upload")]
    pub(super) scope: Option<&'static str>,
    /// Seconds to wait before the next try, as in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) retry_after: Option<u64>,
}
