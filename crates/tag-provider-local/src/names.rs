//! Names of the embedded model's tags in other languages.

/// For each language its code and a table of tags and names, as read by [`domain::NameTable::parse`].
pub const NAMES: &[(&str, &str)] = &[("es", include_str!("../model/names/es.tsv"))];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use domain::{Label, LabelNames, NameTable};

    use super::*;
    use crate::{files::ModelFiles, vocabulary::Vocabulary};

    fn tables() -> impl Iterator<Item = (&'static str, &'static str, NameTable)> {
        let tables = NAMES.iter();
        tables.map(|(language, text)| (*language, *text, NameTable::parse(text).unwrap()))
    }

    fn tags() -> Vec<Label> {
        let vocabulary = Vocabulary::read(&ModelFiles::embedded()).unwrap();
        vocabulary.tags.into_iter().map(|tag| tag.label).collect()
    }

    #[test]
    fn every_tag_of_the_model_has_a_name_in_each_language() {
        let tags: BTreeSet<Label> = tags().into_iter().collect();
        for (language, text, table) in tables() {
            let named: BTreeSet<Label> = table.iter().map(|(tag, _)| tag.clone()).collect();
            assert_eq!(named, tags, "{language}");
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            assert_eq!(lines.count(), tags.len(), "{language}");
        }
    }

    #[test]
    fn tags_are_in_the_order_of_the_model() {
        for (language, text, _) in tables() {
            let lines = text.lines().skip(1);
            let listed = lines.map(|line| line.split('\t').next().unwrap());
            let listed: Vec<&str> = listed.collect();
            let tags = tags();
            let expected: Vec<&str> = tags.iter().map(Label::as_str).collect();
            assert_eq!(listed, expected, "{language}");
        }
    }

    #[test]
    fn tables_are_written_as_they_are_shown() {
        for (language, text, table) in tables() {
            assert!(text.starts_with("# tag\tname\n"), "{language}");
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split('\t').collect();
                let [tag, name] = fields.as_slice() else {
                    panic!("{language}: {line:?}");
                };
                // Lower case, NFC, no blanks at the ends, no control characters.
                assert_eq!(Label::parse(tag).unwrap().as_str(), *tag, "{language}");
                assert_eq!(Label::parse(name).unwrap().as_str(), *name, "{language}");
                assert!(!name.contains("  "), "{language}: {name:?}");
            }
            let folded: BTreeSet<String> = table.iter().map(|(_, name)| name.folded()).collect();
            assert_eq!(folded.len(), table.iter().count(), "{language}");
        }
    }

    /// A filter takes a text for a tag first: a name that is another tag would find that one.
    #[test]
    fn no_name_is_another_tag() {
        let tags = tags();
        let tags: HashMap<String, &Label> = tags.iter().map(|tag| (tag.folded(), tag)).collect();
        for (language, _, table) in tables() {
            for (tag, name) in table.iter() {
                let other = tags.get(&name.folded()).filter(|other| **other != tag);
                assert_eq!(other, None, "{language}: {tag} is called {name}");
            }
        }
    }

    #[test]
    fn words_are_named_by_the_sense_that_the_model_has() {
        let names = LabelNames::default();
        let (_, _, spanish) = tables().next().unwrap();
        let names = names.with("es", spanish).unwrap();
        let spanish = names.shown_in("es").unwrap();
        for (tag, name) in [
            ("dog", "perro"),
            ("crane", "grulla"),
            ("crane (machine)", "grúa"),
            ("kite", "cometa (juguete)"),
            ("kite (bird)", "milano"),
            ("bench", "banco (asiento)"),
            ("string", "instrumento de cuerda frotada"),
            ("engine", "locomotora"),
            ("ray", "raya (pez)"),
            ("jacket", "funda"),
            ("sky", "cielo"),
        ] {
            let tag = Label::parse(tag).unwrap();
            assert_eq!(spanish.of(&tag).as_str(), name);
        }
    }
}
