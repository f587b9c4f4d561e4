//! The one table of what can go wrong: code, status, title.

use actix_web::http::StatusCode;

/// Makes the enum, and what each row says of its variant.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, for programs. Codes never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code as it is written, in kebab case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// A short summary that does not change from one occurrence to the next.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }
        }
    };
}

table! {
    /// The request is no HTTP that can be read.
    MalformedRequest, "malformed-request", BAD_REQUEST, "The request is not valid HTTP";
    /// The body is no JSON object with a text `data`, no form with one file, or empty.
    InvalidBody, "invalid-body", BAD_REQUEST, "The body cannot be read";
    /// `data` is not base64, or is empty.
    InvalidBase64, "invalid-base64", BAD_REQUEST, "The data is not base64";
    /// A query parameter is unknown, repeated or has an impossible value.
    InvalidParameter, "invalid-parameter", BAD_REQUEST, "A parameter is wrong";
    /// A search cannot be understood.
    InvalidQuery, "invalid-query", BAD_REQUEST, "The search cannot be understood";
    /// The id in the path is not a UUID.
    InvalidId, "invalid-id", BAD_REQUEST, "The id is malformed";
    /// No image has that id.
    ImageNotFound, "image-not-found", NOT_FOUND, "There is no such image";
    /// The server does not fetch that URL.
    FetchingNotAllowed, "fetching-not-allowed", FORBIDDEN, "The URL is not fetched";
    /// The URL could not be fetched.
    FetchingFailed, "fetching-failed", UNPROCESSABLE_ENTITY, "The URL could not be fetched";
    /// The request needs a key, or presents one that is not valid.
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "The request needs a valid key";
    /// The key does not allow what is asked for.
    Forbidden, "forbidden", FORBIDDEN, "The key does not allow this";
    /// A page of another site sent the request.
    CrossOrigin, "cross-origin", FORBIDDEN, "The request comes from another site";
    /// No key has that id.
    KeyNotFound, "key-not-found", NOT_FOUND, "There is no such key";
    /// No job has that id.
    JobNotFound, "job-not-found", NOT_FOUND, "There is no such job";
    /// No webhook has that id.
    WebhookNotFound, "webhook-not-found", NOT_FOUND, "There is no such webhook";
    /// No temporary upload has that id.
    UploadNotFound, "upload-not-found", NOT_FOUND, "There is no such upload";
    /// The temporary upload was kept for its time.
    UploadExpired, "upload-expired", GONE, "The upload has expired";
    /// The vocabulary has no entry of that tag.
    TagNotFound, "tag-not-found", NOT_FOUND, "There is no such entry";
    /// An entry does not fit to the others of the vocabulary.
    VocabularyConflict, "vocabulary-conflict", CONFLICT, "The entry conflicts with another one";
    /// Another number of images matches than the request expects.
    CountChanged, "count-changed", CONFLICT, "Another number of images matches";
    /// There are as many of something as are kept.
    TooMany, "too-many", CONFLICT, "There are too many";
    /// The tagger in use does not compute features of pictures.
    NoImageModel, "no-image-model", CONFLICT, "The tagger has no features of pictures";
    /// A request with the same idempotency key is under way.
    IdempotencyInProgress, "idempotency-in-progress", CONFLICT, "The same request is under way";
    /// The idempotency key was used for another request.
    IdempotencyMismatch, "idempotency-mismatch", UNPROCESSABLE_ENTITY, "The key was used for another request";
    /// The client makes more requests than the limit.
    TooManyRequests, "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// The path has no route.
    RouteNotFound, "route-not-found", NOT_FOUND, "There is no such route";
    /// The path does not know that method.
    MethodNotAllowed, "method-not-allowed", METHOD_NOT_ALLOWED, "The route has no such method";
    /// The client did not send its body in time.
    RequestTimeout, "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// A condition of the request does not hold.
    PreconditionFailed, "precondition-failed", PRECONDITION_FAILED, "A condition does not hold";
    /// The range begins beyond the end.
    RangeNotSatisfiable, "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "There are no such bytes";
    /// The body or the image is larger than the limit.
    PayloadTooLarge, "payload-too-large", PAYLOAD_TOO_LARGE, "The upload is too large";
    /// The URL is longer than the limit.
    UriTooLong, "uri-too-long", URI_TOO_LONG, "The URL is too long";
    /// The content type of the body is not one that is taken, or it is compressed.
    UnsupportedMediaType, "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported";
    /// The headers are longer than the limit.
    HeadersTooLarge, "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large";
    /// The bytes are no picture that can be read.
    NotAnImage, "not-an-image", UNPROCESSABLE_ENTITY, "Not a readable image";
    /// The picture has more pixels than the limit.
    ImageTooLarge, "image-too-large", UNPROCESSABLE_ENTITY, "The image has too many pixels";
    /// The picture takes more work than one may cost.
    ImageTooComplex, "image-too-complex", UNPROCESSABLE_ENTITY, "The image takes too much work";
    /// The bytes are a picture of a format or a kind that is not read.
    UnsupportedFormat, "unsupported-format", UNPROCESSABLE_ENTITY, "The format is not supported";
    /// The request names a host that this server does not answer for.
    MisdirectedRequest, "misdirected-request", MISDIRECTED_REQUEST, "The host is not served here";
    /// The tag provider or the blob host refused the call, or gave no usable answer.
    TaggingFailed, "tagging-failed", BAD_GATEWAY, "The image could not be tagged";
    /// The account's quota at the tag provider is used up.
    QuotaExhausted, "quota-exhausted", SERVICE_UNAVAILABLE, "The tagging quota is used up";
    /// The tag provider or the blob host takes no calls for now.
    UpstreamBusy, "upstream-busy", SERVICE_UNAVAILABLE, "The tagging service is busy";
    /// The database or the store of originals is not available.
    StorageUnavailable, "storage-unavailable", SERVICE_UNAVAILABLE, "The storage is not available";
    /// The originals have as many bytes as are kept.
    StoreFull, "store-full", INSUFFICIENT_STORAGE, "The store is full";
    /// Too many uploads are under way.
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded";
    /// The server is shutting down.
    Unavailable, "unavailable", SERVICE_UNAVAILABLE, "The server is shutting down";
    /// The tag provider or the blob host did not answer in time.
    TaggingTimeout, "tagging-timeout", GATEWAY_TIMEOUT, "The image was not tagged in time";
    /// A fault of the server.
    Internal, "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the server";
}

