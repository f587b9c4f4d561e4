//! The vocabulary: which tags are one and the same, which imply others, and which are not wanted.

mod conflict;
mod entry;
pub mod file;
mod hierarchy;
mod rules;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub use self::{
    conflict::{ConflictKind, VocabularyConflict},
    entry::{EntryError, VocabularyEntry},
};
use crate::{Label, LabelNames, NameTable, NameTableFault};

/// The most entries of a vocabulary.
pub const MAX_ENTRIES: usize = 100_000;

/// How many parents may lie above each other.
pub const MAX_DEPTH: usize = 20;

/// Entries that fit together, and whether tags without one are given.
///
/// Tags are compared by full case folding. Each is the tag of one entry or an alias in one, never both; parents form no
/// cycle. A name belongs to one tag of its language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary {
    /// By folded tag.
    entries: BTreeMap<String, Arc<VocabularyEntry>>,
    /// The tags of aliases, by folded alias.
    aliases: HashMap<String, Label>,
    /// By language.
    names: BTreeMap<String, NameTable>,
    is_closed: bool,
}

impl Vocabulary {
    /// Puts entries together.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn new(
        entries: impl IntoIterator<Item = VocabularyEntry>,
    ) -> Result<Self, VocabularyConflict> {
        let mut folded: BTreeMap<String, Arc<VocabularyEntry>> = BTreeMap::new();
        for entry in entries {
            let key = entry.tag.folded();
            if let Some(earlier) = folded.get(&key) {
                let other = earlier.tag.clone();
                let kind = ConflictKind::Twice { other };
                return Err(VocabularyConflict::new(entry.tag, kind));
            }
            folded.insert(key, Arc::new(entry));
        }
        Self::of(folded)
    }

    fn of(entries: BTreeMap<String, Arc<VocabularyEntry>>) -> Result<Self, VocabularyConflict> {
        let mut vocabulary = Self {
            entries,
            ..Self::default()
        };
        vocabulary.check_count()?;
        vocabulary.aliases = vocabulary.collect_aliases()?;
        vocabulary.names = vocabulary.collect_names()?;
        hierarchy::check(&vocabulary)?;
        Ok(vocabulary)
    }

    /// The vocabulary with some entries put in, which replace those of the same tags, and others removed.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn changed(&self, change: &VocabularyChange) -> Result<Self, VocabularyConflict> {
        let mut entries = self.entries.clone();
        for tag in &change.removed {
            entries.remove(&tag.folded());
        }
        for entry in &change.put {
            entries.insert(entry.tag.folded(), Arc::new(entry.clone()));
        }
        Ok(Self::of(entries)?.closed(self.is_closed))
    }

    /// The same, giving only tags that have an entry, or others too.
    #[must_use]
    pub fn closed(self, is_closed: bool) -> Self {
        Self { is_closed, ..self }
    }

    /// Whether only tags that have an entry are given.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, by folded tag, from the first one behind a tag.
    pub fn after<'a>(
        &'a self,
        tag: Option<&Label>,
    ) -> impl Iterator<Item = &'a VocabularyEntry> + use<'a> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = tag.map_or(Unbounded, |tag| Excluded(tag.folded()));
        let entries = self.entries.range((start, Unbounded));
        entries.map(|(_, entry)| &**entry)
    }

    /// The entry of a tag.
    pub fn entry(&self, tag: &Label) -> Option<&VocabularyEntry> {
        self.entries.get(&tag.folded()).map(|entry| &**entry)
    }

    /// The tag that a label is an alias of.
    pub fn alias(&self, label: &Label) -> Option<&Label> {
        self.aliases.get(&label.folded())
    }

    /// What a label becomes: the tag of its entry, or the tag that it is an alias of; else itself.
    pub fn tag_of(&self, label: &Label) -> Label {
        if self.is_empty() {
            return label.clone();
        }
        let folded = label.folded();
        match self.entries.get(&folded) {
            Some(entry) => entry.tag.clone(),
            None => self.aliases.get(&folded).unwrap_or(label).clone(),
        }
    }

    /// Every label that may stand for the same tag: the tag, its aliases, and the label itself.
    pub fn synonyms(&self, label: &Label) -> Vec<Label> {
        let tag = self.tag_of(label);
        let mut synonyms = Vec::new();
        if let Some(entry) = self.entry(&tag) {
            synonyms.extend(entry.aliases.iter().cloned());
        }
        synonyms.push(label.clone());
        synonyms.push(tag);
        synonyms.sort_unstable();
        synonyms.dedup();
        synonyms
    }

    /// Names of labels with those of the entries, which prevail.
    pub fn named(&self, mut names: LabelNames) -> LabelNames {
        for (language, table) in &self.names {
            // Entries have valid languages.
            if let Ok(more) = names.clone().with(language, table.clone()) {
                names = more;
            }
        }
        names
    }

    fn check_count(&self) -> Result<(), VocabularyConflict> {
        match self.entries.values().next_back() {
            Some(last) if self.entries.len() > MAX_ENTRIES => Err(VocabularyConflict::new(
                last.tag.clone(),
                ConflictKind::TooMany,
            )),
            _ => Ok(()),
        }
    }

    fn collect_aliases(&self) -> Result<HashMap<String, Label>, VocabularyConflict> {
        let mut aliases: HashMap<String, Label> = HashMap::new();
        for entry in self.entries.values() {
            for alias in &entry.aliases {
                let folded = alias.folded();
                let refused = |kind| Err(VocabularyConflict::new(entry.tag.clone(), kind));
                let alias = alias.clone();
                if self.entries.contains_key(&folded) {
                    return refused(ConflictKind::AliasHasEntry { alias });
                }
                if let Some(other) = aliases.insert(folded, entry.tag.clone()) {
                    return refused(ConflictKind::AliasOfAnother { alias, other });
                }
            }
        }
        Ok(aliases)
    }

    fn collect_names(&self) -> Result<BTreeMap<String, NameTable>, VocabularyConflict> {
        let mut tables: BTreeMap<String, NameTable> = BTreeMap::new();
        for entry in self.entries.values() {
            for (language, name) in &entry.names {
                let table = tables.entry(language.clone()).or_default();
                let added = table.add(entry.tag.clone(), name.clone());
                added.map_err(|fault| {
                    let kind = match fault {
                        NameTableFault::Name { name, label } => ConflictKind::NameOfAnother {
                            language: language.clone(),
                            name,
                            other: label,
                        },
                        _ => ConflictKind::TooMany,
                    };
                    VocabularyConflict::new(entry.tag.clone(), kind)
                })?;
            }
        }
        Ok(tables)
    }
}

/// Entries to put into a vocabulary and tags whose entries to remove, all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VocabularyChange {
    /// Replace the entries of the same tags, if there are any. Each tag once.
    pub put: Vec<VocabularyEntry>,
    /// The tags of entries to remove, before the others are put.
    pub removed: Vec<Label>,
}

#[cfg(test)]
mod tests;
