//! Parses XMP: one pass over its events, with a stack of bounded depth.

use std::ops::Range;

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, Event},
};

use crate::{
    MAX_DEPTH, MAX_ITEMS, XmpError,
    attributes::{Attribute, attributes},
    document::{Document, Element, Form, Item, Property},
    encoding,
    field::{Field, Space},
    prefixes::Prefixes,
};

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Around the RDF.
    Wrapper,
    Rdf,
    Description {
        is_home: bool,
    },
    /// The last property.
    Property,
    Container,
    Item,
    /// A description in an item.
    ItemBody,
    /// `rdf:value` in an item: the value beside its qualifiers.
    Value,
    Other,
}

struct Frame {
    role: Role,
    start: usize,
}

struct Parser<'t> {
    text: &'t str,
    document: Document,
    prefixes: Prefixes<'t>,
    stack: Vec<Frame>,
    has_root: bool,
    has_rdf: bool,
    items: usize,
}

/// Parses XMP.
///
/// Metadata of other pictures, which this one was made of, are nested deeper and are passed over.
pub(crate) fn parse(text: &str) -> Result<Document, XmpError> {
    let mut reader = Reader::from_str(text);
    let mut parser = Parser {
        text,
        document: Document::default(),
        prefixes: Prefixes::default(),
        stack: Vec::new(),
        has_root: false,
        has_rdf: false,
        items: 0,
    };
    let mut start = 0;
    loop {
        let malformed = XmpError::Malformed { position: start };
        let event = reader.read_event().map_err(|_| malformed.clone())?;
        let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        match event {
            Event::Start(_) => parser.open(start..end, 1)?,
            Event::Empty(_) => {
                parser.open(start..end, 2)?;
                parser.close(start..end)?;
            }
            Event::End(_) => parser.close(start..end)?,
            Event::Text(_) => parser.characters(text.get(start..end), start)?,
            Event::CData(content) => {
                let content = content.decode().map_err(|_| malformed.clone())?;
                parser.characters(Some(&content), start)?;
            }
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                let referred = referred(&reference, &mut buffer)?;
                parser.characters(Some(referred), start)?;
            }
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(encoding)) if !encoding::is_fitting(&encoding) => {
                    return Err(XmpError::Encoding);
                }
                Some(Err(_)) => return Err(malformed),
                _ => {}
            },
            Event::DocType(_) => return Err(XmpError::DocumentType),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
        start = end;
    }
    parser.end()
}

/// The text that a reference stands for.
fn referred<'b>(reference: &BytesRef, buffer: &'b mut [u8; 4]) -> Result<&'b str, XmpError> {
    if let Some(referred) = reference.resolve_char_ref().map_err(|_| XmpError::Entity)? {
        return Ok(referred.encode_utf8(buffer));
    }
    let name = reference.decode().map_err(|_| XmpError::Encoding)?;
    resolve_xml_entity(&name).ok_or(XmpError::Entity)
}

