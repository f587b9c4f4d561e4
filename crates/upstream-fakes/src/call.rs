//! A request that has been read completely, and its reply.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;

/// Longest body that is kept; of a longer one only the length is known.
///
/// 25 MB of picture as base64 with line breaks stay below it.
const BODY_KEPT: usize = 64 * 1024 * 1024;

/// A request with its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// Empty if the body was longer than what is kept.
    pub(crate) body: Bytes,
    pub(crate) body_length: usize,
}

/// The credentials in the `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    Absent,
    /// Not `Basic`, not base64, or without a colon.
    Malformed,
    Basic {
        user: String,
        password: String,
    },
}

impl Call {
    /// Reads the request to its end; `None` if the client disconnects.
    pub(crate) async fn read(request: &HttpRequest, mut payload: web::Payload) -> Option<Self> {
        let mut body = BytesMut::new();
        let mut body_length = 0;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.ok()?;
            body_length += chunk.len();
            if body_length <= BODY_KEPT {
                body.extend_from_slice(&chunk);
            } else {
                body = BytesMut::new();
            }
        }
        Some(Self {
            method: request.method().clone(),
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            headers: request.headers().clone(),
            body: body.freeze(),
            body_length,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Media type of the body in lower case, without its parameters.
    pub(crate) fn content_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
        )
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let Some(header) = self.headers.get("authorization") else {
            return Credentials::Absent;
        };
        let pair = header.to_str().ok().and_then(basic_pair);
        pair.map_or(Credentials::Malformed, |(user, password)| {
            Credentials::Basic { user, password }
        })
    }

    /// The parameters of the query: name, decoded value and raw value.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        self.query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(Parameter::parse)
            .collect()
    }
}

fn basic_pair(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let bytes = STANDARD
        .decode(encoded)
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// One `name=value` of a query or of a URL-encoded form.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) raw: String,
}

impl Parameter {
    fn parse(pair: &str) -> Self {
        let raw = pair.split_once('=').map_or("", |(_, raw)| raw);
        let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
        let (name, value) = decoded.map_or_else(Default::default, |(name, value)| {
            (name.into_owned(), value.into_owned())
        });
        Self {
            name,
            value,
            raw: raw.to_owned(),
        }
    }
}

/// A reply before any fault is applied.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn bytes(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        Self::bytes(status, "application/json; charset=utf-8", value.to_string())
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
