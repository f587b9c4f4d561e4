//! Maps the HTTP library's errors to problems.

use actix_http::error::{DispatchError, ParseError};
use domain::ports::cause;

use super::input::Head;
use crate::{
    HttpSettings,
    problem::{Code, Problem},
};

/// The most headers that the library parses.
const MOST_HEADERS: usize = 96;

/// The start of a TLS handshake: its content type, and the major version of its records.
const TLS: [u8; 2] = [0x16, 3];

/// The start of an HTTP/2 connection.
const HTTP2: &[u8] = b"PRI * HTTP/2";

/// The problem of a request that could not be parsed. `None` if the client has gone.
pub(super) fn of_error(
    error: &DispatchError,
    head: &Head,
    settings: &HttpSettings,
) -> Option<Problem> {
    let problem = match error {
        DispatchError::Parse(error) => of_parser(error, head, settings),
        DispatchError::InternalError => return Some(Problem::internal(cause(error.to_string()))),
        _ => return None,
    };
    Some(problem.caused_by(cause(error.to_string())))
}

/// The problem of a badly framed body that no handler was waiting for.
pub(super) fn of_framing() -> Problem {
    Problem::new(Code::InvalidBody, "the body is badly framed")
}

fn of_parser(error: &ParseError, head: &Head, settings: &HttpSettings) -> Problem {
    match error {
        ParseError::TooLarge if head.is_one_line() => Problem::uri_too_long(settings.url_bytes),
        // The library's error is not more specific.
        ParseError::Uri(error) if error.to_string() == "uri too long" => {
            Problem::uri_too_long(settings.url_bytes)
        }
        ParseError::TooLarge if head.length() > settings.header_bytes => {
            Problem::headers_too_large(settings.header_bytes)
        }
        ParseError::TooLarge => too_many_headers(),
        _ => Problem::new(Code::MalformedRequest, what(error, head)),
    }
}

fn too_many_headers() -> Problem {
    let detail = format!("the request has more than the {MOST_HEADERS} headers allowed");
    Problem::new(Code::HeadersTooLarge, detail).limit(MOST_HEADERS as u64)
}

/// A description of what is wrong with a head.
fn what(error: &ParseError, head: &Head) -> &'static str {
    match error {
        _ if head.start().starts_with(&TLS) => {
            "this is a TLS handshake; the port takes HTTP without TLS"
        }
        _ if head.start().starts_with(HTTP2) => "HTTP/2 is not supported; use HTTP/1.1",
        ParseError::Method => "the method is malformed",
        ParseError::Uri(_) => "the URL is malformed",
        ParseError::Version => "the request line does not end in HTTP/1.1 or HTTP/1.0",
        _ => {
            "the request is not valid HTTP/1.1: its first line or a header is malformed, or `Host`, \
             `Content-Length` or `Transfer-Encoding` is missing, repeated or contradictory"
        }
    }
}
