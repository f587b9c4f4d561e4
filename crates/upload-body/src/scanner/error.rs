//! Why a document is not read.

use thiserror::Error;

use super::SKELETON;
use crate::syntax::SyntaxError;

/// Why a document was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It is not JSON.
    #[error("the body is not valid JSON: {0}")]
    NotJson(SyntaxError),
    /// It is not UTF-8.
    #[error("the body is not UTF-8; JSON is taken in UTF-8 alone")]
    NotUtf8,
    /// It is JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// Neither member is there.
    #[error("the body has no member `data`, nor `url`")]
    Missing,
    /// Both members are there.
    #[error("the body has both `data` and `url`; it must have one of them")]
    Both,
    /// The URL is of another kind.
    #[error("the member `url` is not text")]
    UrlNotText,
    /// The member is given more than once.
    #[error("the body has more than one member `data`")]
    Repeated,
    /// The member is not a string.
    #[error("the member `data` is not text")]
    NotText,
    /// The rest of the document is too large.
    #[error("the body holds more than {SKELETON} bytes beside `data`")]
    TooLarge,
}

impl DocumentError {
    /// The limit that was exceeded, in bytes. `None` if the document is invalid.
    pub(crate) fn limit(&self) -> Option<u64> {
        matches!(self, Self::TooLarge).then_some(SKELETON as u64)
    }
}
