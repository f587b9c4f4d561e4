//! Tags merged into sidecars.

use domain::{Confidence, Label, SourceKind, SourcedTag, Tag, TagSource, TaggerVersion, Tags};
use proptest::prelude::*;
use xmp::{Keywords, Wanted, merge, read};

use super::forms::{ALL, DARKTABLE, DIGIKAM, EXIFTOOL, LIGHTROOM, ODD, utf16};

fn label(name: &str) -> Label {
    Label::parse(name).unwrap()
}

fn said(name: &str, confidence: f64, source: TagSource) -> SourcedTag {
    let (label, confidence) = (label(name), Confidence::new(confidence).unwrap());
    let tag = Tag { label, confidence };
    SourcedTag { tag, source }
}

fn provider() -> TagSource {
    TagSource::Provider(TaggerVersion::default())
}

/// Tags of a provider, and paths as `animal|cat`.
pub(crate) fn wanted(names: &[&str], paths: &[&str]) -> Wanted {
    let path = |path: &&str| path.split('|').map(label).collect();
    let single = |name: &&str| vec![label(name)];
    let is_alone = |name: &&&str| {
        !paths
            .iter()
            .any(|path| path.split('|').any(|it| it == **name))
    };
    Wanted {
        root: None,
        tags: names
            .iter()
            .map(|name| said(name, 87.5, provider()))
            .collect(),
        paths: paths
            .iter()
            .map(path)
            .chain(names.iter().filter(is_alone).map(single))
            .collect(),
    }
}

