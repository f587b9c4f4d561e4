//! How problems are written, by the path of the request: routes that are compatible with another service have that
//! service's errors, whatever part of this server found the problem.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Code, MEDIA_TYPE, Problem};

/// The paths of Imagga's interface.
const IMAGGA: &str = "/v2";

/// The paths of PhotoPrism's interface to vision services.
const PHOTOPRISM: &str = "/api/v1/vision";

/// Whose errors a client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Problem documents.
    Own,
    /// Imagga's.
    Imagga,
    /// PhotoPrism's.
    PhotoPrism,
}

/// An error as Imagga writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaError)]
pub(crate) struct ImaggaErrorBody<'a> {
    status: ImaggaErrorStatus<'a>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaErrorStatus)]
struct ImaggaErrorStatus<'a> {
    /// In words.
    #[schema(example = "there is no such upload")]
    text: &'a str,
    /// `error`.
    #[serde(rename = "type")]
    #[schema(example = "error")]
    kind: &'a str,
}

/// An error as PhotoPrism expects it.
#[derive(Serialize, ToSchema)]
#[schema(as = PhotoPrismError)]
pub(crate) struct PhotoPrismErrorBody<'a> {
    /// The id that the client gave its request, if that could be read; else the one in `X-Request-Id`.
    #[schema(example = "b5d1a9ec-9a54-4b8b-bf84-6b9a0c3f9d10")]
    id: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    code: u16,
    /// What went wrong, in words.
    #[schema(example = "not a readable image: it is empty")]
    error: &'a str,
}

impl Dialect {
    /// The dialect of a path, or of the pattern of a route.
    pub(crate) fn of_path(path: &str) -> Self {
        let is_below = |prefix: &str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if is_below(IMAGGA) {
            Self::Imagga
        } else if is_below(PHOTOPRISM) {
            Self::PhotoPrism
        } else {
            Self::Own
        }
    }

    /// The media type of errors.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Own => MEDIA_TYPE,
            Self::Imagga | Self::PhotoPrism => "application/json",
        }
    }

    /// The status of a problem. Imagga has fewer: a picture that cannot be had or read is a bad request, a quota that
    /// is used up is forbidden.
    pub(crate) fn status(self, code: Code) -> StatusCode {
        match (self, code) {
            (
                Self::Imagga,
                Code::NotAnImage
                | Code::UnsupportedFormat
                | Code::ImageTooLarge
                | Code::ImageTooComplex
                | Code::FetchingFailed
                | Code::FetchingNotAllowed
                | Code::UnsupportedMediaType,
            ) => StatusCode::BAD_REQUEST,
            (Self::Imagga, Code::QuotaExhausted) => StatusCode::FORBIDDEN,
            (Self::Imagga, Code::UpstreamBusy) => StatusCode::TOO_MANY_REQUESTS,
            _ => code.status(),
        }
    }

    /// The body of a problem, for the request with that id.
    pub(super) fn body(self, problem: &Problem, request_id: &str) -> Vec<u8> {
        let text = problem.detail.as_str();
        // Only text and numbers: serialisation cannot fail.
        let body = match self {
            Self::Own => serde_json::to_vec(&problem.document(request_id)),
            Self::Imagga => {
                let with_hint = format!("{text}; with HTTP Basic the key is the password");
                let is_of_key = problem.code == Code::Unauthenticated;
                serde_json::to_vec(&ImaggaErrorBody {
                    status: ImaggaErrorStatus {
                        text: if is_of_key { &with_hint } else { text },
                        kind: "error",
                    },
                })
            }
            Self::PhotoPrism => serde_json::to_vec(&PhotoPrismErrorBody {
                id: problem.subject.as_deref().unwrap_or(request_id),
                code: self.status(problem.code).as_u16(),
                error: text,
            }),
        };
        body.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/v2", Dialect::Imagga)]
    #[case("/v2/tags", Dialect::Imagga)]
    #[case("/v2/nowhere/else", Dialect::Imagga)]
    #[case("/v2.1/tags", Dialect::Own)]
    #[case("/v20", Dialect::Own)]
    #[case("/image/v2/tags", Dialect::Own)]
    #[case("/api/v1/vision/labels", Dialect::PhotoPrism)]
    #[case("/api/v1/visions", Dialect::Own)]
    #[case("/", Dialect::Own)]
    #[case("*", Dialect::Own)]
    fn the_path_tells(#[case] path: &str, #[case] dialect: Dialect) {
        assert_eq!(Dialect::of_path(path), dialect);
    }
}
