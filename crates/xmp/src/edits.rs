//! Changes of a document's text, at the places concerned alone.

use std::{collections::HashMap, fmt::Write as _, ops::Range};

use quick_xml::escape::partial_escape;

use crate::{
    XmpError,
    document::{Document, Element, Form, Property},
    field::{Field, Space},
};

/// The longest indentation that is repeated.
const LONGEST_INDENTATION: usize = 64;

/// Where a text is put in an element.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Instead of what is in it.
    Instead,
    /// Behind what is in it.
    Behind,
}

/// Changes to make, and the document that they are made to.
pub(crate) struct Edits<'d> {
    text: &'d str,
    document: &'d Document,
    splices: Vec<(Range<usize>, String)>,
    /// Properties that there are not yet.
    new: Vec<(Field, Vec<String>)>,
}

impl<'d> Edits<'d> {
    pub(crate) fn new(text: &'d str, document: &'d Document) -> Self {
        Self {
            text,
            document,
            splices: Vec::new(),
            new: Vec::new(),
        }
    }

    /// Removes values of a field, each as often as it is named, and adds others.
    pub(crate) fn change(
        &mut self,
        field: Field,
        removed: &[&str],
        mut added: Vec<String>,
    ) -> Result<(), XmpError> {
        let mut left: HashMap<&str, usize> = HashMap::new();
        for value in removed {
            *left.entry(*value).or_default() += 1;
        }
        let document = self.document;
        let properties = document.properties.iter().filter(|it| it.field == field);
        let mut is_opaque = false;
        for property in properties {
            let is_removed: Vec<bool> = property
                .items
                .iter()
                .map(|item| match left.get_mut(item.text.as_str()) {
                    Some(count) if *count > 0 => {
                        *count -= 1;
                        true
                    }
                    _ => false,
                })
                .collect();
            is_opaque |= property.form == Form::Opaque;
            self.rewrite(property, &is_removed, &mut added);
        }
        if added.is_empty() {
            return Ok(());
        }
        if is_opaque {
            let name = field.name();
            return Err(XmpError::Form { name });
        }
        self.new.push((field, added));
        Ok(())
    }

    /// Removes some values of a property, and takes values to add if its form allows.
    fn rewrite(&mut self, property: &Property, is_removed: &[bool], added: &mut Vec<String>) {
        let is_changed = is_removed.contains(&true) || !added.is_empty();
        let is_all_removed = !is_removed.contains(&false);
        match &property.form {
            _ if !is_changed => {}
            Form::Opaque => {}
            Form::Attribute(span) => {
                // An attribute holds one value alone.
                added.splice(0..0, kept(property, is_removed));
                self.remove(span.clone());
            }
            Form::Literal(element) | Form::Array { element, .. }
                if is_all_removed && added.is_empty() =>
            {
                self.remove(self.with_blanks(&element.span));
            }
            Form::Literal(element) => {
                let values = kept(property, is_removed).chain(std::mem::take(added));
                let array = self.array(property.field, &values.collect::<Vec<_>>());
                self.fill(element, &array, Place::Instead);
            }
            Form::Array { container, .. } => {
                for (item, is_removed) in property.items.iter().zip(is_removed) {
                    if *is_removed {
                        self.remove(self.with_blanks(&item.span));
                    }
                }
                let blanks = self.indentation(property);
                let values = std::mem::take(added);
                let items = self.items(&values, &blanks);
                self.fill(container, &items, Place::Behind);
            }
        }
    }

    fn remove(&mut self, span: Range<usize>) {
        self.splices.push((span, String::new()));
    }

    /// A place with the blanks before it.
    fn with_blanks(&self, span: &Range<usize>) -> Range<usize> {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.trim_ascii_end().len()..span.end
    }

    /// The blanks before the values of an array.
    fn indentation(&self, property: &Property) -> String {
        let first = property.items.first();
        let blanks = first.map(|item| self.with_blanks(&item.span).start..item.span.start);
        let blanks = blanks.and_then(|span| self.text.get(span));
        let blanks = blanks.filter(|blanks| blanks.len() <= LONGEST_INDENTATION);
        blanks.unwrap_or_default().to_owned()
    }

