use proptest::prelude::*;

use super::*;
use crate::{Confidence, LanguageError, Tag, Tags, Threshold};

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn threshold(lowest: f64) -> Threshold {
    Threshold::new(Confidence::new(lowest).unwrap())
}

/// An entry by its tag, aliases and parents.
fn entry(tag: &str, aliases: &[&str], parents: &[&str]) -> VocabularyEntry {
    VocabularyEntry {
        aliases: aliases.iter().map(|text| label(text)).collect(),
        parents: parents.iter().map(|text| label(text)).collect(),
        ..VocabularyEntry::new(label(tag))
    }
}

fn blocked(tag: &str) -> VocabularyEntry {
    VocabularyEntry {
        is_blocked: true,
        ..entry(tag, &[], &[])
    }
}

fn named(tag: &str, name: &str) -> VocabularyEntry {
    VocabularyEntry {
        names: [("es".to_owned(), label(name))].into(),
        ..entry(tag, &[], &[])
    }
}

fn tags(pairs: &[(&str, f64)]) -> Tags {
    let tag = |(name, confidence): &(&str, f64)| Tag {
        label: label(name),
        confidence: Confidence::new(*confidence).unwrap(),
    };
    pairs.iter().map(tag).collect()
}

fn conflict(entries: Vec<VocabularyEntry>) -> String {
    Vocabulary::new(entries).unwrap_err().to_string()
}

#[test]
fn rules_are_applied_in_their_order() {
    let sofa = VocabularyEntry {
        threshold: Some(threshold(60.0)),
        ..entry("sofa", &["couch", "settee"], &["furniture"])
    };
    let furniture = entry("furniture", &[], &["thing", "household"]);
    let entries = vec![sofa, furniture, blocked("thing"), blocked("indoors")];
    let vocabulary = Vocabulary::new(entries).unwrap();
    let answer = tags(&[
        ("indoors", 99.0),
        ("settee", 55.0),
        ("couch", 70.0),
        ("lamp", 65.0),
        ("furniture", 40.0),
        ("dust", 10.0),
    ]);
    let expected = tags(&[
        ("furniture", 70.0),
        ("household", 70.0),
        ("sofa", 70.0),
        ("lamp", 65.0),
    ]);
    assert_eq!(vocabulary.given(&answer, threshold(30.0)), expected);
    // What folds together may pass the threshold; what does not brings no parents.
    let low = tags(&[("settee", 55.0), ("sofa", 59.0)]);
    assert_eq!(vocabulary.given(&low, threshold(0.0)), Tags::default());
    // A parent is held to the threshold of the answer, not to its own.
    let lowest = tags(&[("sofa", 61.0)]);
    assert_eq!(vocabulary.given(&lowest, threshold(62.0)), Tags::default());
}

#[test]
fn a_closed_vocabulary_gives_only_what_it_has() {
    let entries = vec![entry("sofa", &["couch"], &["furniture"])];
    let vocabulary = Vocabulary::new(entries).unwrap().closed(true);
    let answer = tags(&[("couch", 70.0), ("lamp", 65.0)]);
    assert_eq!(
        vocabulary.given(&answer, threshold(0.0)),
        tags(&[("sofa", 70.0)])
    );
    let nothing = Vocabulary::default().closed(true);
    assert_eq!(nothing.given(&answer, threshold(0.0)), Tags::default());
    let open = Vocabulary::default();
    assert_eq!(
        open.given(&answer, threshold(66.0)),
        tags(&[("couch", 70.0)])
    );
}

#[test]
fn a_rejected_tag_brings_no_parents() {
    let entries = vec![entry("dog", &[], &["pet"]), entry("pet", &[], &["animal"])];
    let vocabulary = Vocabulary::new(entries).unwrap();
    let rejected = [label("dog")].into();
    let answer = tags(&[("dog", 90.0), ("animal", 50.0)]);
    let given = vocabulary.given_beside(&rejected, &answer, threshold(0.0));
    assert_eq!(given, answer);
    assert_eq!(vocabulary.kept_beside(&rejected, &answer), answer);
}

#[test]
fn an_answer_that_is_not_known_keeps_what_is_not_blocked() {
    let lamp = VocabularyEntry {
        threshold: Some(threshold(90.0)),
        ..entry("lamp", &[], &[])
    };
    let sofa = entry("sofa", &["couch"], &["furniture"]);
    let vocabulary = Vocabulary::new(vec![lamp, sofa, blocked("indoors")]).unwrap();
    let kept = vocabulary.closed(true);
    let none = std::collections::BTreeSet::new();
    let shown = tags(&[("couch", 70.0), ("lamp", 65.0), ("indoors", 99.0)]);
    let kept = kept.kept_beside(&none, &shown);
    let expected = tags(&[("sofa", 70.0), ("lamp", 65.0)]);
    assert_eq!(kept, expected, "the parent has no entry");
}

