//! Keyword lists as Lightroom exports them.
//!
//! Each keyword stands on a line, indented by one tab more than the one that contains it. A line in braces below it is a
//! synonym; a keyword in square brackets is not given to exported pictures, which here means that it is blocked.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{VocabularyFile, VocabularyFileError, VocabularyFileFault, label};
use crate::{Label, VocabularyEntry};

/// Reads a keyword list. A keyword that stands below several others has them all as parents.
///
/// # Errors
/// The first line that cannot be read.
pub fn from_keywords(text: &str) -> Result<VocabularyFile, VocabularyFileError> {
    let mut file = VocabularyFile::default();
    // The places of the keywords that contain the line.
    let mut above: Vec<usize> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let read = read(&mut file, &mut above, line, text);
        read.map_err(|fault| VocabularyFileError { line, fault })?;
    }
    file.checked()
}

fn read(
    file: &mut VocabularyFile,
    above: &mut Vec<usize>,
    line: usize,
    text: &str,
) -> Result<(), VocabularyFileFault> {
    let keyword = text.trim_start_matches('\t');
    let depth = text.len() - keyword.len();
    if depth > above.len() {
        return Err(VocabularyFileFault::Indentation);
    }
    above.truncate(depth);
    let keyword = keyword.trim();
    if let Some(synonym) = within(keyword, '{', '}') {
        let synonym = label(synonym)?;
        let of = above.last().and_then(|place| file.entries.get_mut(*place));
        let of = of.ok_or(VocabularyFileFault::Synonym)?;
        of.aliases.insert(synonym);
        return Ok(());
    }
    let hidden = within(keyword, '[', ']');
    let tag = label(hidden.unwrap_or(keyword))?;
    let parent = above.last().and_then(|place| file.entries.get(*place));
    let parent = parent.map(|parent| parent.tag.clone());
    let (place, _) = file.entry(tag, line);
    if let Some(entry) = file.entries.get_mut(place) {
        entry.parents.extend(parent);
        entry.is_blocked |= hidden.is_some();
    }
    above.push(place);
    Ok(())
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// Writes entries as a keyword list. It has no thresholds and no names.
///
/// A tag with several parents stands below each, and what is below it below the first of them.
pub fn to_keywords<'e>(entries: impl IntoIterator<Item = &'e VocabularyEntry>) -> String {
    let mut known: BTreeMap<String, &VocabularyEntry> = BTreeMap::new();
    let mut children: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut shown: BTreeMap<String, Label> = BTreeMap::new();
    for entry in entries {
        let key = entry.tag.folded();
        for parent in &entry.parents {
            let above = parent.folded();
            shown.entry(above.clone()).or_insert_with(|| parent.clone());
            children.entry(above).or_default().insert(key.clone());
        }
        shown.insert(key.clone(), entry.tag.clone());
        known.insert(key, entry);
    }
    let is_root = |key: &&String| known.get(*key).is_none_or(|entry| entry.parents.is_empty());
    let roots: Vec<&String> = shown.keys().filter(is_root).collect();
    let mut left: Vec<(&String, usize)> = roots.into_iter().rev().map(|key| (key, 0)).collect();
    let (mut text, mut written) = (String::new(), HashSet::new());
    while let Some((key, depth)) = left.pop() {
        let entry = known.get(key).copied();
        let name = shown.get(key).map(Label::as_str).unwrap_or_default();
        let is_blocked = entry.is_some_and(|entry| entry.is_blocked);
        let name = if is_blocked {
            format!("[{name}]")
        } else {
            name.to_owned()
        };
        line(&mut text, depth, &name);
        if !written.insert(key) {
            continue;
        }
        for alias in entry.iter().flat_map(|entry| &entry.aliases) {
            line(&mut text, depth + 1, &format!("{{{}}}", alias.as_str()));
        }
        let below = children.get(key).into_iter().flatten().rev();
        left.extend(below.map(|child| (child, depth + 1)));
    }
    text
}

fn line(text: &mut String, depth: usize, name: &str) {
    text.push_str(&"\t".repeat(depth));
    text.push_str(name);
    text.push('\n');
}
