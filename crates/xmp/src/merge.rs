//! Merging tags into a sidecar.

use std::collections::{HashMap, HashSet};

use domain::{Label, SourceKind, SourcedTag, Tag};

use crate::{
    XmpError,
    document::Document,
    edits::Edits,
    encoding::{decode, encode},
    field::Field,
    keywords::{foreign, parse_written, path, written},
    parse::parse,
};

/// A sidecar without metadata.
const EMPTY: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>
<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Etiqueta\">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end=\"w\"?>
";

/// What a sidecar is to say of Etiqueta's tags.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// A keyword above all others.
    pub root: Option<String>,
    /// The tags, with who gave them.
    pub tags: Vec<SourcedTag>,
    /// The tags in their hierarchy: from the uppermost to the tag itself, which alone is a path as well.
    pub paths: Vec<Vec<Label>>,
}

/// Brings a sidecar, or a new one, in line with the tags wanted. None if it is as it should be.
///
/// The values of other programs stay, in every field; of those that Etiqueta wrote before, what is not wanted any more
/// is removed. A value that is there in other upper and lower case is not added, and below a root no keyword of others. A hierarchy with a name that holds the
/// field's separator is left out of that field.
///
/// # Errors
/// If it is no XMP, or none that may be read or changed.
pub fn merge(sidecar: Option<&[u8]>, wanted: &Wanted) -> Result<Option<Vec<u8>>, XmpError> {
    let (text, encoding) = decode(sidecar.unwrap_or(EMPTY.as_bytes()))?;
    let document = parse(&text)?;
    let mut edits = Edits::new(&text, &document);
    let others = Others::of(&document);
    for (field, wrote) in Field::SHARED {
        let own = others.additions(wanted, field, wrote);
        let before: Vec<&str> = document.values(wrote).collect();
        // Of what was written before, others may have removed some.
        let present: Vec<&str> = document.values(field).collect();
        let (removed, added) = difference(&before, &own, &present);
        edits.change(field, &removed, added)?;
        let (removed, added) = difference(&before, &own, &before);
        edits.change(wrote, &removed, added)?;
    }
    let before: Vec<&str> = document.values(Field::Tags).collect();
    let (removed, added) = difference(&before, &notes(wanted, &document), &before);
    edits.change(Field::Tags, &removed, added)?;
    let Some(changed) = edits.finish() else {
        return Ok(None);
    };
    verify(&document, wanted, &parse(&changed)?)?;
    Ok(Some(encode(&changed, encoding)))
}

/// What is to be removed and added so that of the values written before, as far as they are present, exactly `own` is
/// left, each once.
fn difference<'a>(
    before: &[&'a str],
    own: &[String],
    present: &[&str],
) -> (Vec<&'a str>, Vec<String>) {
    let mut there: HashMap<&str, usize> = HashMap::new();
    for value in present {
        *there.entry(*value).or_default() += 1;
    }
    let mut missing: HashSet<&str> = own.iter().map(String::as_str).collect();
    let mut removed = Vec::new();
    for value in before {
        match there.get_mut(*value) {
            Some(count) if *count > 0 => *count -= 1,
            _ => continue,
        }
        if !missing.remove(value) {
            removed.push(*value);
        }
    }
    let added = own.iter().filter(|value| missing.contains(value.as_str()));
    (removed, added.cloned().collect())
}

/// The keywords of others, as far as they decide what is added.
struct Others<'d> {
    document: &'d Document,
    /// The names in all fields.
    names: HashSet<String>,
}

impl<'d> Others<'d> {
    fn of(document: &'d Document) -> Self {
        let fields = Field::SHARED.into_iter();
        let paths = fields.flat_map(|(field, wrote)| {
            let values = foreign(document, field, wrote).into_iter();
            values.flat_map(move |value| key(path(value, field)))
        });
        Self {
            names: paths.collect(),
            document,
        }
    }

