//! `[tagging]`: who tags, and how.

use std::path::PathBuf;

use domain::{Confidence, Threshold};

use super::{
    error::{SettingsError, ValueError},
    values::Values,
};

/// The longest side that a JPEG can have, in pixels.
const MAX_SIDE: u32 = 65_535;

/// The longest name of a language, in characters.
const MAX_LANGUAGE: usize = 16;

/// The section `[tagging]`.
#[derive(Debug, Clone)]
pub struct TaggingSettings {
    /// Who tags.
    pub provider: ProviderChoice,
    /// The threshold when a request names none.
    pub min_confidence: Threshold,
    /// Longest side in pixels of the copy sent to a cloud provider; 0 sends the original.
    pub max_side: u32,
    /// Language of the tags, such as `en`. Whether the provider has it is the provider's to say.
    pub language: String,
    /// Folder with a model of one's own for the local tagger.
    pub model: Option<PathBuf>,
}

/// Who tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderChoice {
    /// Imagga where its credentials are set, else the local tagger.
    Auto,
    /// Imagga.
    Imagga,
    /// The local tagger.
    Local,
}

impl TaggingSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        let choices = [
            ("auto", ProviderChoice::Auto),
            ("imagga", ProviderChoice::Imagga),
            ("local", ProviderChoice::Local),
        ];
        Ok(Self {
            provider: values.choice("tagging.provider", &choices)?,
            min_confidence: values.parse("tagging.min_confidence", threshold)?,
            max_side: values.parse("tagging.max_side", side)?,
            language: values.parse("tagging.language", language)?,
            model: values.parse("tagging.model", |text| Ok(folder(text)))?,
        })
    }
}

/// A threshold: a number from 0 to 100, decimals allowed.
pub(crate) fn threshold(text: &str) -> Result<Threshold, ValueError> {
    let number: f64 = text.parse().map_err(|_| ValueError::Number {
        value: text.to_owned(),
        from: 0,
        to: 100,
    })?;
    Ok(Threshold::new(Confidence::new(number)?))
}

fn side(text: &str) -> Result<u32, ValueError> {
    let side = text.parse().ok().filter(|side| *side <= MAX_SIDE);
    side.ok_or_else(|| ValueError::Number {
        value: text.to_owned(),
        from: 0,
        to: MAX_SIDE.into(),
    })
}

fn language(text: &str) -> Result<String, ValueError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.len() <= MAX_LANGUAGE && text.chars().all(is_part) {
        return Ok(text.to_owned());
    }
    Err(ValueError::NotA {
        value: text.to_owned(),
        what: "a language such as en",
    })
}

fn folder(text: &str) -> Option<PathBuf> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
}