fn merged(text: &str, wanted: &Wanted) -> String {
    let merged = merge(Some(text.as_bytes()), wanted).unwrap();
    let merged = merged.map_or(text.to_owned(), |bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(merge(Some(merged.as_bytes()), wanted), Ok(None), "{merged}");
    merged
}

fn keywords(text: &str) -> Keywords {
    read(text.as_bytes()).unwrap()
}

/// The values of the first property of that name, as they are written.
fn values(text: &str, property: &str) -> Vec<String> {
    let inside = text
        .split(&format!("<{property}"))
        .nth(1)
        .unwrap_or_default();
    let inside = inside
        .split(&format!("</{property}>"))
        .next()
        .unwrap_or_default();
    let items = inside.split("<rdf:li>").skip(1);
    items
        .map(|item| item.split("</rdf:li>").next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_new_sidecar_has_all_fields() {
    let wanted = wanted(&["animal", "cat", "ac/dc", "a|b", "<&>"], &["animal|cat"]);
    let text = merge(None, &wanted).unwrap().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("<?xpacket begin=\"\u{feff}\""));
    assert_eq!(
        values(&text, "dc:subject"),
        ["animal", "cat", "ac/dc", "a|b", "&lt;&amp;&gt;"]
    );
    let hierarchical = ["animal|cat", "ac/dc", "&lt;&amp;&gt;"];
    assert_eq!(values(&text, "lr:hierarchicalSubject"), hierarchical);
    let list = ["animal/cat", "a|b", "&lt;&amp;&gt;"];
    assert_eq!(values(&text, "digiKam:TagsList"), list);
    assert!(text.contains("<digiKam:TagsList>\n    <rdf:Seq>"), "{text}");
    assert_eq!(merge(None, &Wanted::default()), Ok(None));
    let read = keywords(&text);
    assert!(read.names.is_empty(), "{read:?}");
    assert_eq!(read.written.len(), 5);
    assert_eq!(
        read.written[1],
        (wanted.tags[1].tag.clone(), SourceKind::Provider)
    );
    assert_eq!(merged(&text, &wanted), text);
}

#[test]
fn what_was_written_is_taken_back_to_the_last_byte_but_for_what_persons_wrote_too() {
    for text in [DIGIKAM, LIGHTROOM, DARKTABLE] {
        let with = merged(
            text,
            &wanted(&["sea", "boat", "cat", "animal"], &["animal|cat"]),
        );
        assert_ne!(with, text);
        assert_eq!(keywords(&with).names, keywords(text).names);
        let without = merged(&with, &Wanted::default());
        assert_eq!(keywords(&without), keywords(text));
        // Of what was added, a description without properties is left.
        let own = without.find("\n  <rdf:Description rdf:about=\"\"\n    xmlns:dc=");
        let (before, rest) = without.split_at(own.unwrap());
        let after = rest.split_once("</rdf:Description>").unwrap().1;
        assert_eq!(format!("{before}{after}"), text);
    }
}

/// Where nothing has to change its form, something is put in and nothing else happens.
#[test]
fn every_other_byte_stays() {
    for text in [DIGIKAM, LIGHTROOM, DARKTABLE, EXIFTOOL] {
        let with = merged(text, &wanted(&["cat"], &[]));
        let mut rest = with.chars();
        for (at, character) in text.char_indices() {
            let is_there = rest.any(|other| other == character);
            assert!(is_there, "{} is lost:\n{with}", &text[at..]);
        }
    }
    let with = merged(ODD, &wanted(&["cat"], &[]));
    for part in [
        "<!-- other prefixes",
        "<dc:subject>no keyword",
        "<!-- one -->",
        "<b:note>",
        "do<wn]]>&amp;out",
    ] {
        assert!(with.contains(part), "{part} is lost:\n{with}");
    }
    let padding = LIGHTROOM.split("</x:xmpmeta>").nth(1).unwrap();
    assert!(merged(LIGHTROOM, &wanted(&["cat"], &[])).ends_with(padding));
    // A value beside others is all that is added to an array.
    let with = merged(EXIFTOOL, &wanted(&["cat"], &[]));
    let added = "    <rdf:li>sea</rdf:li>\n    <rdf:li>cat</rdf:li>\n   </rdf:Bag>";
    assert!(with.contains(added), "{with}");
    assert_eq!(
        with.matches("rdf:about='uuid:it&apos;s'").count(),
        3,
        "{with}"
    );
}

#[test]
fn a_keyword_of_a_person_is_nobody_elses() {
    let text = merged(EXIFTOOL, &wanted(&["SEA", "cat"], &[]));
    assert_eq!(values(&text, "dc:subject"), ["sea", "cat"]);
    assert_eq!(values(&text, "etiqueta:WroteSubject"), ["cat"]);
    let text = merged(&text, &wanted(&[], &[]));
    assert_eq!(values(&text, "dc:subject"), ["sea"]);
    // A person types a keyword that was written before: it is one of both.
    let text = merged(EXIFTOOL, &wanted(&["cat"], &[]));
    let text = text.replacen(
        "<rdf:li>cat</rdf:li>",
        "<rdf:li>cat</rdf:li><rdf:li>Cat</rdf:li>",
        1,
    );
    assert_eq!(keywords(&text).names, ["sea", "Cat"]);
    let text = merged(&text, &wanted(&["cat"], &[]));
    assert_eq!(values(&text, "dc:subject"), ["sea", "Cat"]);
}

#[test]
fn a_keyword_that_was_removed_from_the_sidecar_is_written_again() {
    let text = merged(EXIFTOOL, &wanted(&["cat"], &[]));
    let removed = text.replacen("<rdf:li>cat</rdf:li>", "", 1);
    assert_eq!(
        values(&merged(&removed, &wanted(&["cat"], &[])), "dc:subject"),
        ["sea", "cat"]
    );
}

/// As when two programs join two versions of a sidecar.
#[test]
fn notes_that_are_there_twice_become_one() {
    let text = merged(EXIFTOOL, &wanted(&["cat"], &[]));
    let twice = text.replace(
        "<rdf:li>cat</rdf:li>",
        "<rdf:li>cat</rdf:li><rdf:li>cat</rdf:li>",
    );
    let once = merged(&twice, &wanted(&["cat"], &[]));
    assert_eq!(values(&once, "etiqueta:WroteSubject"), ["cat"]);
    assert_eq!(values(&once, "dc:subject"), ["sea", "cat"]);
    let none = merged(&twice, &wanted(&[], &[]));
    assert_eq!(values(&none, "dc:subject"), ["sea"]);
}

#[test]
fn other_forms_are_changed_to_arrays() {
    let text = merged(ODD, &wanted(&["cat"], &[]));
    let mut names = keywords(&text).names;
    names.sort();
    let expected = [
        "attribute",
        "described",
        "do<wn&out",
        "literal",
        "qualified",
        "text",
        "up",
    ];
    assert_eq!(names, expected);
    let back = merged(&text, &wanted(&[], &[]));
    let mut names = keywords(&back).names;
    names.sort();
    assert_eq!(names, expected);
    for form in [
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' dc:subject='sea'/>",
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject>sea</dc:subject></rdf:Description>",
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject><![CDATA[sea]]></dc:subject></rdf:Description>",
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject/></rdf:Description>",
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject><rdf:Bag /></dc:subject></rdf:Description>",
        "<rdf:Description/>",
        "",
    ] {
        for end in [format!("<r>{form}</r>"), "<r/>".to_owned()] {
            let text = end
                .replace(
                    "<r>",
                    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
                )
                .replace("</r>", "</rdf:RDF>")
                .replace(
                    "<r/>",
                    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>",
                );
            let with = merged(&text, &wanted(&["cat"], &[]));
            assert_eq!(keywords(&with).names, keywords(&text).names, "{with}");
            let all: Vec<String> = values(&with, "dc:subject");
            assert!(all.contains(&"cat".to_owned()), "{with}");
            let without = merged(&with, &wanted(&[], &[]));
            assert_eq!(keywords(&without).names, keywords(&text).names, "{without}");
        }
    }
}

#[test]
fn a_root_is_above_all() {
    let mut wanted = wanted(&["animal", "cat"], &["animal|cat"]);
    wanted.root = Some("Auto".to_owned());
    let text = merged(EXIFTOOL, &wanted);
    assert_eq!(
        values(&text, "dc:subject"),
        ["sea", "Auto", "animal", "cat"]
    );
    assert_eq!(values(&text, "lr:hierarchicalSubject"), ["Auto|animal|cat"]);
    assert_eq!(values(&text, "digiKam:TagsList"), ["Auto/animal/cat"]);
    assert_eq!(keywords(&text).names, ["sea"]);
    wanted.root = None;
    let text = merged(&text, &wanted);
    assert_eq!(values(&text, "lr:hierarchicalSubject"), ["animal|cat"]);
    wanted.tags.clear();
    wanted.paths.clear();
    wanted.root = Some("Auto".to_owned());
    let text = merged(&text, &wanted);
    assert_eq!(values(&text, "dc:subject"), ["sea"]);
}

#[test]
fn keywords_of_others_are_not_repeated_beside_their_hierarchies_or_below_a_root() {
    let mut wanted = wanted(&["boat", "vehicle", "cat", "animal"], &["animal|cat"]);
    let text = merged(LIGHTROOM, &wanted);
    let expected = ["Vehicle|Boat", "salt, pepper", "animal|cat"];
    assert_eq!(values(&text, "lr:hierarchicalSubject"), expected);
    wanted.root = Some("Auto".to_owned());
    let text = merged(&text, &wanted);
    let expected = ["Vehicle|Boat", "salt, pepper", "Auto|animal|cat"];
    assert_eq!(values(&text, "lr:hierarchicalSubject"), expected);
    assert_eq!(values(&text, "digiKam:TagsList"), ["Auto/animal/cat"]);
    let without = merged(&text, &Wanted::default());
    assert_eq!(keywords(&without), keywords(LIGHTROOM));
}

#[test]
fn a_tag_of_a_person_stays_one_while_it_is_written() {
    let of = |source| Wanted {
        tags: vec![said("mia", 40.0, source)],
        ..Wanted::default()
    };
    let text = merged(EXIFTOOL, &of(TagSource::Person));
    let expected = vec![(
        of(TagSource::Person).tags[0].tag.clone(),
        SourceKind::Person,
    )];
    assert_eq!(keywords(&text).written, expected);
    assert_eq!(merged(&text, &of(TagSource::File)), text);
    let text = merged(&text, &of(provider()));
    assert_eq!(keywords(&text).written[0].1, SourceKind::Provider);
}

#[test]
fn the_encoding_stays() {
    for text in [LIGHTROOM, EXIFTOOL] {
        let expected = merged(text, &wanted(&["niña 猫"], &[]));
        for is_big_endian in [true, false] {
            let sidecar = utf16(text, is_big_endian);
            let merged = merge(Some(&sidecar), &wanted(&["niña 猫"], &[])).unwrap();
            assert_eq!(merged, Some(utf16(&expected, is_big_endian)));
        }
        let marked = format!("\u{feff}{text}");
        let marked = merge(Some(marked.as_bytes()), &wanted(&["niña 猫"], &[])).unwrap();
        assert_eq!(marked.unwrap(), format!("\u{feff}{expected}").as_bytes());
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]", "[A-E]", "[a-c/|<&\"' é猫]{1,4}"]
        .prop_filter("a label", |name| Label::parse(name).is_ok())
}

fn tags() -> impl Strategy<Value = Wanted> {
    let path = prop::collection::vec(name(), 1..4);
    let root = prop::option::of("[F-G]");
    (prop::collection::vec(path, 0..6), root).prop_map(|(paths, root)| {
        let paths: Vec<Vec<Label>> = paths
            .iter()
            .map(|path| path.iter().map(|it| label(it)).collect())
            .collect();
        let mut labels: Vec<&Label> = paths.iter().flatten().collect();
        labels.sort();
        labels.dedup();
        let tags = labels
            .iter()
            .map(|label| said(label.as_str(), 50.0, provider()))
            .collect();
        Wanted { root, tags, paths }
    })
}

proptest! {
    /// However often a sidecar is merged, what others wrote is there, and what was wanted last.
    #[test]
    fn runs_lose_nothing_and_leave_nothing(
        number in 0..ALL.len() + 1,
        runs in prop::collection::vec(tags(), 1..5),
    ) {
        let begin = ALL.get(number).map(|text| text.as_bytes().to_vec());
        let names = begin.as_deref().map(|bytes| read(bytes).unwrap().names).unwrap_or_default();
        let mut sidecar = begin;
        for wanted in &runs {
            if let Some(merged) = merge(sidecar.as_deref(), wanted).unwrap() {
                sidecar = Some(merged);
            }
            prop_assert_eq!(merge(sidecar.as_deref(), wanted), Ok(None));
            let Some(sidecar) = &sidecar else {
                prop_assert!(wanted.tags.is_empty());
                continue;
            };
            let found = read(sidecar).unwrap();
            let (mut one, mut other) = (found.names.clone(), names.clone());
            one.sort();
            other.sort();
            prop_assert_eq!(one, other);
            let written: Tags = found.written.into_iter().map(|(tag, _)| tag).collect();
            let tags: Tags = wanted.tags.iter().map(|said| said.tag.clone()).collect();
            prop_assert_eq!(written, tags);
        }
    }

    /// Whatever is changed in a file, it is refused or understood; merging loses no keyword.
    #[test]
    fn damaged_files_are_refused_or_kept(
        number in 0..ALL.len(),
        cuts in prop::collection::vec((0..6000_usize, 0..40_usize, ".{0,3}"), 0..4),
        wanted in tags(),
    ) {
        let mut text = ALL[number].to_owned();
        for (at, length, put) in cuts {
            let at = text.floor_char_boundary(at);
            let end = text.floor_char_boundary(at + length);
            text.replace_range(at..end, &put);
        }
        let Ok(before) = read(text.as_bytes()) else { return Ok(()) };
        let Ok(Some(merged)) = merge(Some(text.as_bytes()), &wanted) else { return Ok(()) };
        let (mut one, mut other) = (read(&merged).unwrap().names, before.names);
        one.sort();
        other.sort();
        prop_assert_eq!(one, other);
    }
}
