//! The structure of an XMP document, as far as it concerns keywords.

use std::ops::Range;

use crate::field::Field;

/// An element: its place in the text, and that of its start tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) span: Range<usize>,
    pub(crate) opening: Range<usize>,
}

impl Element {
    /// Whether it is a tag that ends itself.
    pub(crate) fn is_empty(&self) -> bool {
        self.span == self.opening
    }
}

/// How a property is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// An attribute, with the blanks before it.
    Attribute(Range<usize>),
    /// An element with a text.
    Literal(Element),
    /// An element with an array in it.
    Array {
        element: Element,
        container: Element,
    },
    /// An element with something else.
    Opaque,
}

/// One of the values of a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) text: String,
    /// The place of its element; empty if the property is no array.
    pub(crate) span: Range<usize>,
}

/// A property with keywords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) field: Field,
    pub(crate) form: Form,
    pub(crate) items: Vec<Item>,
}

/// What concerns keywords in an XMP document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) properties: Vec<Property>,
    pub(crate) rdf: Element,
    /// The prefix of RDF, with its colon.
    pub(crate) rdf_prefix: String,
    /// What the metadata are about, in quotes.
    pub(crate) about: Option<String>,
    /// The end of a description with properties of Etiqueta.
    pub(crate) home: Option<usize>,
}

impl Document {
    /// The values of a field, from all its properties.
    pub(crate) fn values(&self, field: Field) -> impl Iterator<Item = &str> {
        let properties = self.properties.iter().filter(move |it| it.field == field);
        let items = properties.flat_map(|property| &property.items);
        items
            .map(|item| item.text.as_str())
            .filter(|text| !text.is_empty())
    }
}