impl<'t> Parser<'t> {
    fn open(&mut self, tag: Range<usize>, closing: usize) -> Result<(), XmpError> {
        let malformed = XmpError::Malformed {
            position: tag.start,
        };
        if self.stack.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return Err(malformed);
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(XmpError::TooDeep);
        }
        let text: &'t str = self.text;
        let inside = text.get(tag.start + 1..tag.end.saturating_sub(closing));
        let (name, attributes) = attributes(inside.ok_or(malformed)?, tag.start + 1)?;
        let depth = self.stack.len();
        for attribute in &attributes {
            let value = attribute.value()?;
            if let Some(prefix) = attribute.declared() {
                self.prefixes.declare(depth, prefix, &value);
            }
        }
        let role = self.role(name, &attributes, &tag)?;
        let start = tag.start;
        self.stack.push(Frame { role, start });
        Ok(())
    }

    /// What an element is, by the one around it.
    fn role(
        &mut self,
        name: &str,
        attributes: &[Attribute],
        tag: &Range<usize>,
    ) -> Result<Role, XmpError> {
        let around = self.stack.last().map(|frame| frame.role);
        let known = self.prefixes.element(name);
        let rdf = known.and_then(|(space, local)| (space == Space::Rdf).then_some(local));
        Ok(match (around, rdf) {
            (None | Some(Role::Wrapper), Some("RDF")) if !self.has_rdf => self.rdf(name, tag),
            (None, _) => Role::Wrapper,
            (Some(Role::Rdf), Some("Description")) => {
                self.description(attributes)?;
                Role::Description { is_home: false }
            }
            (Some(Role::Description { .. }), None) => match known {
                Some((space, local)) => self.property(Field::find(space, local), attributes, tag),
                None => Role::Other,
            },
            (Some(Role::Property), Some("Bag" | "Seq" | "Alt")) => self.container(tag),
            (Some(Role::Property), _) => {
                self.set_form(|_| Form::Opaque);
                Role::Other
            }
            (Some(Role::Container), Some("li")) => {
                self.add_item(String::new())?;
                Role::Item
            }
            (Some(Role::Item), Some("Description")) => Role::ItemBody,
            (Some(Role::Item | Role::ItemBody), Some("value")) => {
                self.set_text(String::new());
                Role::Value
            }
            _ => Role::Other,
        })
    }

    fn rdf(&mut self, name: &str, tag: &Range<usize>) -> Role {
        self.has_rdf = true;
        self.document.rdf.opening = tag.clone();
        let prefix = name.strip_suffix("RDF").unwrap_or_default();
        prefix.clone_into(&mut self.document.rdf_prefix);
        Role::Rdf
    }

    /// Notes what a description is about, and properties that are attributes of it.
    fn description(&mut self, attributes: &[Attribute]) -> Result<(), XmpError> {
        for attribute in attributes {
            match self.prefixes.attribute(attribute.name) {
                Some((Space::Rdf, "about")) => {
                    let quoted = || attribute.quoted.to_owned();
                    self.document.about.get_or_insert_with(quoted);
                }
                Some((space, local)) => {
                    if let Some(field) = Field::find(space, local) {
                        let form = Form::Attribute(attribute.span.clone());
                        self.begin_property(field, form);
                        self.add_item(attribute.value()?.into_owned())?;
                        self.trim_text();
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn property(
        &mut self,
        field: Option<Field>,
        attributes: &[Attribute],
        tag: &Range<usize>,
    ) -> Role {
        let Some(field) = field else {
            return Role::Other;
        };
        let is_of_rdf = |attribute: &Attribute| {
            let known = self.prefixes.attribute(attribute.name);
            known.is_some_and(|(space, _)| space == Space::Rdf)
        };
        let is_opaque = attributes.iter().any(is_of_rdf);
        let element = Element {
            span: tag.clone(),
            opening: tag.clone(),
        };
        if let Some(Frame {
            role: Role::Description { is_home },
            ..
        }) = self.stack.last_mut()
        {
            *is_home |= field.space() == Space::Own;
        }
        if is_opaque {
            self.begin_property(field, Form::Opaque);
            return Role::Other;
        }
        self.begin_property(field, Form::Literal(element));
        Role::Property
    }

    fn begin_property(&mut self, field: Field, form: Form) {
        self.document.properties.push(Property {
            field,
            form,
            items: Vec::new(),
        });
    }

    /// An array; of several in a property only the first.
    fn container(&mut self, tag: &Range<usize>) -> Role {
        let mut role = Role::Other;
        self.set_form(|form| match form {
            Form::Literal(element) => {
                role = Role::Container;
                let (element, opening) = (element.clone(), tag.clone());
                let span = tag.clone();
                let container = Element { span, opening };
                Form::Array { element, container }
            }
            _ => Form::Opaque,
        });
        // The text before it.
        if let (Role::Container, Some(property)) = (role, self.last()) {
            property.items.clear();
        }
        role
    }

    fn last(&mut self) -> Option<&mut Property> {
        self.document.properties.last_mut()
    }

    fn set_form(&mut self, change: impl FnOnce(&Form) -> Form) {
        if let Some(property) = self.last() {
            property.form = change(&property.form);
        }
    }

    fn add_item(&mut self, text: String) -> Result<(), XmpError> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(XmpError::TooMany);
        }
        if let Some(property) = self.last() {
            let span = 0..0;
            property.items.push(Item { text, span });
        }
        Ok(())
    }

    fn set_text(&mut self, text: String) {
        if let Some(item) = self.last().and_then(|property| property.items.last_mut()) {
            item.text = text;
        }
    }

    fn trim_text(&mut self) {
        if let Some(item) = self.last().and_then(|property| property.items.last_mut()) {
            item.text = item.text.trim().to_owned();
        }
    }

    fn characters(&mut self, text: Option<&str>, position: usize) -> Result<(), XmpError> {
        let malformed = XmpError::Malformed { position };
        let text = text.ok_or_else(|| malformed.clone())?;
        let Some(frame) = self.stack.last() else {
            return if text.trim_ascii().is_empty() {
                Ok(())
            } else {
                Err(malformed)
            };
        };
        let role = frame.role;
        if !matches!(role, Role::Property | Role::Item | Role::Value) {
            return Ok(());
        }
        if role == Role::Property && self.last().is_some_and(|it| it.items.is_empty()) {
            self.add_item(String::new())?;
        }
        let is_text = |form: &Form| role != Role::Property || matches!(form, Form::Literal(_));
        if let Some(property) = self.last()
            && is_text(&property.form)
            && let Some(item) = property.items.last_mut()
        {
            item.text.push_str(text);
        }
        Ok(())
    }

    fn close(&mut self, tag: Range<usize>) -> Result<(), XmpError> {
        let malformed = XmpError::Malformed {
            position: tag.start,
        };
        let frame = self.stack.pop().ok_or(malformed)?;
        self.prefixes.leave(self.stack.len());
        match frame.role {
            Role::Rdf => self.document.rdf.span = frame.start..tag.end,
            Role::Description { is_home: true } => self.document.home = Some(tag.start),
            Role::Property => self.close_property(frame.start..tag.end),
            Role::Container => self.set_form(|form| match form.clone() {
                Form::Array {
                    element,
                    mut container,
                } => {
                    container.span = frame.start..tag.end;
                    Form::Array { element, container }
                }
                other => other,
            }),
            Role::Item => {
                self.trim_text();
                if let Some(item) = self.last().and_then(|it| it.items.last_mut()) {
                    item.span = frame.start..tag.end;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close_property(&mut self, span: Range<usize>) {
        self.set_form(|form| match form.clone() {
            Form::Literal(element) => Form::Literal(Element { span, ..element }),
            Form::Array { element, container } => Form::Array {
                element: Element { span, ..element },
                container,
            },
            other => other,
        });
        if let Some(property) = self.last()
            && matches!(property.form, Form::Literal(_))
        {
            for item in &mut property.items {
                item.text = item.text.trim().to_owned();
            }
            property.items.retain(|item| !item.text.is_empty());
        }
    }

    fn end(self) -> Result<Document, XmpError> {
        if !self.stack.is_empty() {
            let position = self.text.len();
            return Err(XmpError::Malformed { position });
        }
        if self.has_rdf {
            Ok(self.document)
        } else {
            Err(XmpError::NoXmp)
        }
    }
}
