//! API keys: metadata, without the secret.

use std::fmt;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{KeyId, Scopes, SecretDigest};

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// A label chosen by its owner.
    pub name: KeyName,
    /// The permissions it grants.
    pub scopes: Scopes,
    /// The digest of its secret.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it expires, exclusive; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to a minute; `None` is never.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// Whether it has expired by `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

/// The name of a key: 1 to 100 characters without control characters, and without blanks around it. Several keys
/// may have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

/// The text cannot be the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the name of a key has 1 to {} characters, none of them a control character",
    KeyName::LONGEST
)]
pub struct KeyNameError;

impl KeyName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 100;

    /// Trims a text and takes it as a name.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        let name = text.trim();
        let is_name = (1..=Self::LONGEST).contains(&name.chars().count())
            && !name.chars().any(char::is_control);
        is_name.then(|| Self(name.to_owned())).ok_or(KeyNameError)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        let longest = "ñ".repeat(100);
        for (text, name) in [
            ("  phone ", "phone"),
            ("a", "a"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(KeyName::parse(text).unwrap().as_str(), name);
        }
        for text in ["", "  ", "a\nb", "a\u{7f}", &format!("{longest}x")] {
            assert_eq!(KeyName::parse(text), Err(KeyNameError), "{text:?}");
        }
    }
}
