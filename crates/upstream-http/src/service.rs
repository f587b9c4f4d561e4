//! Single calls to a service.

use bytes::{Bytes, BytesMut};
use domain::ports::{UpstreamError, cause};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::{Answer, Credentials, timing::Timing};

/// How much of a server's error text is kept, in characters.
const LONGEST_TEXT: usize = 200;

/// Constants of a service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceFacts {
    /// Its display name, for errors and logs.
    pub name: &'static str,
    /// JSON pointers (RFC 6901) to the text of an error, most likely first.
    pub error_texts: &'static [&'static str],
    /// The header with the service's own id of a call.
    pub request_id: Option<&'static str>,
}

/// A service called with credentials.
#[derive(Debug)]
pub struct Service {
    facts: ServiceFacts,
    client: Client,
    credentials: Credentials,
}

/// An error reported by a service, or a problem of its response. For the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{service} answered {status}: {text}{}", .request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct ErrorReport {
    /// The service's display name.
    pub service: &'static str,
    /// The status of its response.
    pub status: u16,
    /// Its text, shortened, with credentials masked.
    pub text: String,
    /// The service's own id of the call.
    pub request_id: Option<String>,
}

impl Service {
    /// Time-outs are the client's; without a total one a call may hang forever.
    pub fn new(facts: ServiceFacts, client: Client, credentials: Credentials) -> Self {
        Self {
            facts,
            client,
            credentials,
        }
    }

    /// Starts a request with the credentials.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.request(method, url).header(ACCEPT, json);
        self.credentials.sign(request)
    }

    /// Sends a request and reads the complete response, whatever its status.
    ///
    /// A successful response longer than `at_most` bytes is malformed.
    pub async fn send(
        &self,
        request: RequestBuilder,
        at_most: usize,
    ) -> Result<Answer, UpstreamError> {
        let request = request.build().map_err(|error| self.broken(error))?;
        let mut timing = Timing::begin(&request);
        let mut response = self.client.execute(request).await.map_err(|error| {
            timing.failed(&error);
            self.broken(error)
        })?;
        let status = response.status();
        timing.answered(status);
        let headers = std::mem::take(response.headers_mut());
        let (body, end) = read(&mut response, at_most).await;
        let answer = Answer {
            status,
            headers,
            body,
        };
        match end {
            // A truncated error response is enough: its status decides.
            _ if !status.is_success() => {}
            End::Whole => {}
            End::TooLong => return Err(self.malformed(&answer, "the answer is too long")),
            End::Broken(error) => {
                timing.failed(&error);
                return Err(self.broken(error));
            }
        }
        if !status.is_success() {
            tracing::debug!(report = %self.error_report(&answer), "an upstream refused a call");
        }
        Ok(answer)
    }

    /// Parses a JSON response; a mismatch is [`UpstreamError::Malformed`].
    pub fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, UpstreamError> {
        serde_json::from_slice(answer.body())
            .map_err(|error| self.malformed(answer, &error.to_string()))
    }

    /// The error for a response that makes no sense.
    pub fn malformed(&self, answer: &Answer, why: &str) -> UpstreamError {
        UpstreamError::Malformed(cause(self.report_of(answer, why)))
    }

    /// The error of an unsuccessful response, by its status alone.
    pub fn failure(&self, answer: &Answer) -> UpstreamError {
        let retry_after = answer.retry_after();
        let report = cause(self.error_report(answer));
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => UpstreamError::Busy { retry_after },
            StatusCode::REQUEST_TIMEOUT => UpstreamError::Unavailable {
                retry_after,
                source: report,
            },
            status if status.is_server_error() => UpstreamError::Unavailable {
                retry_after,
                source: report,
            },
            status if status.is_client_error() => UpstreamError::Refused(report),
            _ => UpstreamError::Malformed(report),
        }
    }

    /// The error text of a response.
    pub fn error_report(&self, answer: &Answer) -> ErrorReport {
        let json: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let text = json.as_ref().and_then(|json| {
            let mut texts = self.facts.error_texts.iter();
            texts.find_map(|pointer| json.pointer(pointer)?.as_str())
        });
        match text {
            Some(text) => self.report_of(answer, text),
            None => self.report_of(answer, &String::from_utf8_lossy(answer.body())),
        }
    }

    fn report_of(&self, answer: &Answer, text: &str) -> ErrorReport {
        let id = self.facts.request_id.and_then(|name| answer.header(name));
        ErrorReport {
            service: self.facts.name,
            status: answer.status.as_u16(),
            text: self.sane(text),
            request_id: id.map(|id| self.sane(id)),
        }
    }

    /// The text on one short line, without secrets.
    fn sane(&self, text: &str) -> String {
        let masked = self.credentials.mask(text);
        let mut words = masked.split(|c: char| c.is_whitespace() || c.is_control());
        let mut line = String::new();
        // Stops early: a body may be megabytes long.
        while line.len() <= 4 * LONGEST_TEXT
            && let Some(word) = words.next()
        {
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        match line.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => {
                line.truncate(end);
                line + "…"
            }
            None => line,
        }
    }

    /// The error of a call that failed before its response was complete.
    fn broken(&self, error: reqwest::Error) -> UpstreamError {
        // The URL may contain the public address of a picture.
        let error = error.without_url();
        tracing::debug!(service = self.facts.name, %error, "a call to an upstream broke");
        if error.is_timeout() {
            UpstreamError::TimedOut
        } else if error.is_builder() {
            UpstreamError::Refused(cause(error))
        } else if error.is_redirect() {
            UpstreamError::Malformed(cause(error))
        } else {
            UpstreamError::Unavailable {
                retry_after: None,
                source: cause(error),
            }
        }
    }
}