    /// The values that Etiqueta adds to a field. A name is not put beside a hierarchy that has it, and a hierarchy not
    /// beside a longer one that ends with it.
    fn additions(&self, wanted: &Wanted, field: Field, wrote: Field) -> Vec<String> {
        let (mut names, mut paths) = (HashSet::new(), HashMap::new());
        for value in foreign(self.document, field, wrote) {
            let path = key(path(value, field));
            names.extend(path.iter().cloned());
            if let Some(last) = path.last().cloned() {
                paths.entry(last).or_insert_with(Vec::new).push(path);
            }
        }
        let (mut own, mut known) = (Vec::new(), HashSet::new());
        for value in self.values(wanted, field) {
            let key = key(value.iter().copied());
            let is_there = match key.as_slice() {
                [name] => names.contains(name),
                [.., last] => {
                    let mut paths = paths.get(last).into_iter().flatten();
                    paths.any(|path| path.ends_with(&key))
                }
                [] => true,
            };
            if !is_there && value.iter().all(|name| is_clean(name, field)) && known.insert(key) {
                let separator = field.separator().map(String::from).unwrap_or_default();
                own.push(value.join(&separator));
            }
        }
        own
    }

    /// The wanted values of a field, as names from the root on. What others have is not put below a root.
    fn values<'w>(&self, wanted: &'w Wanted, field: Field) -> Vec<Vec<&'w str>> {
        let root = wanted.root.as_deref();
        let is_new = |label: &Label| root.is_none() || !self.names.contains(&label.folded());
        let labels = wanted.tags.iter().map(|said| &said.tag.label);
        let labels: Vec<&str> = labels.filter(|it| is_new(it)).map(Label::as_str).collect();
        let root = root.filter(|_| !labels.is_empty());
        if field.separator().is_none() {
            let names = root.into_iter().chain(labels);
            return names.map(|name| vec![name]).collect();
        }
        let paths = wanted.paths.iter();
        let paths = paths.filter(|path| path.last().is_some_and(is_new));
        let paths = paths.map(|path| {
            let labels = path.iter().map(Label::as_str);
            root.into_iter().chain(labels).collect()
        });
        paths.collect()
    }
}

/// Whether a name can be in a value of a field.
fn is_clean(name: &str, field: Field) -> bool {
    let separator = field.separator();
    let is_fit = |it: char| Some(it) != separator && is_in_xml(it);
    !name.trim().is_empty() && name.chars().all(is_fit)
}

/// What is the same keyword has the same key.
fn key<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let folded = names.map(|name| {
        let label = Label::parse(name).map(|label| label.folded());
        label.unwrap_or_else(|_| name.to_owned())
    });
    folded.collect()
}

/// Labels have no control characters, but may have these.
fn is_in_xml(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// What is noted of the tags. One that a person gave stays a person's while it is there: a tag of the file may have come
/// from this very note.
fn notes(wanted: &Wanted, document: &Document) -> Vec<String> {
    let before = document.values(Field::Tags).filter_map(parse_written);
    let before: HashMap<Label, Tag> = before
        .filter(|(_, source)| *source == SourceKind::Person)
        .map(|(tag, _)| (tag.label.clone(), tag))
        .collect();
    let fit = wanted.tags.iter().filter(|said| {
        let label = said.tag.label.as_str();
        label.chars().all(is_in_xml)
    });
    let notes = fit.map(|SourcedTag { tag, source }| {
        let kept = before.get(&tag.label);
        match kept.filter(|_| source.kind() == SourceKind::File) {
            Some(tag) => written(tag, SourceKind::Person),
            None => written(tag, source.kind()),
        }
    });
    notes.collect()
}

/// Fails if the values of others changed, or if Etiqueta's are not there: the text was not understood then.
fn verify(before: &Document, wanted: &Wanted, after: &Document) -> Result<(), XmpError> {
    let known = Others::of(before);
    for (field, wrote) in Field::SHARED {
        let mut others = foreign(before, field, wrote);
        let mut own = known.additions(wanted, field, wrote);
        let mut kept = foreign(after, field, wrote);
        let mut written: Vec<&str> = after.values(wrote).collect();
        others.sort_unstable();
        kept.sort_unstable();
        own.sort_unstable();
        written.sort_unstable();
        let present: HashSet<&str> = after.values(field).collect();
        let is_there = own.iter().all(|value| present.contains(value.as_str()));
        if others != kept || written != own || !is_there {
            return Err(XmpError::Unmergeable);
        }
    }
    Ok(())
}
