//! Base URLs of services.

use reqwest::Url;
use thiserror::Error;

/// The base URL of a service: scheme, host and possibly a path that all its routes start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// It is not a URL.
    #[error("this is not a URL such as https://api.example.com")]
    NotAUrl,
    /// Its scheme is neither `https` nor `http`.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// It has user, password, query or fragment.
    #[error("the URL must have no user, password, query or fragment")]
    Extras,
}

impl BaseUrl {
    /// Parses an `https` or `http` URL, with or without a trailing slash.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotAUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BaseUrlError::Scheme);
        }
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        bare.then_some(Self(url)).ok_or(BaseUrlError::Extras)
    }

    /// The URL of a route; its segments are percent-encoded.
    pub fn route(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Only URLs such as `mailto:` have no segments, and no base is one.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://api.example.com", "https://api.example.com/v1/a%2Fb")]
    #[case("https://api.example.com/", "https://api.example.com/v1/a%2Fb")]
    #[case("http://localhost:8081/kit", "http://localhost:8081/kit/v1/a%2Fb")]
    #[case("http://localhost:8081/kit/", "http://localhost:8081/kit/v1/a%2Fb")]
    fn routes_are_below_the_base(#[case] base: &str, #[case] route: &str) {
        let base = BaseUrl::parse(base).unwrap();
        assert_eq!(base.route(&["v1", "a/b"]).as_str(), route);
    }

    #[rstest::rstest]
    #[case("", BaseUrlError::NotAUrl)]
    #[case("api.example.com", BaseUrlError::NotAUrl)]
    #[case("https://", BaseUrlError::NotAUrl)]
    #[case("mailto:me@example.com", BaseUrlError::Scheme)]
    #[case("file:///etc", BaseUrlError::Scheme)]
    #[case("https://me:secret@example.com", BaseUrlError::Extras)]
    #[case("https://example.com?a=1", BaseUrlError::Extras)]
    fn refuses_other_texts(#[case] text: &str, #[case] error: BaseUrlError) {
        assert_eq!(BaseUrl::parse(text), Err(error));
    }
}
