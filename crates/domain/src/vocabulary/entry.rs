//! Entries of the vocabulary.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use thiserror::Error;

use crate::{Label, LanguageError, Threshold, label_names};

/// What the vocabulary says of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VocabularyEntry {
    /// The tag.
    pub tag: Label,
    /// Labels that become the tag.
    pub aliases: BTreeSet<Label>,
    /// Tags that an image gets with this one.
    pub parents: BTreeSet<Label>,
    /// The lowest confidence at which a provider may give it.
    pub threshold: Option<Threshold>,
    /// Whether no provider may give it.
    pub is_blocked: bool,
    /// What it is called, by language.
    pub names: BTreeMap<String, Label>,
}

/// Why an entry is invalid by itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryError {
    /// It has too many of something.
    #[error("an entry has at most {most} {what}")]
    TooMany {
        /// `aliases`, `parents` or `names`.
        what: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// It cannot have names in that language.
    #[error(transparent)]
    Language(#[from] LanguageError),
}

impl VocabularyEntry {
    /// The most aliases.
    pub const MAX_ALIASES: usize = 100;

    /// The most parents.
    pub const MAX_PARENTS: usize = 20;

    /// The most names.
    pub const MAX_NAMES: usize = 50;

    /// An entry that says nothing but that there is the tag.
    pub fn new(tag: Label) -> Self {
        Self {
            tag,
            aliases: BTreeSet::new(),
            parents: BTreeSet::new(),
            threshold: None,
            is_blocked: false,
            names: BTreeMap::new(),
        }
    }

    /// The entry without aliases that are the tag itself, or another alias in other letters.
    ///
    /// # Errors
    /// If it is out of bounds, or has a name in something that is no language.
    pub fn checked(mut self) -> Result<Self, EntryError> {
        let counts = [
            ("aliases", self.aliases.len(), Self::MAX_ALIASES),
            ("parents", self.parents.len(), Self::MAX_PARENTS),
            ("names", self.names.len(), Self::MAX_NAMES),
        ];
        for (what, count, most) in counts {
            if count > most {
                return Err(EntryError::TooMany { what, most });
            }
        }
        for language in self.names.keys() {
            label_names::check_language(language)?;
        }
        let mut known = HashSet::from([self.tag.folded()]);
        self.aliases.retain(|alias| known.insert(alias.folded()));
        Ok(self)
    }
}
