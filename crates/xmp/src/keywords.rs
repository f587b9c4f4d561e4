//! Reading keywords.

use std::collections::{HashMap, HashSet};

use domain::{Confidence, Label, SourceKind, Tag};

use crate::{
    MAX_DEPTH, MAX_ITEMS, XmpError, document::Document, encoding::decode, field::Field,
    parse::parse,
};

/// The keywords of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keywords {
    /// The keywords of persons and other programs, each once, as they are spelled. A hierarchical one is there with all
    /// above it.
    pub names: Vec<String>,
    /// The tags that Etiqueta wrote into it, with who gave them. They are among `names` only if others wrote them too.
    pub written: Vec<(Tag, SourceKind)>,
}

impl Keywords {
    /// Adds the keywords of another file.
    pub fn join(&mut self, other: Self) {
        self.names.extend(other.names);
        let mut known = HashSet::new();
        self.names.retain(|name| known.insert(name.clone()));
        self.written.extend(other.written);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.written.is_empty()
    }
}

/// The keywords of a sidecar.
///
/// # Errors
/// If it is no XMP, or none that may be read.
pub fn read(sidecar: &[u8]) -> Result<Keywords, XmpError> {
    let (text, _) = decode(sidecar)?;
    Ok(keywords(&parse(&text)?))
}

/// The keywords of a document.
pub(crate) fn keywords(document: &Document) -> Keywords {
    let fields = Field::SHARED.into_iter();
    let paths: Vec<(Field, Vec<&str>)> = fields
        .flat_map(|(field, wrote)| {
            let values = foreign(document, field, wrote).into_iter();
            values.map(move |value| (field, path(value, field).collect()))
        })
        .collect();
    let automatic = automatic(&paths);
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    for (field, path) in &paths {
        let is_of_darktable = is_of_darktable(path)
            || *field == Field::Subject && path.iter().all(|name| automatic.contains(name));
        for name in path {
            if !is_of_darktable && names.len() < MAX_ITEMS && known.insert(*name) {
                names.push((*name).to_owned());
            }
        }
    }
    let written = document.values(Field::Tags).filter_map(parse_written);
    Keywords {
        names,
        written: written.collect(),
    }
}

/// The names of the tags with which darktable keeps books, such as `darktable|format|jpg`: it writes them as flat keywords
/// too. What is in another hierarchy as well is a keyword.
fn automatic<'n>(paths: &[(Field, Vec<&'n str>)]) -> HashSet<&'n str> {
    let hierarchies = paths.iter().filter(|(field, _)| *field != Field::Subject);
    let (own, others): (Vec<_>, Vec<_>) = hierarchies.partition(|(_, path)| is_of_darktable(path));
    let others: HashSet<&str> = others
        .into_iter()
        .flat_map(|(_, path)| path)
        .copied()
        .collect();
    let own = own.into_iter().flat_map(|(_, path)| path).copied();
    own.filter(|name| !others.contains(name)).collect()
}

fn is_of_darktable(path: &[&str]) -> bool {
    let is_below = |name: &&str| *name == "darktable" && path.len() > 1;
    let first = path.first();
    first.is_some_and(|name| is_below(name) || name.starts_with("darktable|"))
}

/// The values of a field that are not Etiqueta's: of each that it wrote, one is left out.
pub(crate) fn foreign(document: &Document, field: Field, wrote: Field) -> Vec<&str> {
    let mut own: HashMap<&str, usize> = HashMap::new();
    for value in document.values(wrote) {
        *own.entry(value).or_default() += 1;
    }
    let values = document.values(field);
    let is_foreign = |value: &&str| match own.get_mut(*value) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    values.filter(is_foreign).collect()
}

/// The names of a value, from the root on, as many as elements may be nested.
pub(crate) fn path(value: &str, field: Field) -> impl Iterator<Item = &str> {
    let separator = field.separator();
    let names = value.split(move |it| Some(it) == separator);
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    names.take(MAX_DEPTH)
}

/// A tag as the sidecar keeps it.
pub(crate) fn written(tag: &Tag, source: SourceKind) -> String {
    let confidence = tag.confidence.get();
    format!("{} {confidence} {}", source.as_str(), tag.label)
}

/// The reverse of [`written`].
pub(crate) fn parse_written(text: &str) -> Option<(Tag, SourceKind)> {
    let (source, rest) = text.split_once(' ')?;
    let (confidence, label) = rest.split_once(' ')?;
    let confidence = Confidence::new(confidence.parse().ok()?).ok()?;
    let label = Label::parse(label).ok()?;
    let tag = Tag { label, confidence };
    Some((tag, SourceKind::from_name(source)?))
}
