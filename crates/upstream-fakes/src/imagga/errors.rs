//! Imagga's errors, in its envelope.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::call::Reply;

/// An error: status and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    text: &'static str,
}

const fn api_error(status: StatusCode, text: &'static str) -> ApiError {
    ApiError { status, text }
}

const fn bad(text: &'static str) -> ApiError {
    api_error(StatusCode::BAD_REQUEST, text)
}

pub(crate) const UNAUTHORIZED: ApiError = api_error(
    StatusCode::UNAUTHORIZED,
    "Authorization failed. Please check your API key and API secret.",
);
pub(crate) const QUOTA: ApiError = api_error(
    StatusCode::FORBIDDEN,
    "You have reached your monthly limits for this subscription.",
);
pub(crate) const NO_SUCH_ENDPOINT: ApiError = api_error(
    StatusCode::NOT_FOUND,
    "The requested endpoint does not exist.",
);
pub(crate) const NO_SUCH_UPLOAD: ApiError = api_error(
    StatusCode::NOT_FOUND,
    "The requested upload does not exist.",
);
pub(crate) const WRONG_METHOD: ApiError = api_error(
    StatusCode::METHOD_NOT_ALLOWED,
    "The method is not allowed for this endpoint.",
);
pub(crate) const NOT_ACCEPTABLE: ApiError =
    api_error(StatusCode::NOT_ACCEPTABLE, "Only JSON can be answered.");
pub(crate) const EXPIRED: ApiError = api_error(StatusCode::GONE, "The upload has expired.");
/// The text of the recorded traffic, for any problem of the picture.
pub(crate) const CLASSIFICATION: ApiError =
    bad("Unexpected error while running the classification job.");
pub(crate) const NO_INPUT: ApiError =
    bad("Missing parameter: one of image_url, image_upload_id, image or image_base64.");
pub(crate) const TWO_INPUTS: ApiError =
    bad("Only one of image_url, image_upload_id, image or image_base64 may be given.");
pub(crate) const WRONG_INPUT: ApiError =
    bad("GET takes image_url or image_upload_id, POST takes image or image_base64.");
pub(crate) const NOT_ENCODED: ApiError = bad("The parameter image_url is not percent-encoded.");
pub(crate) const INVALID_URL: ApiError = bad("The parameter image_url is no valid URL.");
pub(crate) const INVALID_FORM: ApiError = bad("The body is no valid form.");
pub(crate) const INVALID_BASE64: ApiError = bad("The parameter image_base64 is no valid base64.");
pub(crate) const IMAGE_IS_NO_FILE: ApiError = bad("The parameter image is not sent as a file.");
pub(crate) const REPEATED: ApiError = bad("A parameter is there more than once.");
pub(crate) const UNKNOWN_PARAMETER: ApiError = bad("A parameter is unknown.");
pub(crate) const INVALID_LIMIT: ApiError = bad("The parameter limit is not valid.");
pub(crate) const INVALID_THRESHOLD: ApiError = bad("The parameter threshold is not valid.");
pub(crate) const INVALID_FLAG: ApiError = bad("A parameter is neither 0 nor 1.");
pub(crate) const INVALID_LANGUAGE: ApiError = bad("The parameter language is not valid.");

impl ApiError {
    /// The response; it has a status and no result.
    pub(crate) fn reply(&self) -> Reply {
        let body = json!({ "status": { "text": self.text, "type": "error" } });
        Reply::json(self.status, &body)
    }
}

/// The body of a status forced by a test, or caused by the concurrency limit.
pub(crate) fn forced(status: StatusCode) -> Reply {
    let text = match status.as_u16() {
        401 => UNAUTHORIZED.text,
        403 => QUOTA.text,
        429 => "You have reached your concurrency limit.",
        503 => "The service is under maintenance.",
        500.. => "An unexpected server error occurred.",
        _ => "The request cannot be processed.",
    };
    api_error(status, text).reply()
}
