use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Confidence, Threshold, Vocabulary};

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn sofa() -> VocabularyEntry {
    VocabularyEntry {
        aliases: [label("couch"), label("a|b\\c")].into(),
        parents: [label("furniture"), label("salt, pepper")].into(),
        threshold: Some(Threshold::new(Confidence::new(60.5).unwrap())),
        is_blocked: true,
        names: [
            ("es".to_owned(), label("so=fá")),
            ("pt-br".to_owned(), label("x|y")),
        ]
        .into(),
        ..VocabularyEntry::new(label("sofa"))
    }
}

#[test]
fn tables_are_written_and_read() {
    let entries = [sofa(), VocabularyEntry::new(label("lamp"))];
    let text = to_table(&entries);
    let expected = "tag\taliases\tparents\tthreshold\tblocked\tnames\n\
                    sofa\ta\\|b\\\\c|couch\tfurniture|salt, pepper\t60.5\tyes\tes=so=fá|pt-br=x\\|y\n\
                    lamp\t\t\t\t\t\n";
    assert_eq!(text, expected);
    assert_eq!(from_text(&text).unwrap().entries(), entries);
    let short = format!(
        "\u{feff}{}# a comment\r\n\r\n Lamp\r\n",
        &text[..text.find("sofa").unwrap()]
    );
    let read = from_text(&short).unwrap();
    assert_eq!(read.entries(), [VocabularyEntry::new(label("lamp"))]);
}

#[rstest::rstest]
#[case("tag\tparents\n", "line 1: the columns are not")]
#[case("\n \n", "line 3: \"\": a label cannot be empty")]
#[case("sofa\t\t\t\t\t\tx\n", "line 2: there are more fields")]
#[case("sofa\t\t\t101\n", "line 2: \"101\" is not a number")]
#[case("sofa\t\t\tx\n", "line 2: \"x\" is not a number")]
#[case("sofa\t\t\t\tno\n", "line 2: \"no\" is neither")]
#[case("sofa\t\t\t\t\tes\n", "line 2: \"es\" is not a language and a name")]
#[case("sofa\t\t\t\t\tes=a|es=b\n", "line 2: there is a second name")]
#[case("sofa\t\t\t\t\ten=a\n", "line 2: labels are their own names")]
#[case(
    "sofa\nstraße\nSTRASSE\n",
    "line 4: \"strasse\" has an entry in line 3"
)]
fn faults_of_tables_have_lines(#[case] text: &str, #[case] why: &str) {
    let text = match text.strip_prefix("tag\t") {
        Some(_) => text.to_owned(),
        None => format!("{}{text}", to_table([])),
    };
    let error = from_text(&text).unwrap_err().to_string();
    assert!(error.starts_with(why), "{error}");
}

const KEYWORDS: &str = "[things]\n\
                        \tFurniture\n\
                        \t\tsofa\n\
                        \t\t\t{couch}\n\
                        \t\t\t{settee}\n\
                        \t\tlamp\n\
                        lights\n\
                        \tlamp\n";

#[test]
fn keyword_lists_are_read() {
    let file = from_text(&KEYWORDS.replace('\n', "\r\n")).unwrap();
    let texts = |labels: &BTreeSet<Label>| -> String {
        let labels: Vec<&str> = labels.iter().map(Label::as_str).collect();
        labels.join(",")
    };
    let entries = file.entries().iter();
    let read: Vec<String> = entries
        .map(|entry| {
            let (aliases, parents) = (texts(&entry.aliases), texts(&entry.parents));
            format!("{} {aliases} {parents} {}", entry.tag, entry.is_blocked)
        })
        .collect();
    let expected = [
        "things   true",
        "furniture  things false",
        "sofa couch,settee furniture false",
        "lamp  furniture,lights false",
        "lights   false",
    ];
    assert_eq!(read, expected);
}

#[test]
fn keyword_lists_are_written() {
    let file = from_keywords(KEYWORDS).unwrap();
    let text = to_keywords(file.entries());
    let expected = "lights\n\
                    \tlamp\n\
                    [things]\n\
                    \tfurniture\n\
                    \t\tlamp\n\
                    \t\tsofa\n\
                    \t\t\t{couch}\n\
                    \t\t\t{settee}\n";
    assert_eq!(text, expected);
}

#[rstest::rstest]
#[case("{couch}\n", "line 1: there is no keyword")]
#[case("a\n\t\tb\n", "line 2: the line is indented too far")]
#[case("\ta\n", "line 1: the line is indented too far")]
#[case("a\n\t{}\n", "line 2: \"\": a label cannot be empty")]
#[case("a\n[]\n", "line 2: \"\": a label cannot be empty")]
#[case("a\n\t{b}\n\t\tc\n", "line 3: the line is indented too far")]
fn faults_of_keyword_lists_have_lines(#[case] text: &str, #[case] why: &str) {
    let error = from_text(text).unwrap_err().to_string();
    assert!(error.starts_with(why), "{error}");
}

#[test]
fn conflicts_have_lines() {
    let file = from_keywords("a\n\tx\nb\n\t{x}\n").unwrap();
    let conflict = Vocabulary::new(file.entries().to_vec()).unwrap_err();
    assert_eq!(file.line_of(&conflict), Some(3));
    let file = from_keywords("orange\n\tfruit\n\t\torange\n").unwrap();
    let conflict = Vocabulary::new(file.entries().to_vec()).unwrap_err();
    assert_eq!(file.line_of(&conflict), Some(2), "{conflict}");
    let other = from_keywords("c\n").unwrap();
    assert_eq!(other.line_of(&conflict), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec("\\PC{1,8}", 1..8)) {
        let labels: Vec<Label> = texts.iter().filter_map(|text| Label::parse(text).ok()).collect();
        let Some((tag, rest)) = labels.split_first() else {
            return Ok(());
        };
        // Not a comment.
        prop_assume!(!tag.as_str().starts_with('#'));
        let entry = VocabularyEntry {
            aliases: rest.iter().cloned().collect(),
            parents: rest.iter().cloned().collect(),
            ..VocabularyEntry::new(tag.clone())
        };
        let entry = entry.checked().unwrap();
        let file = from_text(&to_table([&entry])).unwrap();
        prop_assert_eq!(file.entries(), [entry]);
    }
}