#[test]
fn tags_are_compared_by_full_case_folding() {
    let entries = vec![entry("straße", &["ΟΔΟΣ"], &[])];
    let vocabulary = Vocabulary::new(entries).unwrap();
    for text in ["STRASSE", "straße", "οδος", "οδοσ"] {
        assert_eq!(vocabulary.tag_of(&label(text)), label("straße"), "{text}");
    }
    assert_eq!(
        conflict(vec![entry("straße", &[], &[]), entry("strasse", &[], &[])]),
        "\"strasse\" has a second entry, \"straße\""
    );
    let synonyms = vocabulary.synonyms(&label("strasse"));
    let expected = [label("strasse"), label("straße"), label("οδος")];
    assert_eq!(synonyms, expected);
    assert_eq!(vocabulary.synonyms(&label("lamp")), [label("lamp")]);
}

#[test]
fn conflicts_name_what_conflicts() {
    let of_another = vec![entry("a", &["x"], &[]), entry("b", &["X"], &[])];
    assert_eq!(
        conflict(of_another),
        "\"x\" is an alias of both \"a\" and \"b\""
    );
    let with_entry = vec![entry("a", &["b"], &[]), entry("b", &[], &[])];
    assert_eq!(
        conflict(with_entry),
        "\"b\" is an alias of \"a\" and has an entry of its own"
    );
    let names = vec![named("dog", "perro"), named("puppy", "PERRO")];
    assert_eq!(
        conflict(names),
        "\"perro\" is the name of both \"dog\" and \"puppy\" in \"es\""
    );
    let cycle = vec![
        entry("z", &[], &["a"]),
        entry("a", &[], &["b", "root"]),
        entry("b", &["alias of b"], &["c"]),
        entry("c", &[], &["a"]),
    ];
    assert_eq!(
        conflict(cycle),
        "\"a\" is its own ancestor: \"a\" > \"b\" > \"c\" > \"a\""
    );
    let over_alias = vec![entry("a", &["b"], &["c"]), entry("c", &[], &["b"])];
    assert_eq!(
        conflict(over_alias),
        "\"a\" is its own ancestor: \"a\" > \"c\" > \"a\""
    );
    let itself = vec![entry("a", &[], &["a"])];
    assert_eq!(conflict(itself), "\"a\" is its own ancestor: \"a\" > \"a\"");
}

#[test]
fn parents_lie_at_most_so_deep() {
    let chain = |depth: usize| {
        let tag = |n: usize| format!("t{n:03}");
        let entries = (0..depth).map(|n| entry(&tag(n), &[], &[&tag(n + 1)]));
        Vocabulary::new(entries)
    };
    let deepest = chain(MAX_DEPTH).unwrap();
    let given = deepest.given(&tags(&[("t000", 50.0)]), threshold(0.0));
    assert_eq!(given.len(), MAX_DEPTH + 1);
    let kind = chain(MAX_DEPTH + 1).unwrap_err().kind;
    assert_eq!(kind, ConflictKind::TooDeep);
}

#[test]
fn an_image_gets_a_bounded_number_of_parents() {
    let names: Vec<String> = (0..1100).map(|n| format!("p{n:04}")).collect();
    let children = names.chunks(20).enumerate().map(|(n, names)| {
        let parents: Vec<&str> = names.iter().map(String::as_str).collect();
        entry(&format!("t{n}"), &[], &parents)
    });
    let vocabulary = Vocabulary::new(children).unwrap();
    let answer: Vec<(String, f64)> = (0..55).map(|n| (format!("t{n}"), 50.0)).collect();
    let answer: Vec<(&str, f64)> = answer.iter().map(|(tag, c)| (tag.as_str(), *c)).collect();
    let given = vocabulary.given(&tags(&answer), threshold(0.0));
    assert_eq!(given.len(), crate::MAX_SHOWN);
}

#[test]
fn entries_have_bounds() {
    let labels = |count: usize| (0..count).map(|n| label(&format!("l{n}"))).collect();
    let mut many = entry("a", &[], &[]);
    many.aliases = labels(VocabularyEntry::MAX_ALIASES);
    assert!(many.clone().checked().is_ok());
    many.aliases = labels(VocabularyEntry::MAX_ALIASES + 1);
    let error = many.checked().unwrap_err();
    assert_eq!(error.to_string(), "an entry has at most 100 aliases");
    let mut many = entry("a", &[], &[]);
    many.parents = labels(VocabularyEntry::MAX_PARENTS + 1);
    let error = many.checked().unwrap_err();
    assert_eq!(error.to_string(), "an entry has at most 20 parents");
    let mut english = entry("a", &[], &[]);
    english.names = [("en".to_owned(), label("b"))].into();
    let error = english.checked().unwrap_err();
    assert_eq!(error, EntryError::Language(LanguageError::Labels));
    let doubled = entry("straße", &["STRASSE", "weg", "WEG"], &[]);
    let checked = doubled.checked().unwrap();
    assert_eq!(checked.aliases, [label("weg")].into());
}

