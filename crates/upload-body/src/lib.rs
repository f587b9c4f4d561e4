//! The body of an upload, read as it arrives: the picture, its size and its digest in one pass, from JSON with
//! base64 or a URL, from bytes as they are, or from `multipart/form-data`.
//!
//! ```
//! use upload_body::{Body, BodyKind, BodyLimits, Content};
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
mod escape;
mod held;
mod kind;
mod multipart;
mod parameters;
mod prefix;
mod scanner;
mod symbols;
mod syntax;

pub use self::{
    body::{Body, BodyError, BodyLimits, Content, Received, buffers},
    decoder::TextError,
    held::Held,
    kind::{BodyKind, Boundary, ContentTypeError, TAKEN},
    multipart::{MultipartError, PartName},
    scanner::DocumentError,
    syntax::SyntaxError,
};
