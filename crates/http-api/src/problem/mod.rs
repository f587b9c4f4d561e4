//! Errors as clients see them: problem documents (RFC 9457) without internal details.

mod causes;
mod code;
mod dialect;
mod document;

use std::{error::Error, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use domain::ports::{Cause, in_words};

pub use code::Code;
pub(crate) use dialect::{Dialect, ImaggaErrorBody, PhotoPrismErrorBody};
pub(crate) use document::ProblemBody;

/// The media type of problem documents.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The default `Retry-After`.
const WAIT: Duration = Duration::from_secs(5);

/// The facts in `detail`, as members: a client in another language shows these.
#[derive(Debug, Default)]
struct Facts {
    parameter: Option<String>,
    position: Option<usize>,
    limit: Option<u64>,
    setting: Option<&'static str>,
    format: Option<String>,
    scope: Option<&'static str>,
}

/// A failed request, as a problem document.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    facts: Box<Facts>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    /// What the client calls its request.
    subject: Option<String>,
    /// For the log.
    cause: Option<Cause>,
}

impl Problem {
    /// A problem whose detail may be shown to the client.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            facts: Box::default(),
            retry_after: None,
            allow: None,
            subject: None,
            cause: None,
        }
    }

    /// An invalid query parameter.
    pub fn parameter(name: &str, why: impl fmt::Display) -> Self {
        let mut problem = Self::new(Code::InvalidParameter, format!("`{name}` {why}"));
        problem.facts.parameter = Some(name.to_owned());
        problem
    }

    /// Sets where in a parameter the error is, in characters from 0.
    #[must_use]
    pub fn position(mut self, parameter: &str, position: usize) -> Self {
        self.facts.parameter = Some(parameter.to_owned());
        self.facts.position = Some(position);
        self
    }

    /// A URL longer than `limit` bytes.
    pub fn uri_too_long(limit: usize) -> Self {
        let detail = format!("the URL has more than the {limit} bytes allowed");
        Self::new(Code::UriTooLong, detail).limit(limit as u64)
    }

    /// A range that begins beyond the end of that many bytes.
    pub fn range_not_satisfiable(len: u64) -> Self {
        let detail = format!("the range begins beyond the end: there are {len} bytes");
        Self::new(Code::RangeNotSatisfiable, detail).limit(len)
    }

    /// Headers longer than `limit` bytes.
    pub fn headers_too_large(limit: usize) -> Self {
        let detail = format!("the headers have more than the {limit} bytes allowed");
        Self::new(Code::HeadersTooLarge, detail).limit(limit as u64)
    }

    /// Sets the limit that was exceeded, in the unit of the detail.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.facts.limit = Some(limit);
        self
    }

    /// Sets the setting responsible.
    #[must_use]
    pub fn setting(mut self, key: &'static str) -> Self {
        self.facts.setting = Some(key);
        self
    }

    /// Sets the format of the picture.
    #[must_use]
    pub fn format(mut self, name: impl Into<String>) -> Self {
        self.facts.format = Some(name.into());
        self
    }

    /// Names the scope that the key lacks.
    #[must_use]
    pub fn scope(mut self, name: &'static str) -> Self {
        self.facts.scope = Some(name);
        self
    }

    /// Sets the cause: for the log, not for the client.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Sets the wait before a retry. Only a 429, a 503 and `idempotency-in-progress` have one.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Sets the methods of the route.
    #[must_use]
    pub fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Sets what the client calls its request, for [`Dialect::PhotoPrism`].
    #[must_use]
    pub(crate) fn subject(mut self, id: Option<String>) -> Self {
        self.subject = id;
        self
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The wait before a retry in whole seconds: rounded up, at least one.
    fn seconds(&self) -> Option<u64> {
        let is_asking = self.code == Code::IdempotencyInProgress
            || matches!(
                self.code.status(),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
        is_asking.then(|| {
            let wait = self.retry_after.unwrap_or(WAIT);
            (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
        })
    }

    /// Logs the cause and its causes.
    pub fn log(&self) {
        let cause = self.cause.as_ref().map(|cause| in_words(&**cause));
        let (code, detail) = (self.code.as_str(), self.detail.as_str());
        if self.code == Code::Internal {
            tracing::error!(code, detail, cause, "the request failed");
        } else if self.code.status().is_server_error() {
            tracing::warn!(code, detail, cause, "the request failed");
        } else {
            tracing::debug!(code, detail, cause, "the request was refused");
        }
    }

    /// The response to the request with that id, as a problem document.
    pub fn answer(&self, request_id: &str) -> HttpResponse {
        self.answer_in(Dialect::Own, request_id)
    }

    /// The response to the request with that id, as its client understands it.
    pub(crate) fn answer_in(&self, dialect: Dialect, request_id: &str) -> HttpResponse {
        let mut answer = HttpResponse::build(dialect.status(self.code));
        answer.insert_header((header::CONTENT_TYPE, dialect.media_type()));
        if let Some(seconds) = self.seconds() {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if let (Code::RangeNotSatisfiable, Some(len)) = (self.code, self.facts.limit) {
            answer.insert_header((header::CONTENT_RANGE, format!("bytes */{len}")));
        }
        if self.code == Code::Unauthenticated {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            if dialect == Dialect::Imagga {
                answer.append_header((header::WWW_AUTHENTICATE, "Basic realm=\"Etiqueta\""));
            }
        }
        if let Some(methods) = self.allow {
            answer.insert_header((header::ALLOW, HeaderValue::from_static(methods)));
        }
        answer.body(dialect.body(self, request_id))
    }

    /// The document for the request with that id.
    fn document<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            kind: self.code.type_uri(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            description: &self.detail,
            request_id,
            parameter: self.facts.parameter.as_deref(),
            position: self.facts.position,
            limit: self.facts.limit,
            setting: self.facts.setting,
            format: self.facts.format.as_deref(),
            scope: self.facts.scope,
            retry_after: self.seconds(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as _)
    }
}

/// Without a request id: the outermost middleware writes the response again, with one.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use serde_json::{Value, json};

    use super::*;

    fn body(answer: HttpResponse) -> Value {
        let bytes = answer.into_body().try_into_bytes().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_document_has_the_promised_members_and_no_other() {
        let problem =
            Problem::parameter("min_date", "is wrong").caused_by(domain::ports::cause("secret"));
        let answer = problem.answer("r-1");
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers().get("content-type").unwrap(), MEDIA_TYPE);
        assert_eq!(
            body(answer),
            json!({
                "type": "urn:etiqueta:problem:invalid-parameter",
                "title": "A parameter is wrong",
                "status": 400,
                "detail": "`min_date` is wrong",
                "code": "invalid-parameter",
                "description": "`min_date` is wrong",
                "request_id": "r-1",
                "parameter": "min_date",
            })
        );
    }

    #[test]
    fn facts_are_members_where_they_apply() {
        let wait = Some(Duration::from_secs(7));
        for (problem, facts) in [
            (Problem::new(Code::InvalidId, "x"), json!({})),
            (
                Problem::new(Code::UriTooLong, "x").limit(9),
                json!({"limit": 9}),
            ),
            (
                Problem::new(Code::MisdirectedRequest, "x").setting("a.b"),
                json!({"setting": "a.b"}),
            ),
            (
                Problem::new(Code::UnsupportedFormat, "x").format("HEIC"),
                json!({"format": "HEIC"}),
            ),
            (
                Problem::new(Code::Forbidden, "x").scope("tag"),
                json!({"scope": "tag"}),
            ),
            (
                Problem::new(Code::Overloaded, "x").retry_after(wait),
                json!({"retry_after": 7}),
            ),
        ] {
            let mut document = body(problem.answer("r"));
            let members = document.as_object_mut().unwrap();
            for common in [
                "type",
                "title",
                "status",
                "detail",
                "code",
                "description",
                "request_id",
            ] {
                assert!(members.remove(common).is_some(), "{common}");
            }
            assert_eq!(document, facts);
        }
    }

    #[test]
    fn what_passes_by_itself_says_when_to_come_again() {
        for code in Code::ALL {
            let answer = Problem::new(*code, "x").answer("r");
            let asks = answer.headers().contains_key("retry-after");
            let status = answer.status().as_u16();
            let passes = matches!(status, 429 | 503) || *code == Code::IdempotencyInProgress;
            assert_eq!(asks, passes, "{code:?}");
        }
    }

    #[rstest::rstest]
    #[case(Duration::ZERO, "1")]
    #[case(Duration::from_millis(300), "1")]
    #[case(Duration::from_secs(7), "7")]
    #[case(Duration::from_millis(7001), "8")]
    fn the_wait_is_in_whole_seconds(#[case] wait: Duration, #[case] header: &str) {
        let problem = Problem::new(Code::Overloaded, "x").retry_after(Some(wait));
        assert_eq!(
            problem.answer("r").headers().get("retry-after").unwrap(),
            header
        );
    }
}
