//! Checks of the headers of an upload.

use actix_web::http::header::{self, HeaderMap};
use upload_body::{BodyKind, ContentTypeError, FormKind};

use crate::problem::{Code, Problem};

/// How much of a foreign header is repeated in an answer, in characters.
const HEADER_SHOWN: usize = 64;

/// The kind of body that the headers announce. It must not be compressed.
pub(crate) fn kind(headers: &HeaderMap) -> Result<BodyKind, Problem> {
    let kind = only(headers, &header::CONTENT_TYPE)
        .ok_or(ContentTypeError::Unsupported)
        .and_then(BodyKind::from_content_type)
        .map_err(|error| {
            let got = shown(headers, &header::CONTENT_TYPE);
            unsupported(&format!("{got}; {error}"))
        })?;
    check_encoding(headers)?;
    Ok(kind)
}

/// The kind of form that the headers announce; `None` if they announce no body.
pub(crate) fn form(headers: &HeaderMap) -> Result<Option<FormKind>, Problem> {
    let is_there = headers.contains_key(header::TRANSFER_ENCODING) || length(headers) > Some(0);
    if !headers.contains_key(header::CONTENT_TYPE) && !is_there {
        return Ok(None);
    }
    check_encoding(headers)?;
    let kind = only(headers, &header::CONTENT_TYPE).and_then(|kind| {
        let kind = FormKind::from_content_type(kind);
        kind.ok()
    });
    kind.map(Some).ok_or_else(|| {
        let got = shown(headers, &header::CONTENT_TYPE);
        unsupported(&format!(
            "{got}; the body must be multipart/form-data or application/x-www-form-urlencoded"
        ))
    })
}

/// Fails if the body is compressed.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING)
        || only(headers, &header::CONTENT_ENCODING)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("identity"));
    if is_plain {
        return Ok(());
    }
    let got = shown(headers, &header::CONTENT_ENCODING);
    Err(unsupported(&format!(
        "{got}; the body must not be compressed"
    )))
}

/// The length of the body, where the client tells it.
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, detail)
}

/// What a header says, for the client that sent it.
fn shown(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let title = match *name {
        header::CONTENT_TYPE => "Content-Type",
        _ => "Content-Encoding",
    };
    match (headers.get_all(name).count(), only(headers, name)) {
        (0, _) => format!("the header {title} is missing"),
        (1, Some("")) => format!("the header {title} is empty"),
        (1, Some(value)) => {
            let value: String = value.chars().take(HEADER_SHOWN).collect();
            format!("the header {title} is `{value}`")
        }
        (1, None) => format!("the header {title} is not ASCII text"),
        _ => format!("the header {title} is given more than once"),
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(lines: &[(&str, &str)]) -> Result<BodyKind, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        kind(&headers)
    }

    #[rstest::rstest]
    #[case(&[("content-type", "application/json")], BodyKind::Json)]
    #[case(&[("content-type", "Application/JSON; charset=utf-8")], BodyKind::Json)]
    #[case(&[("content-type", "application/json ;v=1;w=2")], BodyKind::Json)]
    #[case(&[("content-type", "application/json"), ("content-encoding", "identity")], BodyKind::Json)]
    #[case(&[("content-type", "image/png")], BodyKind::Raw)]
    #[case(&[("content-type", "application/octet-stream"), ("content-encoding", "Identity")], BodyKind::Raw)]
    fn takes_these(#[case] headers: &[(&str, &str)], #[case] expected: BodyKind) {
        assert_eq!(check(headers).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case(&[], "Content-Type is missing; the body must be application/json, image/*, application/octet-stream or multipart/form-data")]
    #[case(&[("content-type", "")], "Content-Type is empty")]
    #[case(&[("content-type", "text/json")], "`text/json`; the body must be application/json")]
    #[case(&[("content-type", "text/plain")], "`text/plain`")]
    #[case(&[("content-type", "application/jsonp")], "`application/jsonp`")]
    #[case(&[("content-type", "application/problem+json")], "`application/problem+json`")]
    #[case(&[("content-type", "application/x-www-form-urlencoded")], "urlencoded`")]
    #[case(
        &[("content-type", "multipart/form-data")],
        "`multipart/form-data`; multipart/form-data needs the parameter `boundary`"
    )]
    #[case(&[("content-type", "multipart/form-data; boundary=")], "boundary is not 1 to 70")]
    #[case(&[("content-type", "ñ")], "is not ASCII text")]
    #[case(&[("content-type", "application/json"), ("content-type", "text/plain")], "more than once")]
    #[case(
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        "Content-Encoding is `gzip`; the body must not be compressed"
    )]
    #[case(&[("content-type", "image/png"), ("content-encoding", "br")], "`br`")]
    fn refuses_everything_else(#[case] headers: &[(&str, &str)], #[case] what: &str) {
        let problem = check(headers).unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
        assert!(problem.to_string().contains(what), "{problem}");
    }

    #[test]
    fn a_long_content_type_is_shown_in_part() {
        let long = "x".repeat(1000);
        let problem = check(&[("content-type", &long)]).unwrap_err();
        assert!(problem.to_string().len() < 300, "{problem}");
    }
}
