//! Why bodies are not taken.

use thiserror::Error;

use crate::{
    decoder::TextError, multipart::MultipartError, scanner::DocumentError, syntax::SyntaxError,
};

/// The most pictures of a document.
pub const MAX_PICTURES: usize = 16;

/// The longest URL, in bytes.
pub(crate) const LONGEST_URL: usize = 8 << 10;

/// The most bytes of all fields but the picture, names and values.
pub(crate) const FIELDS: usize = 64 << 10;

/// The most fields.
pub(crate) const MOST_FIELDS: usize = 64;

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is no JSON object with a text `data` or `url`.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The text is not base64.
    #[error(transparent)]
    Text(TextError),
    /// It is no multipart body with one file part.
    #[error(transparent)]
    Multipart(#[from] MultipartError),
    /// It is no form with at most one picture.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It is no JSON object with pictures.
    #[error(transparent)]
    Pictures(#[from] PicturesError),
    /// There are no bytes where the body is the picture.
    #[error("the body is empty; it must be the picture")]
    Empty,
    /// The image is too large.
    #[error("the image has more than the {0} bytes allowed")]
    ImageTooLarge(usize),
    /// The body is too large.
    #[error("the body has more than the {0} bytes allowed")]
    BodyTooLarge(u64),
}

impl BodyError {
    /// The limit that was exceeded, in bytes.
    pub fn limit(&self) -> Option<u64> {
        match self {
            Self::Document(error) => error.limit(),
            Self::Multipart(error) => error.limit(),
            Self::Form(error) => error.limit(),
            Self::Pictures(error) => error.limit(),
            Self::Text(_) | Self::Empty => None,
            Self::ImageTooLarge(limit) => Some(*limit as u64),
            Self::BodyTooLarge(limit) => Some(*limit),
        }
    }
}

impl From<TextError> for BodyError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Control(offset) => {
                let problem =
                    format!("a control character stands in `data` at its offset {offset}");
                Self::Document(DocumentError::NotJson(SyntaxError::new(problem)))
            }
            TextError::NotUtf8 => Self::Document(DocumentError::NotUtf8),
            error => Self::Text(error),
        }
    }
}

/// Why a form is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// Two fields hold a picture.
    #[error("the form has more than one picture; send one of `image` and `image_base64`")]
    SecondPicture,
    /// A picture has a transfer encoding.
    #[error("`image` has a Content-Transfer-Encoding; send its bytes unencoded, or `image_base64`")]
    Encoded,
    /// `image_base64` holds other characters.
    #[error("`image_base64` is not base64")]
    NotBase64,
    /// The other fields are too many or too long.
    #[error("the form has more than {FIELDS} bytes, or {MOST_FIELDS} fields, beside the picture")]
    TooLarge,
}

impl FormError {
    /// The limit that was exceeded, in bytes.
    pub(crate) fn limit(&self) -> Option<u64> {
        matches!(self, Self::TooLarge).then_some(FIELDS as u64)
    }
}

/// Why a document with pictures is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PicturesError {
    /// It is no JSON object.
    #[error(transparent)]
    Document(DocumentError),
    /// The member is given more than once.
    #[error("the body has more than one member `images`")]
    Repeated,
    /// The member is something else.
    #[error("the member `images` is not an array of texts")]
    NotTexts,
    /// A picture is neither base64 nor a URL.
    #[error("picture {0} of `images` is neither a data URL in base64, nor a URL of http or https")]
    NotAPicture(usize),
    /// A URL is too long.
    #[error("a URL in `images` has more than the {LONGEST_URL} bytes allowed")]
    LongUrl,
    /// There are too many pictures.
    #[error("`images` has more than the {MAX_PICTURES} pictures allowed")]
    TooMany,
    /// There is no picture.
    #[error("the body has no picture: neither in `images`, nor at `url`")]
    Missing,
}

impl PicturesError {
    /// The limit that was exceeded, in bytes.
    pub(crate) fn limit(&self) -> Option<u64> {
        match self {
            Self::Document(error) => error.limit(),
            _ => None,
        }
    }
}
