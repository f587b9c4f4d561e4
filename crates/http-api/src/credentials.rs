//! Credentials of a request: a key in a header, or a session cookie.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use domain::SessionToken;

use crate::problem::{Code, Problem};

/// The header for a key, besides `Authorization`.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "etiqueta_session";

/// The lifetime of the cookie in seconds, that of a session.
const COOKIE_AGE: u32 = 30 * 24 * 60 * 60;

/// The credential of a request.
#[derive(PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A key.
    Key(String),
    /// The token of a session.
    Session(String),
}

impl Credential {
    /// Reads the credential from headers. A key takes precedence over a cookie, which browsers attach by themselves.
    ///
    /// # Errors
    /// `unauthenticated` if the headers hold different keys, or one that is not UTF-8.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut keys = keys(headers);
        let Some(first) = keys.next() else {
            return Ok(session(headers).map_or(Self::None, |token| Self::Session(token.to_owned())));
        };
        if keys.any(|other| other != first) {
            return Err(unauthenticated("the request presents several keys"));
        }
        let key = std::str::from_utf8(first).map(str::to_owned);
        key.map(Self::Key)
            .map_err(|_| unauthenticated("the key is not known"))
    }
}

/// The problem of a missing or invalid credential.
pub(crate) fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail)
}

/// Whether a header holds a key. Cross-site pages cannot set these headers.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    keys(headers).next().is_some()
}

/// The keys in the headers. Other `Authorization` schemes are ignored: they belong to a proxy.
fn keys(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearers = headers.get_all(header::AUTHORIZATION).filter_map(bearer);
    let plain = headers.get_all(API_KEY).map(HeaderValue::as_bytes);
    bearers.chain(plain.map(<[u8]>::trim_ascii))
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let value = value.as_bytes().trim_ascii();
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(SCHEME) && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii_start())
}

/// The password of HTTP Basic (RFC 7617), which is the key for clients of Imagga; the user counts for nothing. Browsers
/// attach it by themselves, hence it is no key by which a cross-site request passes.
pub(crate) fn basic_password(headers: &HeaderMap) -> Option<String> {
    const SCHEME: &[u8] = b"basic ";
    let mut values = headers.get_all(header::AUTHORIZATION);
    values.find_map(|value| {
        let (scheme, rest) = value
            .as_bytes()
            .trim_ascii()
            .split_at_checked(SCHEME.len())?;
        let is_basic = scheme.eq_ignore_ascii_case(SCHEME);
        let decoded = is_basic.then(|| BASE64_STANDARD.decode(rest.trim_ascii()))?;
        let pair = String::from_utf8(decoded.ok()?).ok()?;
        let (_, password) = pair.split_once(':')?;
        Some(password.to_owned())
    })
}

/// The first session token in the cookies. One that has no such form is passed over: a cookie of another path or of a
/// parent domain may have the same name, and come first.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE);
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE && SessionToken::is_well_formed(value)).then_some(value)
    })
}

/// The `Set-Cookie` value for a token, for paths below `prefix`, and for TLS only if `is_https`.
pub(crate) fn cookie(token: &str, prefix: &str, is_https: bool) -> String {
    written(token, COOKIE_AGE, prefix, is_https)
}

/// The `Set-Cookie` value that removes the cookie.
pub(crate) fn no_cookie(prefix: &str, is_https: bool) -> String {
    written("", 0, prefix, is_https)
}