impl Code {
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
            ("malformed-request", 400),
            ("invalid-body", 400),
            ("invalid-base64", 400),
            ("invalid-parameter", 400),
            ("invalid-query", 400),
            ("invalid-id", 400),
            ("image-not-found", 404),
            ("unauthenticated", 401),
            ("forbidden", 403),
            ("cross-origin", 403),
            ("key-not-found", 404),
            ("job-not-found", 404),
            ("webhook-not-found", 404),
            ("upload-not-found", 404),
            ("upload-expired", 410),
            ("tag-not-found", 404),
            ("vocabulary-conflict", 409),
            ("count-changed", 409),
            ("too-many", 409),
            ("no-image-model", 409),
            ("idempotency-in-progress", 409),
            ("idempotency-mismatch", 422),
            ("too-many-requests", 429),
            ("route-not-found", 404),
            ("method-not-allowed", 405),
            ("precondition-failed", 412),
            ("range-not-satisfiable", 416),
            ("payload-too-large", 413),
            ("unsupported-media-type", 415),
            ("uri-too-long", 414),
            ("headers-too-large", 431),
            ("request-timeout", 408),
            ("fetching-not-allowed", 403),
            ("fetching-failed", 422),
            ("not-an-image", 422),
            ("image-too-large", 422),
            ("image-too-complex", 422),
            ("unsupported-format", 422),
            ("misdirected-request", 421),
            ("tagging-failed", 502),
            ("tagging-timeout", 504),
            ("quota-exhausted", 503),
            ("upstream-busy", 503),
            ("storage-unavailable", 503),
            ("store-full", 507),
            ("overloaded", 503),
            ("unavailable", 503),
            ("internal", 500),
        ];
        let table = Code::ALL
            .iter()
            .map(|code| (code.as_str(), code.status().as_u16()));
        let table: HashSet<_> = table.collect();
        assert_eq!(table, HashSet::from(promised));
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
