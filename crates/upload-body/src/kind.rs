//! The kinds of body that are read, and the `Content-Type` of each.

use thiserror::Error;

use crate::parameters::Parameters;

/// The content types that are taken, for error texts.
pub const TAKEN: &str =
    "application/json, image/*, application/octet-stream or multipart/form-data";

/// The longest boundary (RFC 2046 §5.1.1), in characters.
const LONGEST_BOUNDARY: usize = 70;

/// How a body holds the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKind {
    /// A JSON object with the picture in base64 as its member `data`.
    Json,
    /// The bytes of the picture.
    Raw,
    /// `multipart/form-data` (RFC 7578) with one file part.
    Multipart(Boundary),
}

/// The boundary between the parts of a multipart body: 1 to 70 of the characters of RFC 2046.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

/// Why a `Content-Type` is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContentTypeError {
    /// It is another one.
    #[error("the body must be {TAKEN}")]
    Unsupported,
    /// It is `multipart/form-data` without a boundary.
    #[error("multipart/form-data needs the parameter `boundary`; the body must be {TAKEN}")]
    NoBoundary,
    /// The boundary cannot be one.
    #[error("its boundary is not 1 to {LONGEST_BOUNDARY} of the characters that RFC 2046 allows")]
    BadBoundary,
}

impl BodyKind {
    /// The kind that a `Content-Type` names. Parameters other than `boundary` are ignored, and so is the subtype
    /// of `image/*`: the format of a picture is detected from its bytes.
    ///
    /// ```
    /// use upload_body::{BodyKind, ContentTypeError};
    ///
    /// assert_eq!(BodyKind::from_content_type("image/jpeg"), Ok(BodyKind::Raw));
    /// let unknown = BodyKind::from_content_type("text/plain");
    /// assert_eq!(unknown, Err(ContentTypeError::Unsupported));
    /// ```
    pub fn from_content_type(value: &str) -> Result<Self, ContentTypeError> {
        let parameters = Parameters::parse(value);
        let essence = parameters.main.to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "application/octet-stream" => Ok(Self::Raw),
            "multipart/form-data" => {
                let boundary = parameters.get("boundary");
                let boundary = boundary.ok_or(ContentTypeError::NoBoundary)?;
                Boundary::parse(boundary).map(Self::Multipart)
            }
            _ if essence.len() > "image/".len() && essence.starts_with("image/") => Ok(Self::Raw),
            _ => Err(ContentTypeError::Unsupported),
        }
    }
}

impl Boundary {
    /// Checks a boundary.
    pub fn parse(text: &str) -> Result<Self, ContentTypeError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
        let is_sound = (1..=LONGEST_BOUNDARY).contains(&text.len())
            && text.chars().all(is_allowed)
            && !text.ends_with(' ');
        if !is_sound {
            return Err(ContentTypeError::BadBoundary);
        }
        Ok(Self(text.to_owned()))
    }

    /// The boundary as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multipart(boundary: &str) -> BodyKind {
        BodyKind::Multipart(Boundary(boundary.to_owned()))
    }

    #[rstest::rstest]
    #[case("application/json", BodyKind::Json)]
    #[case("Application/JSON ; charset=utf-8", BodyKind::Json)]
    #[case("application/octet-stream", BodyKind::Raw)]
    #[case("image/jpeg", BodyKind::Raw)]
    #[case("IMAGE/x-anything;a=b", BodyKind::Raw)]
    #[case("multipart/form-data; boundary=xyz", multipart("xyz"))]
    #[case("multipart/form-data; x=y; boundary=\"a b:c\"", multipart("a b:c"))]
    #[case("Multipart/Form-Data;BOUNDARY=----=_1 ", multipart("----=_1"))]
    fn content_types(#[case] value: &str, #[case] kind: BodyKind) {
        assert_eq!(BodyKind::from_content_type(value), Ok(kind));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("text/plain")]
    #[case("application/jsonp")]
    #[case("application/problem+json")]
    #[case("application/x-www-form-urlencoded")]
    #[case("multipart/mixed; boundary=x")]
    #[case("image/")]
    #[case("image")]
    fn other_content_types_are_not_taken(#[case] value: &str) {
        let kind = BodyKind::from_content_type(value);
        assert_eq!(kind, Err(ContentTypeError::Unsupported));
    }

    #[test]
    fn a_boundary_has_1_to_70_characters() {
        let with = |boundary: &str| {
            BodyKind::from_content_type(&format!("multipart/form-data; boundary=\"{boundary}\""))
        };
        assert!(with(&"x".repeat(70)).is_ok());
        for bad in ["", "x ", "a;b", "ñ", "a\tb", &"x".repeat(71)] {
            assert_eq!(with(bad), Err(ContentTypeError::BadBoundary), "{bad}");
        }
        let missing = BodyKind::from_content_type("multipart/form-data; x=boundary");
        assert_eq!(missing, Err(ContentTypeError::NoBoundary));
    }
}