/// How reading a body ended.
enum End {
    Whole,
    TooLong,
    Broken(reqwest::Error),
}

/// Reads at most `at_most` bytes of a body; returns them, and how it ended.
async fn read(response: &mut Response, at_most: usize) -> (Bytes, End) {
    let mut body = BytesMut::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > at_most => break End::TooLong,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break End::Whole,
            Err(error) => break End::Broken(error),
        }
    };
    (body.freeze(), end)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use reqwest::header::HeaderMap;

    use super::*;

    static SERVICE: LazyLock<Service> = LazyLock::new(|| {
        let facts = ServiceFacts {
            name: "Example",
            error_texts: &["/message", "/status/text"],
            request_id: Some("x-request-id"),
        };
        let credentials = Credentials::new("the-key".into(), "the-secret".into());
        Service::new(facts, Client::new(), credentials)
    });

    fn answer(status: u16, body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("abc"));
        headers.insert("retry-after", HeaderValue::from_static("7"));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body),
        }
    }

    #[rstest::rstest]
    #[case(br#"{"message": "no\nthe-secret\t here"}"#, "no [masked] here")]
    #[case(br#"{"status": {"text": "nothing"}}"#, "nothing")]
    #[case(br#"{"message": 3}"#, r#"{"message": 3}"#)]
    #[case(b"<h1>\x1b[31mBad\r\n gateway", "<h1> [31mBad gateway")]
    #[case(b"\xff\xfe", "\u{fffd}\u{fffd}")]
    #[case(b"", "")]
    fn reports_a_server_error_on_one_line(#[case] body: &[u8], #[case] text: &str) {
        let report = SERVICE.error_report(&answer(500, body));
        assert_eq!(report.text, text);
        let line = format!("Example answered 500: {text} (request abc)");
        assert_eq!(report.to_string(), line);
    }

    #[test]
    fn says_little() {
        let long = "ñ ".repeat(500_000);
        let report = SERVICE.error_report(&answer(500, long.as_bytes()));
        assert_eq!(report.text.chars().count(), LONGEST_TEXT + 1);
        assert!(report.text.ends_with('…'));
    }

    #[rstest::rstest]
    #[case(400, "Refused", None)]
    #[case(401, "Refused", None)]
    #[case(403, "Refused", None)]
    #[case(404, "Refused", None)]
    #[case(408, "Unavailable", Some(7))]
    #[case(429, "Busy", Some(7))]
    #[case(500, "Unavailable", Some(7))]
    #[case(503, "Unavailable", Some(7))]
    #[case(599, "Unavailable", Some(7))]
    #[case(302, "Malformed", None)]
    fn the_status_says_what_a_failure_is(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] seconds: Option<u64>,
    ) {
        let error = SERVICE.failure(&answer(status, b""));
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        let wait = error.retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait, seconds);
    }

    #[test]
    fn mismatch_is_reported_briefly_and_without_secrets() {
        let body = format!("\"the-key {}\"", "x".repeat(10_000));
        let error = SERVICE
            .json::<u8>(&answer(200, body.as_bytes()))
            .unwrap_err();
        let UpstreamError::Malformed(cause) = error else {
            panic!("{error:?}");
        };
        let text = cause.to_string();
        assert!(text.len() < 400 && !text.contains("the-key"), "{text}");
    }

    proptest! {
        #[test]
        fn any_response_is_reported_on_one_short_line(body: Vec<u8>, status in 100..600_u16) {
            let report = SERVICE.error_report(&answer(status, &body));
            prop_assert!(report.text.chars().count() <= LONGEST_TEXT + 1);
            prop_assert!(!report.text.contains(char::is_control));
        }
    }
}
