//! Keywords in XMP sidecars and in JPEG files.
//!
//! [`read`] and [`embedded`] return the union of the fields in which photo programs keep keywords: `dc:subject`,
//! `lr:hierarchicalSubject`, `digiKam:TagsList`, and the keywords of IPTC-IIM. [`merge`] writes tags into a sidecar: it
//! changes these fields alone, leaves every other byte as it is, and takes back only what it wrote before, of which it
//! keeps note in properties of its own.
//!
//! Nothing here does I/O. Input is bounded in size, depth and number of keywords, is walked without recursion, and is
//! refused if it declares a document type or refers to an entity that XML does not predefine.

mod attributes;
mod document;
mod edits;
mod embedded;
mod encoding;
mod error;
mod field;
mod keywords;
mod merge;
mod parse;
mod prefixes;

pub use embedded::{Embedded, embedded};
pub use error::XmpError;
pub use keywords::{Keywords, read};
pub use merge::{Wanted, merge};

/// The most bytes of a sidecar, and of a packet in a picture.
pub const MAX_BYTES: usize = 16 << 20;

/// How deep elements may be nested.
const MAX_DEPTH: usize = 128;

/// The most keywords of all fields together.
const MAX_ITEMS: usize = 20_000;
