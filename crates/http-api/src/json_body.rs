//! Small JSON bodies, read strictly.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::Payload,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{
    HttpSettings,
    problem::{Code, Problem},
    upload::Arriving,
};

/// The largest body, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A body that is read as a whole. Deserializing must reject unknown and repeated members.
pub(crate) trait JsonBody: DeserializeOwned {
    /// Describes the expected body, for error messages.
    const EXPECTED: &str;
    /// Whether it holds a secret: then error messages quote nothing of it.
    const IS_SECRET: bool;
}

/// Reads the body of a request, within its limits of size and time.
pub(crate) async fn read<T: JsonBody>(
    request: &HttpRequest,
    payload: Payload,
    settings: &HttpSettings,
) -> Result<T, Problem> {
    check_type(request.headers())?;
    let mut arriving = Arriving::new(payload, settings);
    let mut bytes = Vec::new();
    while let Some(piece) = arriving.next(false).await? {
        if bytes.len() + piece.len() > MAX_BYTES {
            let detail = format!("the body has more than the {MAX_BYTES} bytes allowed");
            return Err(Problem::new(Code::InvalidBody, detail).limit(MAX_BYTES as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    parse(&bytes)
}

/// Reads a body. It may begin with a byte order mark.
fn parse<T: JsonBody>(bytes: &[u8]) -> Result<T, Problem> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let expected = T::EXPECTED;
    // Serde accepts an array for a struct.
    if text.trim_ascii_start().first() == Some(&b'[') {
        let detail = format!("the body is not {expected}");
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    serde_json::from_slice(text).map_err(|error| {
        let detail = match error.classify() {
            Category::Data if !T::IS_SECRET => format!("the body is not {expected}: {error}"),
            Category::Data => format!("the body is not {expected}"),
            _ => format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        };
        Problem::new(Code::InvalidBody, detail)
    })
}

/// Takes JSON that is not compressed.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let essence = kind
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next());
    let is_json = essence.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
    if is_json && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "the body must be application/json, and not compressed";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        a: u8,
    }

    impl JsonBody for Plain {
        const EXPECTED: &str = "an object with a number `a`";
        const IS_SECRET: bool = false;
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Secret {
        #[expect(dead_code, reason = "it is only read")]
        key: String,
    }

    impl JsonBody for Secret {
        const EXPECTED: &str = "an object with a text `key`";
        const IS_SECRET: bool = true;
    }

    #[test]
    fn reads_json_with_or_without_a_mark() {
        assert_eq!(parse::<Plain>(b"{\"a\": 1}").unwrap(), Plain { a: 1 });
        assert_eq!(
            parse::<Plain>(b"\xef\xbb\xbf{\"a\":1}").unwrap(),
            Plain { a: 1 }
        );
    }

    #[rstest::rstest]
    #[case("", "the body is not JSON: line 1, column 0")]
    #[case("{\"a\": 1", "the body is not JSON: line 1, column 7")]
    #[case("{\"a\": 1}\n}", "the body is not JSON: line 2, column 1")]
    #[case("{}", "the body is not an object with a number `a`: missing field `a`")]
    #[case("{\"a\": 1, \"b\": 2}", "unknown field `b`")]
    #[case("{\"a\": 1, \"a\": 2}", "duplicate field `a`")]
    #[case("[1]", "the body is not an object with a number `a`")]
    #[case("{\"a\": \"1\"}", "invalid type: string \"1\"")]
    fn refuses_everything_else(#[case] body: &str, #[case] why: &str) {
        let problem = parse::<Plain>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidBody);
        assert!(problem.to_string().contains(why), "{problem}");
    }

    #[rstest::rstest]
    #[case("\"hush\"")]
    #[case("{\"hush\": 1}")]
    #[case("{\"key\": [\"hush\"]}")]
    #[case("{\"key\": \"a\", \"hush\": 1}")]
    #[case("{\"key\": \"hush\" \"hush\"}")]
    fn repeats_nothing_of_a_secret(#[case] body: &str) {
        let problem = parse::<Secret>(body.as_bytes()).unwrap_err();
        assert!(!problem.to_string().contains("hush"), "{problem}");
    }
}
