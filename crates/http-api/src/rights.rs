//! The authorization table: one row per route and method.
//!
//! A route without a row cannot be registered. The security requirements of the OpenAPI document come from this table.

use actix_web::http::Method;
use domain::Scope;

use crate::KeyPolicy;

/// What a request requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Nothing, and it is exempt from the rate limit: a health probe.
    Probe,
    /// Nothing, under every policy.
    Open,
    /// The scope, under [`KeyPolicy::Everything`]: reading, registering and tagging.
    Common(Scope),
    /// The scope, under [`KeyPolicy::Changes`] and [`KeyPolicy::Everything`]: changing and removing.
    Change(Scope),
    /// The scope, under every policy.
    Always(Scope),
}

impl Right {
    /// The scope required under a policy; `None` if no key is required.
    pub(crate) fn scope(self, policy: KeyPolicy) -> Option<Scope> {
        match self {
            Self::Probe | Self::Open => None,
            Self::Common(scope) => (policy == KeyPolicy::Everything).then_some(scope),
            Self::Change(scope) => (policy != KeyPolicy::Nothing).then_some(scope),
            Self::Always(scope) => Some(scope),
        }
    }
}

/// Path, method, right. `HEAD` is like `GET`, and `OPTIONS` is open everywhere.
pub(crate) static TABLE: &[(&str, Method, Right)] = &[
    ("/image", Method::POST, Right::Common(Scope::Upload)),
    ("/tag", Method::POST, Right::Common(Scope::Tag)),
    ("/image/{id}", Method::GET, Right::Common(Scope::Read)),
    ("/image/{id}", Method::DELETE, Right::Change(Scope::Write)),
    ("/image/{id}/tags", Method::GET, Right::Common(Scope::Read)),
    (
        "/image/{id}/tags",
        Method::PATCH,
        Right::Change(Scope::Write),
    ),
    (
        "/image/{id}/retag",
        Method::POST,
        Right::Change(Scope::Write),
    ),
    ("/image/{id}/file", Method::GET, Right::Common(Scope::Read)),
    ("/image/{id}/info", Method::GET, Right::Common(Scope::Read)),
    (
        "/image/{id}/similar",
        Method::GET,
        Right::Common(Scope::Read),
    ),
    (
        "/image/{id}/duplicates",
        Method::GET,
        Right::Common(Scope::Read),
    ),
    (
        "/image/{id}/thumbnail",
        Method::GET,
        Right::Common(Scope::Read),
    ),
    ("/images", Method::GET, Right::Common(Scope::Read)),
    ("/tags", Method::GET, Right::Common(Scope::Read)),
    (
        "/tags/{tag}/confidences",
        Method::GET,
        Right::Common(Scope::Read),
    ),
    ("/taggers", Method::GET, Right::Common(Scope::Read)),
    ("/vocabulary", Method::GET, Right::Common(Scope::Read)),
    ("/vocabulary/{tag}", Method::GET, Right::Common(Scope::Read)),
    (
        "/vocabulary/{tag}",
        Method::PUT,
        Right::Change(Scope::Admin),
    ),
    (
        "/vocabulary/{tag}",
        Method::DELETE,
        Right::Change(Scope::Admin),
    ),
    ("/jobs", Method::GET, Right::Common(Scope::Read)),
    ("/jobs", Method::POST, Right::Change(Scope::Write)),
    ("/jobs/{id}", Method::GET, Right::Common(Scope::Read)),
    ("/jobs/{id}", Method::DELETE, Right::Change(Scope::Write)),
    ("/keys", Method::GET, Right::Always(Scope::Admin)),
    ("/keys", Method::POST, Right::Always(Scope::Admin)),
    ("/keys/{id}", Method::DELETE, Right::Always(Scope::Admin)),
    ("/webhooks", Method::GET, Right::Always(Scope::Admin)),
    ("/webhooks", Method::POST, Right::Always(Scope::Admin)),
    (
        "/webhooks/{id}",
        Method::DELETE,
        Right::Always(Scope::Admin),
    ),
    (
        "/webhooks/{id}/replay",
        Method::POST,
        Right::Always(Scope::Admin),
    ),
    ("/session", Method::POST, Right::Open),
    ("/session", Method::DELETE, Right::Open),
    ("/v2/tags", Method::GET, Right::Common(Scope::Tag)),
    ("/v2/tags", Method::POST, Right::Common(Scope::Tag)),
    ("/v2/uploads", Method::POST, Right::Common(Scope::Tag)),
    (
        "/v2/uploads/{id}",
        Method::DELETE,
        Right::Common(Scope::Tag),
    ),
    ("/v2/usage", Method::GET, Right::Common(Scope::Read)),
    (
        "/api/v1/vision/labels",
        Method::POST,
        Right::Common(Scope::Tag),
    ),
    ("/", Method::GET, Right::Open),
    ("/ui/{file:.*}", Method::GET, Right::Open),
    ("/livez", Method::GET, Right::Probe),
    ("/readyz", Method::GET, Right::Probe),
    ("/metrics", Method::GET, Right::Common(Scope::Metrics)),
    ("/openapi.json", Method::GET, Right::Open),
    ("/docs", Method::GET, Right::Open),
    ("/docs/{file:.*}", Method::GET, Right::Open),
];

/// The right of a route and method. `None` if there is no row.
pub(crate) fn right(path: &str, method: &Method) -> Option<Right> {
    let method = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut rows = TABLE.iter();
    rows.find(|(known, of, _)| *known == path && of == method)
        .map(|(_, _, right)| *right)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_row_is_there_twice() {
        let mut seen = HashSet::new();
        for (path, method, _) in TABLE {
            assert!(seen.insert((path, method)), "{method} {path}");
        }
    }

    #[test]
    fn head_is_like_get() {
        assert_eq!(right("/tags", &Method::HEAD), right("/tags", &Method::GET));
        assert_eq!(right("/tags", &Method::DELETE), None);
        assert_eq!(right("/nowhere", &Method::GET), None);
    }

    #[rstest::rstest]
    #[case(Right::Probe, [false, false, false])]
    #[case(Right::Open, [false, false, false])]
    #[case(Right::Common(Scope::Tag), [false, false, true])]
    #[case(Right::Change(Scope::Tag), [false, true, true])]
    #[case(Right::Always(Scope::Tag), [true, true, true])]
    fn policies_ask_for_more_and_more(#[case] right: Right, #[case] asks: [bool; 3]) {
        let policies = [
            KeyPolicy::Nothing,
            KeyPolicy::Changes,
            KeyPolicy::Everything,
        ];
        for (policy, asks) in policies.into_iter().zip(asks) {
            let scope = asks.then_some(Scope::Tag);
            assert_eq!(right.scope(policy), scope, "{policy:?}");
        }
    }
}
