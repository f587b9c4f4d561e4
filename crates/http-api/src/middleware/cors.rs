//! Cross-site requests: CORS, and protection against request forgery (CSRF).

use actix_web::{
    HttpRequest,
    dev::ServiceResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use ipnet::IpNet;
use url::{Host, Url};

use crate::{
    credentials,
    forwarded::Forwarded,
    problem::{Code, Problem},
};

/// The setting with the allowed origins.
const SETTING: &str = "server.cors_origins";

/// Where a request comes from, according to the browser. Scripts cannot set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The request headers allowed across sites.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, Range, X-API-Key, X-Request-Id",
);

/// The response headers readable across sites, besides the safelisted ones.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, Preference-Applied, Retry-After, \
     X-Request-Id, X-Total-Count",
);

/// How long browsers cache a preflight response, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The origin of a site: scheme, host and, unless it is the usual one, port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin such as `https://photos.example.com`. None if the text is none, or has a path.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        is_origin.then(|| Self(url.origin().ascii_serialization()))
    }
}

/// Refuses cross-site requests with unsafe methods (CSRF).
///
/// Requests with a key in a header pass, as cross-site pages cannot set one without a preflight. Safe methods pass, as
/// the same-origin policy hides the response.
pub(super) fn check(
    request: &HttpRequest,
    allowed: &[Origin],
    trusted: &[IpNet],
) -> Result<(), Problem> {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if is_safe || is_listed(request.headers(), allowed) {
        return Ok(());
    }
    check_site(request, trusted, &[header::ORIGIN])
}

/// Refuses cross-site requests that are safe by their methods, and cost something all the same. Browsers send such a
/// request for a picture without `Origin`: if it has no `Sec-Fetch-Site` either, `Referer` tells.
pub(crate) fn check_costly_read(
    request: &HttpRequest,
    allowed: &[Origin],
    trusted: &[IpNet],
) -> Result<(), Problem> {
    let headers = request.headers();
    let is_referred_by_listed = || {
        let referer = headers.get(header::REFERER)?.to_str().ok()?;
        let origin = Url::parse(referer).ok()?.origin().ascii_serialization();
        Some(allowed.contains(&Origin(origin)))
    };
    let is_listed = is_listed(headers, allowed)
        || !headers.contains_key(header::ORIGIN) && is_referred_by_listed().unwrap_or(false);
    if is_listed {
        return Ok(());
    }
    check_site(request, trusted, &[header::ORIGIN, header::REFERER])
}

/// Refuses requests of pages of other sites, as the first of these headers tells which is there. Those with a key in a
/// header pass.
fn check_site(
    request: &HttpRequest,
    trusted: &[IpNet],
    telling: &[HeaderName],
) -> Result<(), Problem> {
    let headers = request.headers();
    if credentials::has_key(headers) {
        return Ok(());
    }
    let is_foreign = if headers.contains_key(SEC_FETCH_SITE) {
        !headers.get_all(SEC_FETCH_SITE).all(is_own_page)
    } else {
        let origin = telling.iter().find_map(|name| headers.get(name));
        origin.is_some_and(|origin| is_of_other_origin(request, origin, trusted))
    };
    if !is_foreign {
        return Ok(());
    }
    let detail = format!(
        "cross-site request: to allow it, list the origin of the page in the setting `{SETTING}`, or send a key in a header"
    );
    Err(Problem::new(Code::CrossOrigin, detail).setting(SETTING))
}

/// Whether a value of [`SEC_FETCH_SITE`] names a page of this site, or no page. Browsers write it in one way: any other
/// spelling is not theirs.
fn is_own_page(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), b"same-origin" | b"none")
}

/// Whether an origin, or a URL, differs from the host and port of the request.
fn is_of_other_origin(request: &HttpRequest, origin: &HeaderValue, trusted: &[IpNet]) -> bool {
    let own = Forwarded::of(request, trusted).host;
    let own = own.or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        Some(host.to_owned())
    });
    let same = origin
        .to_str()
        .ok()
        .zip(own)
        .is_some_and(|(origin, own)| is_same(origin, &own));
    !same
}

/// Whether an origin has that host and port. A missing port defaults to that of the origin's scheme, as the scheme at
/// a proxy is unknown.
fn is_same(origin: &str, host: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else {
        return false;
    };
    let Ok(own) = Url::parse(&format!("{}://{}", origin.scheme(), host.trim())) else {
        return false;
    };
    let name = |url: &Url| match url.host()? {
        Host::Domain(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        address => Some(address.to_string()),
    };
    matches!(origin.scheme(), "http" | "https")
        && name(&origin) == name(&own)
        && origin.port_or_known_default() == own.port_or_known_default()
}

fn is_listed(headers: &HeaderMap, allowed: &[Origin]) -> bool {
    listed(headers, allowed).is_some()
}

/// The origin of a request, if it is allowed.
fn listed<'h>(headers: &'h HeaderMap, allowed: &[Origin]) -> Option<&'h HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let is_listed = |known: &Origin| known.0.as_bytes() == origin.as_bytes();
    allowed.iter().any(is_listed).then_some(origin)
}

/// Adds CORS headers, those of preflight responses included. Does nothing if no origin is allowed. Credentials are not
/// allowed: cross-site pages send a key.
pub(super) fn allow(response: &mut ServiceResponse, allowed: &[Origin]) {
    if allowed.is_empty() {
        return;
    }
    let request = response.request();
    let origin = listed(request.headers(), allowed).cloned();
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else {
        return;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    if asks {
        if let Some(methods) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://photos.example.com", Some("https://photos.example.com"))]
    #[case("https://Photos.example.com:443/", Some("https://photos.example.com"))]
    #[case("http://localhost:3000", Some("http://localhost:3000"))]
    #[case("https://photos.example.com/app", None)]
    #[case("https://me:secret@photos.example.com", None)]
    #[case("photos.example.com", None)]
    #[case("*", None)]
    #[case("null", None)]
    #[case("file:///", None)]
    fn origins_are_read_as_browsers_write_them(#[case] text: &str, #[case] origin: Option<&str>) {
        assert_eq!(
            Origin::parse(text),
            origin.map(|text| Origin(text.to_owned()))
        );
    }

    #[rstest::rstest]
    #[case("http://localhost:8080", "localhost:8080")]
    #[case("https://photos.example.com", "photos.example.com")]
    #[case("https://photos.example.com", "PHOTOS.example.com.:443")]
    #[case("http://photos.example.com", "photos.example.com:80")]
    #[case("https://photos.example.com:8443", "photos.example.com:8443")]
    #[case("http://[::1]:8080", "[::1]:8080")]
    #[case("http://127.0.0.1", "127.0.0.1")]
    fn the_scheme_does_not_count(#[case] origin: &str, #[case] host: &str) {
        assert!(is_same(origin, host));
    }

    #[rstest::rstest]
    #[case("null", "localhost")]
    #[case("", "localhost")]
    #[case("http://evil.example", "localhost")]
    #[case("http://localhost:8081", "localhost:8080")]
    #[case("http://localhost", "localhost:8080")]
    #[case("http://localhost.evil.example", "localhost")]
    #[case("http://localhost:8080", "")]
    #[case("file://localhost", "localhost")]
    #[case("http://a.example", "b.example@a.example.evil")]
    fn other_hosts_and_ports_are_foreign(#[case] origin: &str, #[case] host: &str) {
        assert!(!is_same(origin, host));
    }
}
