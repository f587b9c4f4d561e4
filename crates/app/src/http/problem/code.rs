//! The one table of what can go wrong: code, status, title.

use actix_web::http::StatusCode;

/// What went wrong, for programs. Codes never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is no JSON object with a text `data`.
    InvalidBody,
    /// `data` is not base64, or is empty.
    InvalidBase64,
    /// A query parameter is unknown, repeated or has an impossible value.
    InvalidParameter,
    /// The id in the path is not a UUID.
    InvalidId,
    /// No image has that id.
    ImageNotFound,
    /// Nothing lives at that path.
    RouteNotFound,
    /// The path does not know that method.
    MethodNotAllowed,
    /// The body or the image is larger than the limit.
    PayloadTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The URL is longer than the limit.
    UriTooLong,
    /// The headers are longer than the limit.
    HeadersTooLarge,
    /// The client did not send its request in time.
    RequestTimeout,
    /// The bytes are no picture that can be read.
    NotAnImage,
    /// The picture has more pixels than the limit.
    ImageTooLarge,
    /// The tag provider or the blob host refused the call, or gave no usable answer.
    TaggingFailed,
    /// They did not answer in time.
    TaggingTimeout,
    /// The account's quota at the tag provider is used up.
    QuotaExhausted,
    /// The tag provider or the blob host takes no calls for now.
    UpstreamBusy,
    /// The database or the store of originals is not available.
    StorageUnavailable,
    /// Too many uploads are under way.
    Overloaded,
    /// The server is shutting down.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 22] = [
        Self::InvalidBody,
        Self::InvalidBase64,
        Self::InvalidParameter,
        Self::InvalidId,
        Self::ImageNotFound,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::RequestTimeout,
        Self::NotAnImage,
        Self::ImageTooLarge,
        Self::TaggingFailed,
        Self::TaggingTimeout,
        Self::QuotaExhausted,
        Self::UpstreamBusy,
        Self::StorageUnavailable,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The table: code, status and title.
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidBody => ("invalid-body", S::BAD_REQUEST, "The body cannot be read"),
            Self::InvalidBase64 => ("invalid-base64", S::BAD_REQUEST, "The data is not base64"),
            Self::InvalidParameter => ("invalid-parameter", S::BAD_REQUEST, "A parameter is wrong"),
            Self::InvalidId => ("invalid-id", S::BAD_REQUEST, "The id is malformed"),
            Self::ImageNotFound => ("image-not-found", S::NOT_FOUND, "There is no such image"),
            Self::RouteNotFound => ("route-not-found", S::NOT_FOUND, "There is no such route"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                S::METHOD_NOT_ALLOWED,
                "The route has no such method",
            ),
            Self::PayloadTooLarge => (
                "payload-too-large",
                S::PAYLOAD_TOO_LARGE,
                "The upload is too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body is not JSON",
            ),
            Self::UriTooLong => ("uri-too-long", S::URI_TOO_LONG, "The URL is too long"),
            Self::HeadersTooLarge => (
                "headers-too-large",
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too large",
            ),
            Self::RequestTimeout => (
                "request-timeout",
                S::REQUEST_TIMEOUT,
                "The request took too long to arrive",
            ),
            Self::NotAnImage => (
                "not-an-image",
                S::UNPROCESSABLE_ENTITY,
                "The data is no readable image",
            ),
            Self::ImageTooLarge => (
                "image-too-large",
                S::UNPROCESSABLE_ENTITY,
                "The image has too many pixels",
            ),
            Self::TaggingFailed => (
                "tagging-failed",
                S::BAD_GATEWAY,
                "The image could not be tagged",
            ),
            Self::TaggingTimeout => (
                "tagging-timeout",
                S::GATEWAY_TIMEOUT,
                "The image was not tagged in time",
            ),
            Self::QuotaExhausted => (
                "quota-exhausted",
                S::SERVICE_UNAVAILABLE,
                "The tagging quota is used up",
            ),
            Self::UpstreamBusy => (
                "upstream-busy",
                S::SERVICE_UNAVAILABLE,
                "The tagging service is busy",
            ),
            Self::StorageUnavailable => (
                "storage-unavailable",
                S::SERVICE_UNAVAILABLE,
                "The storage is not available",
            ),
            Self::Overloaded => (
                "overloaded",
                S::SERVICE_UNAVAILABLE,
                "The server is overloaded",
            ),
            Self::Unavailable => (
                "unavailable",
                S::SERVICE_UNAVAILABLE,
                "The server is shutting down",
            ),
            Self::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "Something went wrong in the server",
            ),
        }
    }

    /// The code as it is written, in kebab case.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status that goes with it.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// A short summary that does not change from one occurrence to the next.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// The problem type (RFC 9457 §3.1.1): a name, not an address.
    pub fn type_uri(self) -> String {
        format!("urn:etiqueta:problem:{}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_what_clients_were_promised() {
        let promised = [
            ("invalid-body", 400),
            ("invalid-base64", 400),
            ("invalid-parameter", 400),
            ("invalid-id", 400),
            ("image-not-found", 404),
            ("route-not-found", 404),
            ("method-not-allowed", 405),
            ("payload-too-large", 413),
            ("unsupported-media-type", 415),
            ("uri-too-long", 414),
            ("headers-too-large", 431),
            ("request-timeout", 408),
            ("not-an-image", 422),
            ("image-too-large", 422),
            ("tagging-failed", 502),
            ("tagging-timeout", 504),
            ("quota-exhausted", 503),
            ("upstream-busy", 503),
            ("storage-unavailable", 503),
            ("overloaded", 503),
            ("unavailable", 503),
            ("internal", 500),
        ];
        let table = Code::ALL.map(|code| (code.as_str(), code.status().as_u16()));
        assert_eq!(table, promised);
    }

    #[test]
    fn codes_are_unique_and_titled() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.as_str()
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            );
            assert!(!code.title().is_empty() && !code.title().ends_with('.'));
        }
    }
}
