//! Counters and recorded requests.

use serde::Serialize;

use crate::call::Call;
use crate::fault::Route;

/// Calls of one route.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RouteCount {
    /// Requests that arrived, whatever their outcome.
    pub calls: u64,
    /// Requests being answered now.
    pub in_flight: usize,
    /// Most requests being answered at once.
    pub peak_in_flight: usize,
}

/// One request as it arrived, without credentials.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Position in the order of arrival, from 0.
    pub number: u64,
    /// The kind of call.
    pub route: Route,
    /// HTTP method.
    pub method: String,
    /// Path as it was sent.
    pub path: String,
    /// Query string as it was sent, without the question mark.
    pub query: String,
    /// Headers in lower case, without `authorization`.
    pub headers: Vec<(String, String)>,
    /// Whether there was an `authorization` header.
    pub with_credentials: bool,
    /// Length of the body in bytes.
    pub body_bytes: usize,
    /// Status of the response; `None` while there is none, for a hang and for a reset.
    pub status: Option<u16>,
}

impl Recorded {
    pub(crate) fn of(number: u64, route: Route, call: &Call) -> Self {
        let headers = call
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization");
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            number,
            route,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            headers: headers
                .map(|(n, v)| (n.to_string(), text(v.as_bytes())))
                .collect(),
            with_credentials: call.headers.contains_key("authorization"),
            body_bytes: call.body_length,
            status: None,
        }
    }
}
