//! Calling a service once.

use bytes::{Bytes, BytesMut};
use domain::ports::{UpstreamError, cause};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::{Answer, Credentials};

/// How much is kept of what a server says of an error, in characters.
const LONGEST_TEXT: usize = 200;

/// What is known of a service beforehand.
#[derive(Debug, Clone, Copy)]
pub struct ServiceFacts {
    /// Its name, for people.
    pub name: &'static str,
    /// Where the JSON of an error has its text (JSON pointers, RFC 6901), most likely first.
    pub error_texts: &'static [&'static str],
    /// The header that names a call in the service's own log.
    pub request_id: Option<&'static str>,
}

/// A service that is called with credentials.
#[derive(Debug)]
pub struct Service {
    facts: ServiceFacts,
    client: Client,
    credentials: Credentials,
}

/// What a service complained of, or what was wrong with its answer. For the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{service} answered {status}: {text}{}", .request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct Complaint {
    /// The service's name.
    pub service: &'static str,
    /// The status of its answer.
    pub status: u16,
    /// What it said, shortened, credentials masked.
    pub text: String,
    /// The service's own name of the call.
    pub request_id: Option<String>,
}

impl Service {
    /// Time-outs are the client's; without a total one a call may hang for good.
    pub fn new(facts: ServiceFacts, client: Client, credentials: Credentials) -> Self {
        Self {
            facts,
            client,
            credentials,
        }
    }

    /// Begins a request that carries the credentials.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.request(method, url).header(ACCEPT, json);
        self.credentials.sign(request)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// An answer of success that is longer than `at_most` bytes is malformed.
    pub async fn send(
        &self,
        request: RequestBuilder,
        at_most: usize,
    ) -> Result<Answer, UpstreamError> {
        let mut response = request.send().await.map_err(|e| self.broken(e))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let (body, end) = read(&mut response, at_most).await;
        let answer = Answer {
            status,
            headers,
            body,
        };
        match end {
            // What is read of an error is enough: its status says what it is.
            _ if !status.is_success() => {}
            End::Whole => {}
            End::TooLong => return Err(self.malformed(&answer, "the answer is too long")),
            End::Broken(error) => return Err(self.broken(error)),
        }
        if !status.is_success() {
            tracing::debug!(complaint = %self.complaint(&answer), "an upstream refused a call");
        }
        Ok(answer)
    }

    /// Reads the JSON of an answer; what does not fit is [`UpstreamError::Malformed`].
    pub fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, UpstreamError> {
        serde_json::from_slice(answer.body())
            .map_err(|error| self.malformed(answer, &error.to_string()))
    }

    /// An answer that makes no sense.
    pub fn malformed(&self, answer: &Answer, why: &str) -> UpstreamError {
        UpstreamError::Malformed(cause(self.complaint_of(answer, why)))
    }

    /// What an answer without success means, by its status alone.
    pub fn failure(&self, answer: &Answer) -> UpstreamError {
        let retry_after = answer.retry_after();
        let complaint = cause(self.complaint(answer));
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => UpstreamError::Busy { retry_after },
            StatusCode::REQUEST_TIMEOUT => UpstreamError::Unavailable {
                retry_after,
                source: complaint,
            },
            status if status.is_server_error() => UpstreamError::Unavailable {
                retry_after,
                source: complaint,
            },
            status if status.is_client_error() => UpstreamError::Refused(complaint),
            _ => UpstreamError::Malformed(complaint),
        }
    }

    /// What a service said of an error.
    pub fn complaint(&self, answer: &Answer) -> Complaint {
        let json: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let told = json.as_ref().and_then(|json| {
            let mut texts = self.facts.error_texts.iter();
            texts.find_map(|pointer| json.pointer(pointer)?.as_str())
        });
        match told {
            Some(text) => self.complaint_of(answer, text),
            None => self.complaint_of(answer, &String::from_utf8_lossy(answer.body())),
        }
    }

    fn complaint_of(&self, answer: &Answer, text: &str) -> Complaint {
        let id = self.facts.request_id.and_then(|name| answer.header(name));
        Complaint {
            service: self.facts.name,
            status: answer.status.as_u16(),
            text: self.sane(text),
            request_id: id.map(|id| self.sane(id)),
        }
    }

    /// One short line without secrets.
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

    /// A call that broke before there was a whole answer.
    fn broken(&self, error: reqwest::Error) -> UpstreamError {
        // The URL may hold the public address of somebody's picture.
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

/// How the reading of a body ended.
enum End {
    Whole,
    TooLong,
    Broken(reqwest::Error),
}

/// Reads a body of at most so many bytes; says what was read and how it ended.
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
    fn says_in_one_line_what_a_server_said(#[case] body: &[u8], #[case] text: &str) {
        let complaint = SERVICE.complaint(&answer(500, body));
        assert_eq!(complaint.text, text);
        let line = format!("Example answered 500: {text} (request abc)");
        assert_eq!(complaint.to_string(), line);
    }

    #[test]
    fn says_little() {
        let long = "ñ ".repeat(500_000);
        let complaint = SERVICE.complaint(&answer(500, long.as_bytes()));
        assert_eq!(complaint.text.chars().count(), LONGEST_TEXT + 1);
        assert!(complaint.text.ends_with('…'));
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
    fn what_does_not_fit_is_told_shortly_and_without_secrets() {
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
        fn any_answer_is_told_in_one_short_line(body: Vec<u8>, status in 100..600_u16) {
            let complaint = SERVICE.complaint(&answer(status, &body));
            prop_assert!(complaint.text.chars().count() <= LONGEST_TEXT + 1);
            prop_assert!(!complaint.text.contains(char::is_control));
        }
    }
}