    fn items(&self, values: &[String], blanks: &str) -> String {
        let prefix = &self.document.rdf_prefix;
        let mut items = String::new();
        for value in values {
            let value = partial_escape(value.as_str());
            // Writing to a string does not fail.
            let _ = write!(items, "{blanks}<{prefix}li>{value}</{prefix}li>");
        }
        items
    }

    /// An array of a property.
    fn array(&self, field: Field, values: &[String]) -> String {
        let (prefix, name) = (&self.document.rdf_prefix, field.array());
        let items = self.items(values, "\n     ");
        format!("\n    <{prefix}{name}>{items}\n    </{prefix}{name}>\n   ")
    }

    /// Puts a text into an element.
    fn fill(&mut self, element: &Element, content: &str, place: Place) {
        if content.is_empty() {
            return;
        }
        let opening = self.text.get(element.opening.clone()).unwrap_or_default();
        if element.is_empty() {
            let opening = opening.trim_end_matches("/>");
            let name = opening.trim_start_matches('<');
            let name = name.split_ascii_whitespace().next().unwrap_or_default();
            let whole = format!("{opening}>{content}</{name}>");
            self.splices.push((element.span.clone(), whole));
            return;
        }
        let inside = element.opening.end..element.span.end;
        let inside = self.text.get(inside).unwrap_or_default();
        let end = element.opening.end + inside.rfind("</").unwrap_or_default();
        let before = self.text.get(element.opening.end..end).unwrap_or_default();
        let behind = element.opening.end + before.trim_ascii_end().len();
        let span = match place {
            Place::Instead => element.opening.end..end,
            Place::Behind => behind..behind,
        };
        self.splices.push((span, content.to_owned()));
    }

    /// The changed text; none if there was nothing to change.
    pub(crate) fn finish(mut self) -> Option<String> {
        self.add_properties();
        if self.splices.is_empty() {
            return None;
        }
        self.splices.sort_by_key(|(span, _)| (span.start, span.end));
        let mut changed = String::with_capacity(self.text.len());
        let mut at = 0;
        for (span, content) in &self.splices {
            changed.push_str(self.text.get(at..span.start).unwrap_or_default());
            changed.push_str(content);
            at = span.end;
        }
        changed.push_str(self.text.get(at..).unwrap_or_default());
        Some(changed)
    }

    /// Puts new properties into the description that has Etiqueta's own, or into a new one.
    fn add_properties(&mut self) {
        let new = std::mem::take(&mut self.new);
        if new.is_empty() {
            return;
        }
        let mut properties = String::new();
        for (field, values) in new {
            let (name, array) = (field.name(), self.array(field, &values));
            let space = field.space();
            let (prefix, uri) = (space.prefix(), space.uri());
            let declared = match self.document.home {
                Some(_) => format!(" xmlns:{prefix}=\"{uri}\""),
                None => String::new(),
            };
            let _ = write!(properties, "\n   <{name}{declared}>{array}</{name}>");
        }
        if let Some(home) = self.document.home {
            let place = self.with_blanks(&(home..home));
            self.splices.push((place.start..place.start, properties));
        } else {
            let description = self.description(&properties);
            let rdf = self.document.rdf.clone();
            self.fill(&rdf, &description, Place::Behind);
        }
    }

    fn description(&self, properties: &str) -> String {
        let about = self.document.about.as_deref().unwrap_or("\"\"");
        let rdf = Space::Rdf;
        let mut declared = String::new();
        for space in Space::ALL {
            let (prefix, uri) = (space.prefix(), space.uri());
            if space != rdf || self.document.rdf_prefix != "rdf:" {
                let _ = write!(declared, "\n    xmlns:{prefix}=\"{uri}\"");
            }
        }
        format!(
            "\n  <rdf:Description rdf:about={about}{declared}>{properties}\n  </rdf:Description>"
        )
    }
}

/// The values of a property that are not removed.
fn kept(property: &Property, is_removed: &[bool]) -> impl Iterator<Item = String> {
    let items = property.items.iter().zip(is_removed);
    let kept = items.filter(|(_, is_removed)| !**is_removed);
    kept.map(|(item, _)| item.text.clone())
}
