//! Imagga's successful responses.

use std::collections::HashMap;

use domain::{Confidence, ConfidenceError, Label, Tag, Tags};
use serde::Deserialize;
use thiserror::Error;

/// `{"result": {"tags": [{"confidence": 61.4, "tag": {"en": "mountain"}}]}, …}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply {
    result: Found,
}

#[derive(Debug, Deserialize)]
struct Found {
    tags: Vec<FoundTag>,
}

#[derive(Debug, Deserialize)]
struct FoundTag {
    confidence: f64,
    /// The label in each requested language.
    tag: HashMap<String, String>,
}

/// The response is well-formed but invalid.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub(crate) enum ReplyError {
    #[error("a confidence: {0}")]
    Confidence(#[from] ConfidenceError),
    #[error("no tag is in the language that was asked for")]
    Language,
}

impl Reply {
    /// The tags in one language. Tags without a translation, and invalid labels, are dropped.
    pub(crate) fn into_tags(self, language: &str) -> Result<Tags, ReplyError> {
        let found = self.result.tags;
        let is_translated = |found: &FoundTag| found.tag.contains_key(language);
        if !found.is_empty() && !found.iter().any(is_translated) {
            return Err(ReplyError::Language);
        }
        let tags = found
            .into_iter()
            .filter_map(|found| found.into_tag(language).transpose());
        tags.collect()
    }
}

impl FoundTag {
    fn into_tag(mut self, language: &str) -> Result<Option<Tag>, ReplyError> {
        let confidence = Confidence::new(self.confidence)?;
        let Some(text) = self.tag.remove(language) else {
            tracing::warn!(language, "a tag is not in the language that was asked for");
            return Ok(None);
        };
        match Label::parse(&text) {
            Ok(label) => Ok(Some(Tag { label, confidence })),
            Err(error) => {
                tracing::warn!(%error, "a tag has no usable label");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain_testing::tags;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, language: &str) -> Option<Tags> {
        let reply: Reply = serde_json::from_str(text).ok()?;
        reply.into_tags(language).ok()
    }

    fn one(confidence: &str) -> String {
        format!(
            r#"{{"result": {{"tags": [{{"confidence": {confidence}, "tag": {{"en": "car"}}}}]}}}}"#
        )
    }

    #[test]
    fn takes_integral_and_fractional_confidences() {
        let text = r#"{"result": {"tags": [
            {"confidence": 100, "tag": {"en": "car"}},
            {"confidence": 67.0043640136719, "tag": {"en": "domestic"}, "origin": "x"}]},
            "status": {"text": "", "type": "success"}}"#;
        let expected = tags(&[("car", 100.0), ("domestic", 67.004_364_013_671_9)]);
        assert_eq!(read(text, "en"), Some(expected));
    }

    #[test]
    fn picks_the_language_and_drops_invalid_labels() {
        let long = "ñ".repeat(256);
        let text = format!(
            r#"{{"result": {{"tags": [
                {{"confidence": 61.4, "tag": {{"en": "mountain", "es": "Montaña "}}}},
                {{"confidence": 50, "tag": {{"en": "hill"}}}},
                {{"confidence": 40, "tag": {{"es": " "}}}},
                {{"confidence": 30, "tag": {{"es": "{long}"}}}}]}}}}"#
        );
        assert_eq!(read(&text, "es"), Some(tags(&[("montaña", 61.4)])));
        assert_eq!(read(&text, "fr"), None);
    }

    #[test]
    fn nothing_found_is_no_error() {
        let text = r#"{"result": {"tags": []}}"#;
        assert_eq!(read(text, "en"), Some(Tags::default()));
    }

    #[rstest::rstest]
    #[case("-0.1")]
    #[case("100.00001")]
    #[case("1e400")]
    #[case("null")]
    #[case("\"61\"")]
    #[case("NaN")]
    fn refuses_invalid_confidences(#[case] confidence: &str) {
        assert_eq!(read(&one(confidence), "en"), None);
    }

    #[rstest::rstest]
    #[case("{}")]
    #[case("[]")]
    #[case("null")]
    #[case(r#"{"result": {}}"#)]
    #[case(r#"{"result": {"tags": {}}}"#)]
    #[case(r#"{"result": {"tags": [{"confidence": 1}]}}"#)]
    #[case(r#"{"result": {"tags": [{"tag": {"en": "car"}}]}}"#)]
    #[case(r#"{"result": {"tags": [{"confidence": 1, "tag": "car"}]}}"#)]
    #[case(r#"{"result": {"tags": [{"confidence": 1, "tag": {"en": null}}]}}"#)]
    #[case(r#"{"status": {"text": "no", "type": "error"}}"#)]
    fn refuses_other_answers(#[case] text: &str) {
        assert_eq!(read(text, "en"), None);
    }

    proptest! {
        #[test]
        fn confidences_are_kept_to_the_last_bit(value in 0.0..=100.0f64) {
            let found = read(&one(&format!("{value:?}")), "en").unwrap();
            let kept: Vec<_> = found.iter().map(|tag| tag.confidence.get().to_bits()).collect();
            prop_assert_eq!(kept, [value.to_bits()]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<Reply>(&bytes);
        }

        #[test]
        fn no_text_of_this_kind_makes_it_panic(
            text in r#"\{"result":\{"tags":\[(\{|\}|\[|\]|"|:|,|"confidence":|"tag":|"en":|[0-9eE.+-]|\PC){0,60}\]\}\}"#,
            confidence in r"-?[0-9]{1,400}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,4})?",
        ) {
            let _ = read(&text, "en");
            let _ = read(&one(&confidence), "en");
        }
    }
}
