//! What labels are called in languages other than their own.
//!
//! A label is an identity. Its names are for people: answers show them, and searches understand them.

mod table;

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

pub use self::table::{NameTable, NameTableError, NameTableFault};
use crate::{Label, ProviderIdentity};

/// The language in which labels are their own names.
pub const LABEL_LANGUAGE: &str = "en";

/// The names of labels, by language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelNames {
    tables: BTreeMap<String, Arc<NameTable>>,
}

/// Why a language cannot have names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LanguageError {
    /// It is the language of the labels.
    #[error("labels are their own names in {LABEL_LANGUAGE}")]
    Labels,
    /// The text is no code of a language.
    #[error("{0:?} is not the code of a language, such as es or pt-br")]
    Invalid(String),
}

impl LabelNames {
    /// Adds names in a language. Where names of the language are known already, the new ones prevail; see
    /// [`NameTable::overridden_by`].
    pub fn with(mut self, language: &str, names: NameTable) -> Result<Self, LanguageError> {
        check_language(language)?;
        let known = self.tables.remove(language).unwrap_or_default();
        let names = Arc::unwrap_or_clone(known).overridden_by(names);
        self.tables.insert(language.to_owned(), Arc::new(names));
        Ok(self)
    }

    /// The languages: that of the labels, then the others by code.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let others = self.tables.keys().map(String::as_str);
        std::iter::once(LABEL_LANGUAGE).chain(others)
    }

    /// The names to show in a language; `None` if it is not known.
    pub fn shown_in(&self, language: &str) -> Option<ShownNames> {
        if language == LABEL_LANGUAGE {
            return Some(ShownNames::default());
        }
        let table = self.tables.get(language)?;
        Some(ShownNames(Some(Arc::clone(table))))
    }

    /// The label with that name: in the language that is shown, else in any other, the languages by code.
    pub fn label_named<'a>(&'a self, name: &Label, shown: &'a ShownNames) -> Option<&'a Label> {
        let mut tables = shown.0.iter().chain(self.tables.values());
        tables.find_map(|table| table.label(name))
    }

    /// Whether a name of the label, in any language, begins with a text in the form of labels.
    pub fn any_begins_with(&self, label: &Label, prefix: &str) -> bool {
        let mut names = self.tables.values().filter_map(|table| table.name(label));
        names.any(|name| name.as_str().starts_with(prefix))
    }
}

/// The names that an answer shows. By default labels are shown as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShownNames(Option<Arc<NameTable>>);

impl ShownNames {
    /// The name of a label; the label itself if it has none.
    pub fn of<'a>(&'a self, label: &'a Label) -> &'a Label {
        let name = self.0.as_ref().and_then(|table| table.name(label));
        name.unwrap_or(label)
    }

    /// The label with a name; `None` where labels are shown as they are.
    pub fn label(&self, name: &Label) -> Option<&Label> {
        self.0.as_ref()?.label(name)
    }

    /// Whether labels are shown as they are.
    pub fn are_labels(&self) -> bool {
        self.0.is_none()
    }
}

/// Fails unless labels can have names in that language.
pub(crate) fn check_language(language: &str) -> Result<(), LanguageError> {
    if language == LABEL_LANGUAGE {
        return Err(LanguageError::Labels);
    }
    if !is_language(language) {
        let shown = language.chars().take(ProviderIdentity::LONGEST_LANGUAGE);
        return Err(LanguageError::Invalid(shown.collect()));
    }
    Ok(())
}

/// Letters, then parts of letters and digits: `es`, `pt-br`, `zh_cht`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let first = parts.next().unwrap_or_default();
    let is_letters = first.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_part = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(is_known)
    };
    (2..=3).contains(&first.len())
        && is_letters
        && parts.all(is_part)
        && text.len() <= ProviderIdentity::LONGEST_LANGUAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn names() -> LabelNames {
        let spanish = NameTable::parse("dog\tperro\nbread\tpan\n").unwrap();
        let dutch = NameTable::parse("dog\thond\npan\tpan\n").unwrap();
        let names = LabelNames::default().with("nl", dutch).unwrap();
        names.with("es", spanish).unwrap()
    }

    #[test]
    fn a_label_without_a_name_is_shown_as_it_is() {
        let names = names();
        let spanish = names.shown_in("es").unwrap();
        assert_eq!(spanish.of(&label("dog")), &label("perro"));
        assert_eq!(spanish.of(&label("car")), &label("car"));
        assert!(!spanish.are_labels());
        let own = names.shown_in("en").unwrap();
        assert_eq!(own.of(&label("dog")), &label("dog"));
        assert!(own.are_labels());
        assert_eq!(names.shown_in("fr"), None);
    }

    #[test]
    fn the_language_shown_is_asked_first() {
        let names = names();
        let found = |name: &str, language: &str| {
            let shown = names.shown_in(language).unwrap();
            let label = names.label_named(&label(name), &shown);
            label.map(ToString::to_string)
        };
        assert_eq!(found("pan", "es").as_deref(), Some("bread"));
        assert_eq!(found("pan", "nl").as_deref(), Some("pan"));
        assert_eq!(found("pan", "en").as_deref(), Some("bread"), "es before nl");
        assert_eq!(found("hond", "es").as_deref(), Some("dog"));
        assert_eq!(found("chien", "es"), None);
    }

    #[test]
    fn languages_are_sorted_after_that_of_the_labels() {
        let names = names();
        assert_eq!(names.languages().collect::<Vec<_>>(), ["en", "es", "nl"]);
    }

    #[test]
    fn later_names_of_a_language_prevail() {
        let more = NameTable::parse("dog\tcan\n").unwrap();
        let names = names().with("es", more).unwrap();
        let spanish = names.shown_in("es").unwrap();
        assert_eq!(spanish.of(&label("dog")), &label("can"));
        assert_eq!(spanish.of(&label("bread")), &label("pan"));
        assert_eq!(names.label_named(&label("perro"), &spanish), None);
    }

    #[rstest::rstest]
    #[case("es", true)]
    #[case("ast", true)]
    #[case("pt-br", true)]
    #[case("zh_cht", true)]
    #[case("es-419", true)]
    #[case("", false)]
    #[case("e", false)]
    #[case("ES", false)]
    #[case("español", false)]
    #[case("es-", false)]
    #[case("es.tsv", false)]
    #[case("../es", false)]
    #[case("es-abcdefghijklmnop", false)]
    #[case("en", false)]
    fn languages_are_codes(#[case] language: &str, #[case] is_valid: bool) {
        let names = LabelNames::default().with(language, NameTable::default());
        assert_eq!(names.is_ok(), is_valid, "{names:?}");
    }
}