#[test]
fn names_of_entries_prevail() {
    let vocabulary = Vocabulary::new(vec![named("dog", "can"), named("bear", "oso")]).unwrap();
    let known = NameTable::parse("dog\tperro\npolar bear\toso\ncat\tgato\n").unwrap();
    let names = LabelNames::default().with("es", known).unwrap();
    let names = vocabulary.named(names);
    let spanish = names.shown_in("es").unwrap();
    for (tag, name) in [
        ("dog", "can"),
        ("bear", "oso"),
        ("polar bear", "polar bear"),
        ("cat", "gato"),
    ] {
        assert_eq!(spanish.of(&label(tag)), &label(name));
    }
}

#[test]
fn changes_put_and_remove_entries() {
    let vocabulary = Vocabulary::new(vec![entry("a", &["x"], &[]), entry("b", &[], &[])]).unwrap();
    let moved = VocabularyChange {
        put: vec![entry("x", &["a"], &[]), entry("B", &[], &["x"])],
        removed: vec![label("A")],
    };
    let changed = vocabulary.closed(true).changed(&moved).unwrap();
    assert!(changed.is_closed());
    let tags: Vec<&str> = changed
        .after(None)
        .map(|entry| entry.tag.as_str())
        .collect();
    assert_eq!(tags, ["b", "x"]);
    assert_eq!(changed.after(Some(&label("b"))).count(), 1);
    assert_eq!(changed.alias(&label("a")), Some(&label("x")));
}

/// Entries of few tags, so that they meet.
fn some_entries() -> impl Strategy<Value = Vec<VocabularyEntry>> {
    let names = || prop::collection::vec(0..9_u8, 0..3);
    let entry = (
        0..9_u8,
        names(),
        names(),
        prop::option::of(0..90_u8),
        0..5_u8,
    );
    let entries = prop::collection::vec(entry, 0..6);
    entries.prop_map(|entries| {
        let entries = entries.into_iter();
        entries
            .map(|(tag, aliases, parents, lowest, block)| {
                let labels = |numbers: Vec<u8>| {
                    let texts = numbers.into_iter().map(|n| label(&format!("t{n}")));
                    texts.collect()
                };
                VocabularyEntry {
                    aliases: labels(aliases),
                    parents: labels(parents),
                    threshold: lowest.map(|lowest| threshold(f64::from(lowest))),
                    is_blocked: block == 0,
                    ..VocabularyEntry::new(label(&format!("t{tag}")))
                }
                .checked()
                .unwrap()
            })
            .collect()
    })
}

proptest! {
    /// What is given is a fixed point of folding, never blocked, never below the threshold, and as high as its child.
    #[test]
    fn what_is_given_follows_the_rules(
        entries in some_entries(),
        answer in prop::collection::vec((0..9_u8, 0..=100_u8), 0..9),
        lowest in 0..60_u8,
        is_closed: bool,
    ) {
        let Ok(vocabulary) = Vocabulary::new(entries) else {
            return Ok(());
        };
        let vocabulary = vocabulary.closed(is_closed);
        let answer: Tags = answer
            .iter()
            .map(|(n, confidence)| Tag {
                label: label(&format!("t{n}")),
                confidence: Confidence::new(f64::from(*confidence)).unwrap(),
            })
            .collect();
        let lowest = threshold(f64::from(lowest));
        let given = vocabulary.given(&answer, lowest);
        let highest = answer.iter().map(|tag| tag.confidence).max();
        for tag in &given {
            prop_assert!(lowest.admits(tag.confidence));
            prop_assert!(Some(tag.confidence) <= highest);
            prop_assert_eq!(&vocabulary.tag_of(&tag.label), &tag.label);
            let entry = vocabulary.entry(&tag.label);
            prop_assert!(entry.is_none_or(|entry| !entry.is_blocked));
            prop_assert!(entry.is_some() || !is_closed);
            for parent in entry.iter().flat_map(|entry| &entry.parents) {
                let parent = vocabulary.tag_of(parent);
                let of_parent = vocabulary.entry(&parent);
                let is_given = of_parent.map_or(!is_closed, |entry| !entry.is_blocked);
                let found = given.iter().find(|other| other.label == parent);
                prop_assert_eq!(found.is_some(), is_given);
                prop_assert!(found.is_none_or(|found| found.confidence >= tag.confidence));
            }
        }
        // A change of the vocabulary that makes no difference changes nothing.
        let rebuilt = vocabulary.changed(&VocabularyChange::default()).unwrap();
        prop_assert_eq!(rebuilt, vocabulary);
    }
}
