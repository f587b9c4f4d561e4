//! Tab-separated tables: one entry a line.
//!
//! Lists in a field are separated by `|`; a `|` or `\` in a text has a `\` before it.

use super::{VocabularyFile, VocabularyFileError, VocabularyFileFault, label};
use crate::{Confidence, Label, Threshold, VocabularyEntry};

/// The names of the columns.
const COLUMNS: [&str; 6] = ["tag", "aliases", "parents", "threshold", "blocked", "names"];

/// What is in the column `blocked` of a tag that is.
const BLOCKED: &str = "yes";

/// Whether a text begins with the name of the first column.
pub(super) fn is_table(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.split('\t').next() == Some(COLUMNS[0]) && first.contains('\t')
}

/// Writes entries as a table.
pub fn to_table<'e>(entries: impl IntoIterator<Item = &'e VocabularyEntry>) -> String {
    let mut text = COLUMNS.join("\t");
    text.push('\n');
    for entry in entries {
        let names = entry.names.iter();
        let names = names.map(|(language, name)| format!("{language}={}", escaped(name)));
        let fields = [
            entry.tag.as_str().to_owned(),
            joined(entry.aliases.iter().map(escaped)),
            joined(entry.parents.iter().map(escaped)),
            entry
                .threshold
                .map(|threshold| threshold.lowest().get().to_string())
                .unwrap_or_default(),
            if entry.is_blocked { BLOCKED } else { "" }.to_owned(),
            joined(names),
        ];
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    text
}

/// Reads a table. Empty lines, and those that begin with `#` after the first one, are comments.
///
/// # Errors
/// The first line that cannot be read.
pub fn from_table(text: &str) -> Result<VocabularyFile, VocabularyFileError> {
    let mut file = VocabularyFile::default();
    let mut lines = (1..).zip(text.lines());
    let columns = lines.next().map(|(_, line)| line.trim_end());
    if columns != Some(COLUMNS.join("\t").as_str()) {
        let expected = COLUMNS.join(" ");
        let fault = VocabularyFileFault::Columns { expected };
        return Err(VocabularyFileError { line: 1, fault });
    }
    for (line, text) in lines.filter(|(_, text)| !text.starts_with('#') && !text.is_empty()) {
        let read = read(&mut file, line, text);
        read.map_err(|fault| VocabularyFileError { line, fault })?;
    }
    file.checked()
}

fn read(file: &mut VocabularyFile, line: usize, text: &str) -> Result<(), VocabularyFileFault> {
    let mut fields = text.split('\t');
    let mut field = || fields.next().unwrap_or_default().trim();
    let tag = label(field())?;
    let (aliases, parents) = (labels(field())?, labels(field())?);
    let (threshold, blocked) = (threshold(field())?, blocked(field())?);
    let names = split(field());
    if fields.next().is_some() {
        return Err(VocabularyFileFault::Fields);
    }
    let shown = tag.to_string();
    let (place, is_known) = file.entry(tag, line);
    if is_known {
        let line = file.lines.get(place).copied().unwrap_or_default();
        return Err(VocabularyFileFault::Twice { tag: shown, line });
    }
    let Some(entry) = file.entries.get_mut(place) else {
        return Ok(());
    };
    entry.aliases.extend(aliases);
    entry.parents.extend(parents);
    entry.threshold = threshold;
    entry.is_blocked = blocked;
    for text in names {
        let Some((language, name)) = text.split_once('=') else {
            return Err(VocabularyFileFault::Name(text));
        };
        let (language, name) = (language.trim().to_owned(), label(name)?);
        if entry.names.insert(language.clone(), name).is_some() {
            return Err(VocabularyFileFault::Language(language));
        }
    }
    Ok(())
}

fn labels(field: &str) -> Result<Vec<Label>, VocabularyFileFault> {
    split(field).iter().map(|text| label(text)).collect()
}

fn threshold(field: &str) -> Result<Option<Threshold>, VocabularyFileFault> {
    if field.is_empty() {
        return Ok(None);
    }
    let number = field.parse().ok().map(Confidence::new);
    match number {
        Some(Ok(lowest)) => Ok(Some(Threshold::new(lowest))),
        _ => Err(VocabularyFileFault::Threshold(field.to_owned())),
    }
}

fn blocked(field: &str) -> Result<bool, VocabularyFileFault> {
    match field {
        BLOCKED => Ok(true),
        "" => Ok(false),
        other => Err(VocabularyFileFault::Blocked(other.to_owned())),
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("|")
}

fn escaped(label: &Label) -> String {
    label.as_str().replace('\\', "\\\\").replace('|', "\\|")
}

/// The texts of a list, without the empty ones.
fn split(field: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '|' => {
                texts.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(last) = texts.last_mut() {
            last.push(character);
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
}
