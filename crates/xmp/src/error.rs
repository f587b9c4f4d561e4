//! Why XMP is not read.

use thiserror::Error;

use crate::{MAX_BYTES, MAX_DEPTH, MAX_ITEMS};

/// Why XMP is not read, or not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmpError {
    /// It is larger than [`MAX_BYTES`].
    #[error("the XMP has more than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// It is neither UTF-8 nor UTF-16, or says that it is something else.
    #[error("the XMP is not in UTF-8 or UTF-16")]
    Encoding,
    /// It declares a document type, with which entities could be declared.
    #[error("the XMP has a document type declaration, which is not allowed")]
    DocumentType,
    /// It refers to an entity that XML does not predefine.
    #[error("the XMP refers to an unknown entity")]
    Entity,
    /// Its elements are nested too deep.
    #[error("the elements of the XMP are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It has too many keywords.
    #[error("the XMP has more than {MAX_ITEMS} keywords")]
    TooMany,
    /// It is not well-formed XML.
    #[error("the XMP is not well-formed at byte {position}")]
    Malformed {
        /// Where, in bytes of its text as UTF-8.
        position: usize,
    },
    /// It is XML, but no XMP.
    #[error("the file has no XMP")]
    NoXmp,
    /// A property to which keywords would be added has a form that XMP does not have.
    #[error("the XMP has {name} in an unknown form")]
    Form {
        /// The name of the property.
        name: &'static str,
    },
    /// The merged sidecar does not say what it should.
    #[error("the XMP cannot be changed without losing something")]
    Unmergeable,
}
