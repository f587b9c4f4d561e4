//! The vocabulary.

use std::sync::Arc;

use anyhow::Context as _;
use domain::{
    LABEL_LANGUAGE, LabelNames, Vocabulary, VocabularyEntry, ports, service::SharedVocabulary,
};
use image_store_diesel::Signals;

use super::database::Database;
use crate::{
    clock::SystemClock,
    settings::{Settings, VocabularyChoice},
};

/// The vocabulary of a server.
pub(super) fn shared(
    settings: &Settings,
    stored: &Arc<dyn ports::Database>,
    clock: Arc<SystemClock>,
    names: LabelNames,
) -> SharedVocabulary {
    let is_closed = settings.tagging.vocabulary == VocabularyChoice::Closed;
    SharedVocabulary::new(stored.clone(), clock, names, is_closed)
}

/// The vocabulary of a database. The schema must exist.
pub fn managing_vocabulary(database: &Database) -> anyhow::Result<SharedVocabulary> {
    let stored: Arc<dyn ports::Database> = database.connect(Signals::default())?;
    let (clock, names) = (Arc::new(SystemClock), LabelNames::default());
    Ok(SharedVocabulary::new(stored, clock, names, false))
}

/// The words of the built-in tagger with the tags above them, and their names.
pub(super) fn builtin(names: &LabelNames) -> anyhow::Result<Vocabulary> {
    #[cfg(feature = "local-tagger")]
    let words = tag_provider_local::words()?;
    #[cfg(not(feature = "local-tagger"))]
    let words: [(domain::Label, Vec<domain::Label>); 0] = [];
    let entries = words.into_iter().map(|(tag, parents)| {
        let others = names.languages().filter(|it| *it != LABEL_LANGUAGE);
        let translated = others.filter_map(|language| {
            let shown = names.shown_in(language)?;
            let name = shown.of(&tag);
            (*name != tag).then(|| (language.to_owned(), name.clone()))
        });
        VocabularyEntry {
            parents: parents.into_iter().collect(),
            names: translated.collect(),
            ..VocabularyEntry::new(tag.clone())
        }
    });
    Vocabulary::new(entries).context("the words of the built-in tagger")
}

#[cfg(all(test, feature = "local-tagger"))]
mod tests {
    use domain::{Label, NameTable};

    use super::*;

    #[test]
    fn the_words_of_the_built_in_tagger_have_parents_and_names() {
        let names = NameTable::parse("dog\tperro\n").unwrap();
        let names = LabelNames::default().with("es", names).unwrap();
        let builtin = builtin(&names).unwrap();
        assert!(builtin.len() > 1000);
        let label = |text| Label::parse(text).unwrap();
        let dog = builtin.entry(&label("dog")).unwrap();
        assert_eq!(dog.names["es"], label("perro"));
        assert!(!dog.parents.is_empty());
        assert!(builtin.tag_of(&label("dog")) == label("dog"));
    }
}
