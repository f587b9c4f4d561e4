//! Answers of tag providers.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{ContentDigest, TaggerVersion, Taggers, Tags};

/// The identity of a provider: two answers with the same identity for the same picture are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderIdentity {
    name: String,
    version: String,
    language: String,
}

/// Why a part of an identity is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProviderIdentityError {
    /// A part is empty.
    #[error("a tag provider needs a {part}")]
    Empty {
        /// `name`, `version` or `language`.
        part: &'static str,
    },
    /// A part is longer than the stores allow.
    #[error("the {part} of a tag provider has {length} characters, more than {longest}")]
    TooLong {
        /// `name`, `version` or `language`.
        part: &'static str,
        /// Its length in characters.
        length: usize,
        /// Most characters allowed.
        longest: usize,
    },
}

impl ProviderIdentity {
    /// Most characters of a name and of a version.
    pub const LONGEST_NAME: usize = 64;

    /// Most characters of a language.
    pub const LONGEST_LANGUAGE: usize = 16;

    /// An identity of these parts: the provider's name, such as `imagga`, the version of its model or
    /// interface, such as `v2`, and the language of its labels, such as `en`. They are kept unchanged.
    pub fn parse(
        name: impl Into<String>,
        version: impl Into<String>,
        language: impl Into<String>,
    ) -> Result<Self, ProviderIdentityError> {
        Ok(Self {
            name: checked("name", name.into(), Self::LONGEST_NAME)?,
            version: checked("version", version.into(), Self::LONGEST_NAME)?,
            language: checked("language", language.into(), Self::LONGEST_LANGUAGE)?,
        })
    }

    /// The provider's name, such as `imagga`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of its model or interface.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The language of its labels.
    pub fn language(&self) -> &str {
        &self.language
    }
}

fn checked(
    part: &'static str,
    text: String,
    longest: usize,
) -> Result<String, ProviderIdentityError> {
    match text.chars().count() {
        0 => Err(ProviderIdentityError::Empty { part }),
        length if length > longest => Err(ProviderIdentityError::TooLong {
            part,
            length,
            longest,
        }),
        _ => Ok(text),
    }
}

/// The key of an answer: these bytes, seen by this provider, at this size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaggingKey {
    /// The digest of the tagged bytes.
    pub digest: ContentDigest,
    /// The provider.
    pub provider: ProviderIdentity,
    /// The longest side in pixels of the copy sent; 0 if the provider got the original, or pixels at a size
    /// of its own choice.
    pub max_side: u32,
}

impl TaggingKey {
    /// Its position in the order of keys: by digest, provider, version, language and size, texts byte by byte.
    pub fn position(&self) -> (&ContentDigest, &str, &str, &str, u32) {
        let provider = &self.provider;
        (
            &self.digest,
            provider.name(),
            provider.version(),
            provider.language(),
            self.max_side,
        )
    }
}

/// The complete answers of the providers that tagged a picture: of at least one, each of another provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAnswers {
    first: (ProviderIdentity, Tags),
    further: Vec<(ProviderIdentity, Tags)>,
}

impl ProviderAnswers {
    /// The answer of one provider.
    pub fn of(provider: ProviderIdentity, tags: Tags) -> Self {
        Self {
            first: (provider, tags),
            further: Vec::new(),
        }
    }

    /// Adds the answer of another provider.
    #[must_use]
    pub fn and(mut self, provider: ProviderIdentity, tags: Tags) -> Self {
        self.further.push((provider, tags));
        self
    }

    /// These answers, in the order of their providers. `None` if there are none.
    pub fn from_list(answers: impl IntoIterator<Item = (ProviderIdentity, Tags)>) -> Option<Self> {
        let mut answers = answers.into_iter();
        let first = answers.next()?;
        let further = answers.collect();
        Some(Self { first, further })
    }

    /// The answers, in the order of their providers.
    pub fn iter(&self) -> impl Iterator<Item = &(ProviderIdentity, Tags)> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// The providers, in their order.
    pub fn taggers(&self) -> Taggers {
        let first = TaggerVersion::from(&self.first.0);
        let further = self.further.iter().map(|(provider, _)| provider.into());
        Taggers::new(first, further)
    }
}

/// A provider's complete answer for one original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagging {
    /// Everything it found, whatever the confidence.
    pub tags: Tags,
    /// When it answered, to the microsecond.
    pub tagged_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_keeps_its_parts_as_they_are() {
        let (name, language) = ("ñ".repeat(64), "x".repeat(16));
        let identity = ProviderIdentity::parse(&*name, " v2", &*language).unwrap();
        let parts = (identity.name(), identity.version(), identity.language());
        assert_eq!(parts, (&*name, " v2", &*language));
    }

    #[rstest::rstest]
    #[case(0, 1, 1, "a tag provider needs a name")]
    #[case(1, 0, 1, "a tag provider needs a version")]
    #[case(1, 1, 0, "a tag provider needs a language")]
    #[case(65, 1, 1, "the name of a tag provider has 65 characters, more than 64")]
    #[case(
        1,
        65,
        1,
        "the version of a tag provider has 65 characters, more than 64"
    )]
    #[case(
        1,
        1,
        17,
        "the language of a tag provider has 17 characters, more than 16"
    )]
    fn parts_that_a_store_would_cut_are_refused(
        #[case] name: usize,
        #[case] version: usize,
        #[case] language: usize,
        #[case] reason: &str,
    ) {
        let [name, version, language] = [name, version, language].map(|length| "ñ".repeat(length));
        let error = ProviderIdentity::parse(name, version, language).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
}