fn written(token: &str, age: u32, prefix: &str, is_https: bool) -> String {
    let path = if prefix.is_empty() { "/" } else { prefix };
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn key(lines: &[(&str, &str)]) -> Option<String> {
        match Credential::from_headers(&headers(lines)) {
            Ok(Credential::Key(key)) => Some(key),
            _ => None,
        }
    }

    #[rstest::rstest]
    #[case(&[("authorization", "Bearer etq_a")], "etq_a")]
    #[case(&[("authorization", "bearer   etq_a ")], "etq_a")]
    #[case(&[("authorization", "Bearer")], "")]
    #[case(&[("x-api-key", " etq_a ")], "etq_a")]
    #[case(&[("authorization", "Bearer etq_a"), ("x-api-key", "etq_a")], "etq_a")]
    #[case(&[("authorization", "Basic dTpw"), ("x-api-key", "etq_a")], "etq_a")]
    #[case(&[("x-api-key", "etq_a"), ("cookie", "etiqueta_session=t")], "etq_a")]
    fn keys_are_read_from_two_headers(#[case] lines: &[(&str, &str)], #[case] expected: &str) {
        assert_eq!(key(lines).as_deref(), Some(expected));
        assert!(has_key(&headers(lines)));
    }

    #[rstest::rstest]
    #[case(&[("authorization", "Bearer etq_a"), ("x-api-key", "etq_b")])]
    #[case(&[("authorization", "Bearer etq_a"), ("authorization", "Bearer etq_b")])]
    #[case(&[("x-api-key", "etq_a"), ("x-api-key", "")])]
    fn different_keys_are_refused(#[case] lines: &[(&str, &str)]) {
        let refused = Credential::from_headers(&headers(lines)).err().unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(!refused.to_string().contains("etq_"), "{refused}");
    }

    #[rstest::rstest]
    #[case(&[])]
    #[case(&[("authorization", "Basic dTpw")])]
    #[case(&[("authorization", "Bearers etq_a")])]
    #[case(&[("authorization", "etq_a")])]
    #[case(&[("cookie", "etiqueta_sessions=t; a=etiqueta_session=t")])]
    #[case(&[("cookie", "etiqueta_session")])]
    fn other_headers_present_nothing(#[case] lines: &[(&str, &str)]) {
        let headers = headers(lines);
        assert!(Credential::from_headers(&headers).unwrap() == Credential::None);
        assert!(!has_key(&headers));
    }

    /// `TOKEN` stands for one.
    #[rstest::rstest]
    #[case(&[("cookie", "etiqueta_session=TOKEN")])]
    #[case(&[("cookie", "a=b;etiqueta_session=TOKEN; c=d")])]
    #[case(&[("cookie", "a=b"), ("cookie", "etiqueta_session=TOKEN")])]
    #[case(&[("cookie", "etiqueta_session=TOKEN"), ("authorization", "Basic dTpw")])]
    #[case(&[("cookie", "etiqueta_session=; etiqueta_session=TOKEN")])]
    #[case(&[("cookie", "etiqueta_session="), ("cookie", "etiqueta_session=TOKEN")])]
    #[case(&[("cookie", "etiqueta_session=none; etiqueta_session=TOKEN")])]
    fn the_cookie_is_found(#[case] lines: &[(&str, &str)]) {
        let token = "t".repeat(43);
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| (*name, value.replace("TOKEN", &token)))
            .collect();
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let headers = headers(&lines);
        let expected = Credential::Session(token);
        assert!(Credential::from_headers(&headers).unwrap() == expected);
        assert!(!has_key(&headers));
    }

    #[rstest::rstest]
    #[case("Basic dTpw", Some("p"))]
    #[case("basic   YTpiOmM=", Some("b:c"))]
    #[case("Basic Ojo=", Some(":"))]
    #[case("Basic dTo=", Some(""))]
    #[case("Basic dQ==", None)]
    #[case("Basic *", None)]
    #[case("Basic /zpw", None)]
    #[case("Bearer dTpw", None)]
    #[case("Basic", None)]
    fn the_password_of_basic_is_read(#[case] value: &str, #[case] password: Option<&str>) {
        let headers = headers(&[("authorization", value)]);
        assert_eq!(basic_password(&headers).as_deref(), password);
    }

    #[test]
    fn cookies_are_for_this_site_alone() {
        assert_eq!(
            cookie("t", "", false),
            "etiqueta_session=t; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            cookie("t", "/pictures", true),
            "etiqueta_session=t; Path=/pictures; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            no_cookie("", false),
            "etiqueta_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
