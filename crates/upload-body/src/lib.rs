//! The body of an upload, read as it arrives: the picture, its size and its digest in one pass, from JSON with
//! base64 or a URL, from bytes as they are, or from `multipart/form-data`; beside those, forms with a picture among
//! other fields, and JSON with several pictures.
//!
//! ```
//! use upload_body::{StreamedBody, Body, BodyKind, BodyLimits, Content};
//!
//! let limits = BodyLimits { image_bytes: 1 << 20 };
//! let mut body = Body::new(BodyKind::Json, limits, None);
//! for piece in [r#"{"data": "aGVs"#, r#"bG8="}"#] {
//!     body.push(piece.as_bytes())?;
//! }
//! let Content::Image(image) = body.finish()? else {
//!     panic!("it has no `url`");
//! };
//! assert_eq!(image.bytes.as_ref(), b"hello");
//! # Ok::<(), upload_body::BodyError>(())
//! ```
//!
//! Only the decoded image is held, and at most one megabyte of a document, or 8 KiB of the headers of a part,
//! beside it. The crate does no I/O; how fast pieces arrive, and how much memory all uploads may take, is the
//! caller's concern.

pub mod base64;
mod body;
mod decoder;
mod error;
mod escape;
mod form;
mod held;
mod image;
mod kind;
mod limits;
mod multipart;
mod parameters;
mod pictures;
mod prefix;
mod scanner;
mod streamed;
mod symbols;
mod syntax;

pub use self::{
    body::{Body, Content},
    decoder::TextError,
    error::{BodyError, FormError, MAX_PICTURES, PicturesError},
    form::{Form, FormBody, FormKind},
    held::Held,
    image::Received,
    kind::{BodyKind, Boundary, ContentTypeError, TAKEN},
    limits::{BodyLimits, buffers},
    multipart::{MultipartError, PartName},
    pictures::{Picture, Pictures, PicturesBody},
    scanner::DocumentError,
    streamed::StreamedBody,
    syntax::SyntaxError,
};
