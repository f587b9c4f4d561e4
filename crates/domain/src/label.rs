//! The text of a tag.

use std::{borrow::Cow, fmt, sync::Arc};

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// The longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 255;

/// The text of a tag: trimmed, Unicode NFC, lower case, 1 to [`MAX_LABEL_CHARS`] characters, none of them a
/// control character.
///
/// Clones share the text: a list of a million images has few distinct labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

/// Why a text cannot be a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The text is empty after trimming and dropping control characters.
    #[error("a label cannot be empty")]
    Empty,
    /// The normalised text has more than [`MAX_LABEL_CHARS`] characters.
    #[error("a label has at most {MAX_LABEL_CHARS} characters")]
    TooLong,
}

impl Label {
    /// Normalises a text into a label.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let normal = normal(text);
        let trimmed = normal.trim();
        if trimmed.is_empty() {
            return Err(LabelError::Empty);
        }
        if trimmed.chars().count() > MAX_LABEL_CHARS {
            return Err(LabelError::TooLong);
        }
        Ok(Self(trimmed.into()))
    }

    /// What labels begin with that begin with a text: like [`parse`](Self::parse), but blanks at the end count.
    pub(crate) fn normal_prefix(text: &str) -> String {
        normal(text).trim_start().to_owned()
    }

    /// The text by full case folding, for comparing names: `straße` and `strasse` fold alike.
    pub fn folded(&self) -> String {
        // Upper case maps every variant of a letter to one, which lower case alone does not.
        let upper = self.0.to_uppercase();
        upper.to_lowercase().nfc().collect()
    }

    /// The normalised text, for display and comparison.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn normal(text: &str) -> String {
    without_controls(text).to_lowercase().nfc().collect()
}

/// Drops control characters. Most texts have none and are not copied.
fn without_controls(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, ""))
    } else {
        Cow::Borrowed(text)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case(" Motor Vehicle\t", "motor vehicle")]
    #[case("CAFE\u{301}", "café")]
    #[case("Straße", "straße")]
    #[case("\u{3000}猫\u{3000}", "猫")]
    #[case("\u{0}cat\u{7f}\u{85}", "cat")]
    #[case("\u{1} cat \u{1}", "cat")]
    #[case("e\u{8}\u{301}", "é")]
    fn normalises(#[case] text: &str, #[case] label: &str) {
        assert_eq!(Label::parse(text).unwrap().as_str(), label);
    }

    #[rstest::rstest]
    #[case("straße", "STRASSE")]
    #[case("ΟΔΟΣ", "οδοσ")]
    #[case("ﬁn", "fin")]
    #[case("PERRO", "perro")]
    fn folds_alike(#[case] one: &str, #[case] other: &str) {
        let folded = |text| Label::parse(text).unwrap().folded();
        assert_eq!(folded(one), folded(other));
        assert_ne!(folded(one), folded("más"));
        assert_ne!(folded("mas"), folded("más"));
    }

    #[test]
    fn refuses_empty_and_overlong_texts() {
        assert_eq!(Label::parse(" \n\t"), Err(LabelError::Empty));
        assert_eq!(Label::parse("\u{1} \u{2}"), Err(LabelError::Empty));
        assert!(Label::parse(&"ñ".repeat(255)).is_ok());
        assert_eq!(Label::parse(&"ñ".repeat(256)), Err(LabelError::TooLong));
    }

    proptest! {
        #[test]
        fn a_label_is_its_own_label(text in ".{0,300}") {
            if let Ok(label) = Label::parse(&text) {
                let again = Label::parse(label.as_str());
                prop_assert_eq!(again.as_ref(), Ok(&label));
                prop_assert_eq!(label.as_str().trim(), label.as_str());
                prop_assert!(!label.as_str().contains(char::is_control));
            }
        }
    }
}
