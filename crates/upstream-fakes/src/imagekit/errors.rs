//! ImageKit's errors, in its own words.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::call::Reply;

/// The blank before the last dot is in the real traffic.
const HELP: &str = "For support kindly contact us at support@imagekit.io .";

/// An error: status and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: &'static str,
    pub(crate) reason: Option<&'static str>,
}

const fn api_error(status: StatusCode, message: &'static str) -> ApiError {
    ApiError {
        status,
        message,
        reason: None,
    }
}

const fn bad(message: &'static str) -> ApiError {
    api_error(StatusCode::BAD_REQUEST, message)
}

pub(crate) const NO_KEY: ApiError = api_error(
    StatusCode::UNAUTHORIZED,
    "Your request does not contain private API key.",
);
pub(crate) const WRONG_KEY: ApiError = api_error(
    StatusCode::FORBIDDEN,
    "Your account cannot be authenticated.",
);
pub(crate) const NO_SUCH_FILE: ApiError =
    api_error(StatusCode::NOT_FOUND, "The requested file does not exist.");
pub(crate) const NO_SUCH_ENDPOINT: ApiError = api_error(
    StatusCode::NOT_FOUND,
    "The requested endpoint does not exist.",
);
pub(crate) const NO_SUCH_PURGE: ApiError = api_error(
    StatusCode::NOT_FOUND,
    "The requested purge request does not exist.",
);
pub(crate) const MISSING_FILE: ApiError = bad("Your request is missing file parameter.");
pub(crate) const MISSING_FILE_NAME: ApiError = bad("Your request is missing fileName parameter.");
pub(crate) const TOO_LARGE: ApiError =
    bad("Your request contains invalid file parameter. The file size exceeds limits.");
pub(crate) const INVALID_FILE: ApiError = bad("Your request contains invalid file parameter.");
pub(crate) const INVALID_FILE_ID: ApiError = bad("Your request contains invalid fileId parameter.");
pub(crate) const INVALID_FORM: ApiError = bad("Your request contains invalid form data.");
pub(crate) const UNKNOWN_PARAMETER: ApiError = bad("Your request contains an unknown parameter.");
pub(crate) const INVALID_FLAG: ApiError =
    bad("Your request contains a parameter that is neither true nor false.");
pub(crate) const INVALID_FOLDER: ApiError = bad("Your request contains invalid folder parameter.");
pub(crate) const INVALID_TAGS: ApiError = bad("Your request contains invalid tags parameter.");
pub(crate) const INVALID_JSON: ApiError =
    bad("Your request contains a parameter that is no stringified JSON.");
pub(crate) const INVALID_RESPONSE_FIELDS: ApiError =
    bad("Your request contains invalid responseFields parameter.");
pub(crate) const INVALID_LISTING: ApiError = bad("Your request contains invalid list parameter.");
pub(crate) const INVALID_SEARCH: ApiError = bad("Your request contains invalid searchQuery.");
pub(crate) const INVALID_URL: ApiError = bad("Your request contains invalid url parameter.");
pub(crate) const TWO_SIGNATURES: ApiError =
    bad("Your request contains both signature and basic auth.");
pub(crate) const IDS_MISSING: ApiError = bad("fileIds parameter is missing.");
pub(crate) const IDS_TOO_MANY: ApiError = bad("fileIds cannot have more than 100 items.");
pub(crate) const IDS_NO_ARRAY: ApiError = bad("fileIds should be an Array.");
pub(crate) const IDS_EMPTY: ApiError = bad("fileIds is empty.");
pub(crate) const NAME_TAKEN: ApiError = ApiError {
    status: StatusCode::BAD_REQUEST,
    message: "A file with the same name already exists at the exact location. We could not \
              overwrite it because both overwriteFile and useUniqueFileName are set to false.",
    reason: Some("FILE_ALREADY_EXISTS"),
};

impl ApiError {
    pub(crate) fn reply(&self) -> Reply {
        let mut body = json!({ "message": self.message, "help": HELP });
        if let (Some(reason), Some(fields)) = (self.reason, body.as_object_mut()) {
            fields.insert("reason".to_owned(), json!(reason));
        }
        Reply::json(self.status, &body)
    }
}

/// The body of a status forced by a test.
pub(crate) fn forced(status: StatusCode) -> Reply {
    let message = match status.as_u16() {
        401 => NO_KEY.message,
        403 => WRONG_KEY.message,
        404 => NO_SUCH_FILE.message,
        429 => "Your request has exceeded the rate limit.",
        500.. => "We have encountered an internal error. Please try again.",
        _ => "Your request cannot be processed.",
    };
    api_error(status, message).reply()
}

/// The error of a bulk delete, which names the unknown ids.
pub(crate) fn missing_files(ids: &[String]) -> Reply {
    let message = "The requested file(s) does not exist.";
    let body = json!({ "message": message, "help": HELP, "missingFileIds": ids });
    Reply::json(StatusCode::NOT_FOUND, &body)
}
