//! The JSON body of an upload, read as it arrives: grammar, base64, size and digest in one pass.
//!
//! ```
//! use upload_body::{Body, BodyLimits};
//!
//! let mut body = Body::new(BodyLimits { image_bytes: 1 << 20 }, None);
//! for piece in [r#"{"data": "aGVs"#, r#"bG8="}"#] {
//!     body.push(piece.as_bytes())?;
//! }
//! assert_eq!(body.finish()?.bytes.as_ref(), b"hello");
//! # Ok::<(), upload_body::BodyError>(())
//! ```
//!
//! Only the decoded image is held, and at most one megabyte of the document beside it. The crate does no I/O;
//! how fast pieces arrive, and how much memory all uploads may take, is the caller's concern.

pub mod base64;
mod body;
mod decoder;
mod escape;
mod held;
mod prefix;
mod scanner;
mod symbols;
mod syntax;

pub use self::{
    body::{Body, BodyError, BodyLimits, Received, buffers},
    decoder::TextError,
    held::Held,
    scanner::DocumentError,
    syntax::SyntaxError,
};
