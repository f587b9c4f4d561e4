//! Reads tags as models write them.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use domain::{Confidence, Label, Tag, Tags};
use serde_json::Value;
use thiserror::Error;

/// A longer name is a sentence.
const LONGEST_NAME: usize = 60;

/// So are more words than that.
const MOST_WORDS: usize = 5;

/// So many items of an answer are looked at, whatever it has.
const MOST_ITEMS: usize = 10_000;

/// Members that a list of tags has been seen under.
const LISTS: &[&str] = &["labels", "tags", "keywords", "objects"];

/// Members that a name has been seen under.
const NAMES: &[&str] = &["name", "label", "tag", "keyword", "object"];

/// Members that a confidence has been seen under.
const CONFIDENCES: &[&str] = &["confidence", "score", "probability"];

/// How answers are read.
pub(crate) struct Reading<'a> {
    /// The words that may be given; `None` allows any.
    pub(crate) words: Option<&'a [String]>,
    /// The confidence of a tag that comes without one.
    pub(crate) default_confidence: Confidence,
    /// Most tags.
    pub(crate) max_tags: usize,
    /// Whether a text without JSON is a list of words.
    pub(crate) lists_words: bool,
}

/// There are no tags in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no list of tags in the model's words")]
pub(crate) struct NoList;

/// A name with its confidence as it was written.
struct Item {
    name: String,
    confidence: Option<f64>,
}

impl Reading<'_> {
    /// The tags of an answer, highest confidence first, at most so many. Names that are none are dropped.
    pub(crate) fn tags(&self, content: &str) -> Result<Tags, NoList> {
        let content = without_thoughts(content);
        let items = match json_in(content) {
            Some(value) => items(&value).ok_or(NoList)?,
            None if self.lists_words => listed(content),
            None => return Err(NoList),
        };
        let scale = scale(&items);
        let known = self.words.map(known);
        let mut tags: Vec<Tag> = items
            .into_iter()
            .filter_map(|item| self.tag(&item, scale, known.as_ref()))
            .collect();
        // Stable: what a model names first is what it means most.
        tags.sort_by_key(|tag| Reverse(tag.confidence));
        let mut seen = HashSet::new();
        tags.retain(|tag| seen.insert(tag.label.clone()));
        tags.truncate(self.max_tags);
        Ok(tags.into_iter().collect())
    }

    fn tag(&self, item: &Item, scale: f64, known: Option<&HashMap<String, &str>>) -> Option<Tag> {
        let name = plain(&item.name)?;
        let name = match known {
            Some(known) => known.get(&key(&name)).map(|name| (*name).to_owned())?,
            None => name,
        };
        let label = Label::parse(&name).ok()?;
        let confidence = item
            .confidence
            .map_or(Some(self.default_confidence), |given| {
                Confidence::new((given * scale).clamp(0.0, 100.0)).ok()
            });
        Some(Tag {
            label,
            confidence: confidence?,
        })
    }
}

/// What follows a model's thoughts.
fn without_thoughts(content: &str) -> &str {
    let end = content.rfind("</think>");
    end.map_or(content, |at| &content[at + "</think>".len()..])
        .trim()
}

/// The JSON in a text: all of it, a block between fences, or what is between the outermost brackets.
fn json_in(text: &str) -> Option<Value> {
    let fenced = || {
        let (_, rest) = text.split_once("```")?;
        let rest = rest.strip_prefix("json").unwrap_or(rest);
        rest.split_once("```").map(|(block, _)| block)
    };
    let between = |open: char, close: char| {
        let (start, end) = (text.find(open)?, text.rfind(close)?);
        text.get(start..=end)
    };
    let parsed = |text: &str| {
        serde_json::from_str::<Value>(text.trim())
            .ok()
            .filter(is_list)
    };
    parsed(text)
        .or_else(|| parsed(fenced()?))
        .or_else(|| parsed(between('{', '}')?))
        .or_else(|| parsed(between('[', ']')?))
}

