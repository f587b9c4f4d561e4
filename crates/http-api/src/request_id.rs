//! Request ids, for the log and the client.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header with the request id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id accepted from a client, in characters.
const LONGEST: usize = 128;

/// An id that is safe in a log and in a header: 1 to 128 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The client's id if it is valid; else a new one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(REQUEST_ID);
        match (given.next().and_then(Self::parse), given.next()) {
            (Some(id), None) => id,
            _ => Self::random(),
        }
    }

    /// A new id.
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let is_sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_id = (1..=LONGEST).contains(&text.len()) && text.chars().all(is_sane);
        is_id.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        // These characters are always valid in a header.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                REQUEST_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        RequestId::from_headers(&headers)
    }

    #[test]
    fn valid_id_is_kept() {
        let longest = "x".repeat(128);
        for id in ["a", "0b8f6a52-6f0c-4f8e", "A.b_C-9", &longest] {
            assert_eq!(of(&[id]).as_str(), id);
            assert_eq!(of(&[id]).header(), id);
        }
    }

    #[test]
    fn any_other_is_replaced() {
        let too_long = "x".repeat(129);
        for values in [
            vec![],
            vec![""],
            vec!["a b"],
            vec!["a\"b"],
            vec!["ñ"],
            vec![&too_long],
            vec!["a", "b"],
        ] {
            let id = of(&values);
            assert!(Uuid::parse_str(id.as_str()).is_ok(), "{values:?}");
            assert_ne!(id, of(&values));
        }
    }
}
