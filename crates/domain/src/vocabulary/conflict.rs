//! Why entries do not fit together.

use thiserror::Error;

use super::{MAX_DEPTH, MAX_ENTRIES};
use crate::Label;

/// Entries that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub struct VocabularyConflict {
    /// The tag of the entry at which it shows.
    pub tag: Label,
    /// What is wrong with it.
    pub kind: ConflictKind,
}

/// What is wrong with an entry beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictKind {
    /// There is another entry of the same tag.
    Twice {
        /// The tag as the other entry has it.
        other: Label,
    },
    /// An alias has an entry of its own.
    AliasHasEntry {
        /// The alias.
        alias: Label,
    },
    /// An alias belongs to another tag already.
    AliasOfAnother {
        /// The alias.
        alias: Label,
        /// The other tag.
        other: Label,
    },
    /// A name belongs to another tag already.
    NameOfAnother {
        /// The language.
        language: String,
        /// The name.
        name: String,
        /// The other tag.
        other: String,
    },
    /// The tag is its own ancestor.
    Cycle {
        /// From the tag over its parents back to itself.
        path: Vec<Label>,
    },
    /// More parents lie above it than [`MAX_DEPTH`].
    TooDeep,
    /// There are more entries than [`MAX_ENTRIES`].
    TooMany,
}

impl VocabularyConflict {
    pub(super) fn new(tag: Label, kind: ConflictKind) -> Self {
        Self { tag, kind }
    }

    /// The tags that it is about, that at which it shows first.
    pub fn tags(&self) -> Vec<Label> {
        let mut tags = vec![self.tag.clone()];
        match &self.kind {
            ConflictKind::Twice { other } => tags.push(other.clone()),
            ConflictKind::AliasHasEntry { alias } => tags.push(alias.clone()),
            ConflictKind::AliasOfAnother { alias, other } => {
                tags.extend([other.clone(), alias.clone()]);
            }
            ConflictKind::NameOfAnother { other, .. } => tags.extend(Label::parse(other)),
            ConflictKind::Cycle { path } => tags.extend(path.iter().cloned()),
            ConflictKind::TooDeep | ConflictKind::TooMany => {}
        }
        tags
    }

    fn text(&self) -> String {
        let tag = self.tag.as_str();
        match &self.kind {
            ConflictKind::Twice { other } => {
                format!("{tag:?} has a second entry, {:?}", other.as_str())
            }
            ConflictKind::AliasHasEntry { alias } => format!(
                "{:?} is an alias of {tag:?} and has an entry of its own",
                alias.as_str()
            ),
            ConflictKind::AliasOfAnother { alias, other } => format!(
                "{:?} is an alias of both {:?} and {tag:?}",
                alias.as_str(),
                other.as_str()
            ),
            ConflictKind::NameOfAnother {
                language,
                name,
                other,
            } => format!("{name:?} is the name of both {other:?} and {tag:?} in {language:?}"),
            ConflictKind::Cycle { path } => {
                let path: Vec<String> = path
                    .iter()
                    .map(|tag| format!("{:?}", tag.as_str()))
                    .collect();
                format!("{tag:?} is its own ancestor: {}", path.join(" > "))
            }
            ConflictKind::TooDeep => {
                format!("more than {MAX_DEPTH} parents lie above {tag:?}")
            }
            ConflictKind::TooMany => format!("a vocabulary has at most {MAX_ENTRIES} entries"),
        }
    }
}