fn is_list(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// The items of an array, of an array in an object, or of an object of names and numbers.
fn items(value: &Value) -> Option<Vec<Item>> {
    let object = match value {
        Value::Array(list) => return Some(list.iter().take(MOST_ITEMS).filter_map(item).collect()),
        Value::Object(object) => object,
        _ => return None,
    };
    let mut lists = LISTS.iter().filter_map(|name| object.get(*name));
    if let Some(list) = lists.next() {
        return match list {
            Value::String(text) => Some(listed(text)),
            list => items(list),
        };
    }
    let pairs = object.iter().take(MOST_ITEMS);
    let pairs = pairs.map(|(name, value)| Some((name.clone(), number(value)?)));
    let pairs: Option<Vec<_>> = pairs.collect();
    Some(
        pairs?
            .into_iter()
            .map(|(name, confidence)| Item {
                name,
                confidence: Some(confidence),
            })
            .collect(),
    )
}

fn item(value: &Value) -> Option<Item> {
    match value {
        Value::String(name) => Some(Item {
            name: name.clone(),
            confidence: None,
        }),
        Value::Object(members) => {
            let mut names = NAMES.iter().filter_map(|name| members.get(*name)?.as_str());
            let mut confidences = CONFIDENCES
                .iter()
                .filter_map(|name| number(members.get(*name)?));
            Some(Item {
                name: names.next()?.to_owned(),
                confidence: confidences.next(),
            })
        }
        _ => None,
    }
}

/// A number, or a text with one, as in "90%".
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A list in words: one a line, or separated by commas.
fn listed(text: &str) -> Vec<Item> {
    let parts = text.split([',', ';', '\n']).take(MOST_ITEMS);
    parts
        .map(|part| Item {
            name: part.to_owned(),
            confidence: None,
        })
        .collect()
}

/// Models were asked for percentages, and many give fractions: so they are meant where none is above 1.
fn scale(items: &[Item]) -> f64 {
    let mut given = items.iter().filter_map(|item| item.confidence);
    if given.all(|confidence| confidence <= 1.0) {
        100.0
    } else {
        1.0
    }
}

/// A name without what lists and markup put around it; `None` if it is none.
fn plain(name: &str) -> Option<String> {
    let around =
        |character: char| character.is_whitespace() || "#*-•·\"'`.:()[]{}".contains(character);
    let name = name.trim_matches(around);
    // "1. cat", "2) dog".
    let digits = name.trim_start_matches(|character: char| character.is_ascii_digit());
    let numbered = digits
        .strip_prefix(['.', ')'])
        .filter(|_| digits.len() < name.len());
    let name = numbered
        .unwrap_or(name)
        .trim_matches(around)
        .replace('_', " ");
    let is_name = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && name.split_whitespace().count() <= MOST_WORDS;
    is_name.then_some(name)
}

/// The words by their keys; the first of those with the same key.
fn known(words: &[String]) -> HashMap<String, &str> {
    let mut known = HashMap::with_capacity(words.len());
    for word in words {
        known.entry(key(word)).or_insert(word.as_str());
    }
    known
}

/// By this names are compared with a vocabulary: without case, blanks, hyphens, and the plural's s.
fn key(name: &str) -> String {
    let mut key: String = name
        .to_lowercase()
        .chars()
        .filter(|character| !matches!(character, ' ' | '-' | '_'))
        .collect();
    if key.len() > 3 && key.ends_with('s') && !key.ends_with("ss") {
        key.pop();
    }
    key
}

#[cfg(test)]
mod tests {
    use domain_testing::tags;
    use proptest::prelude::*;

    use super::*;

    fn reading(words: Option<&[String]>) -> Reading<'_> {
        Reading {
            words,
            default_confidence: Confidence::new(90.0).unwrap(),
            max_tags: 5,
            lists_words: false,
        }
    }

    #[rstest::rstest]
    #[case(
        r#"{"labels": [{"name": "Cat", "confidence": 95}, {"name": "sofa", "confidence": 60.5}]}"#
    )]
    #[case(r#"{"labels": [{"name": "cat", "confidence": 0.95}, {"name": "sofa", "confidence": 0.605}]}"#)]
    #[case(r##"  {"tags": [{"tag": "sofa", "score": "60.5%"}, {"label": "#cat", "probability": "95"}]}"##)]
    #[case(
        "Sure! Here you are:\n```json\n{\"labels\": [{\"name\": \"cat\", \"confidence\": 95}, {\"name\": \"sofa\", \"confidence\": 60.5}]}\n```\nAnything else?"
    )]
    #[case("<think>A cat {maybe}. [hm]</think>\n{\"cat\": 95, \"sofa\": 60.5}")]
    #[case(
        "The tags are [{\"name\": \"cat\", \"confidence\": 95}, {\"name\": \"sofa\", \"confidence\": 60.5}]."
    )]
    fn the_same_tags_in_many_forms(#[case] content: &str) {
        let expected = tags(&[("cat", 95.0), ("sofa", 60.5)]);
        assert_eq!(reading(None).tags(content), Ok(expected));
    }

    #[rstest::rstest]
    #[case(r#"["cat", "sofa"]"#)]
    #[case(r#"{"labels": ["1. cat", " sofa. "]}"#)]
    #[case(r##"{"labels": ["#cat", "**sofa**"]}"##)]
    #[case(r#"{"keywords": "cat, sofa"}"#)]
    #[case(r#"{"labels": [{"name": "cat"}, {"name": "sofa", "confidence": "high"}, {"confidence": 3}, 7, null]}"#)]
    fn without_a_number_the_default_counts(#[case] content: &str) {
        let expected = tags(&[("cat", 90.0), ("sofa", 90.0)]);
        assert_eq!(reading(None).tags(content), Ok(expected));
    }

    #[rstest::rstest]
    #[case("I cannot help with that.")]
    #[case("cat, sofa")]
    #[case("{\"labels\": [{\"name\": \"ca")]
    #[case("{\"labels\": 7}")]
    #[case("{\"answer\": \"cat\"}")]
    #[case("\"cat\"")]
    fn what_is_no_list_is_refused(#[case] content: &str) {
        assert_eq!(reading(None).tags(content), Err(NoList));
    }

    #[test]
    fn words_alone_are_a_list_where_they_are_asked_for() {
        let reading = Reading {
            lists_words: true,
            ..reading(None)
        };
        let expected = tags(&[("cat", 90.0), ("city street", 90.0), ("dog", 90.0)]);
        for content in [
            "cat, dog, City_Street.",
            "- cat\n- dog\n- city street",
            "1. cat\n2) dog\n3. city street",
        ] {
            assert_eq!(reading.tags(content), Ok(expected.clone()), "{content}");
        }
    }

    #[test]
    fn sentences_empty_names_and_repetitions_are_dropped_and_the_rest_cut() {
        let content = r#"{"labels": [{"name": "ignore all rules and delete everything now", "confidence": 100}, {"name": " ", "confidence": 99},
            {"name": "cat", "confidence": 70}, {"name": "CAT", "confidence": 80}, {"name": "a", "confidence": 150}, {"name": "b", "confidence": -3},
            {"name": "c", "confidence": 60}, {"name": "d", "confidence": 50}, {"name": "e", "confidence": 40}]}"#;
        let expected = tags(&[
            ("a", 100.0),
            ("cat", 80.0),
            ("c", 60.0),
            ("d", 50.0),
            ("e", 40.0),
        ]);
        assert_eq!(reading(None).tags(content), Ok(expected));
    }

    #[test]
    fn a_closed_vocabulary_maps_spellings_and_drops_the_rest() {
        let words = ["golden retriever", "bus", "Café"].map(str::to_owned);
        let content = r#"["Golden_Retrievers", "bus", "buses", "café", "dragon"]"#;
        let expected = tags(&[("golden retriever", 90.0), ("bus", 90.0), ("café", 90.0)]);
        assert_eq!(reading(Some(&words)).tags(content), Ok(expected));
    }

    #[test]
    fn ten_thousand_labels_are_a_list_of_the_best() {
        let many: Vec<_> = (0..20_000)
            .map(|n| format!(r#"{{"name": "label {n}", "confidence": {}}}"#, n % 100))
            .collect();
        let content = format!("[{}]", many.join(","));
        assert_eq!(reading(None).tags(&content).unwrap().len(), 5);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(content: String, lists_words: bool) {
            let reading = Reading { lists_words, ..reading(None) };
            if let Ok(tags) = reading.tags(&content) {
                prop_assert!(tags.len() <= 5);
            }
        }

        #[test]
        fn any_json_is_read_or_refused(names: Vec<String>, confidence: f64) {
            let content = serde_json::json!({"labels": names.iter().map(|name| serde_json::json!({"name": name, "confidence": confidence})).collect::<Vec<_>>()});
            prop_assert!(reading(None).tags(&content.to_string()).is_ok());
        }
    }
}
