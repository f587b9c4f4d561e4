//! API keys: metadata, without the secret.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::{Scopes, SecretDigest};

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

/// The id of a key: a UUID, written in lower case with hyphens. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Uuid);

/// The text is not the id of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the id of a key is a UUID of 36 characters, such as 7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
pub struct KeyIdError;

impl KeyId {
    /// An id that no other key has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Takes the 16 bytes of an id, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        // Uuid's own parser knows further notations.
        if text.len() != 36 {
            return Err(KeyIdError);
        }
        Uuid::parse_str(text).map(Self).map_err(|_| KeyIdError)
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

    #[test]
    fn ids_are_uuids_with_hyphens() {
        let id = KeyId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let bare = id.to_string().replace('-', "");
        for text in ["", "7", &bare, &format!("{{{id}}}")] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text}");
        }
    }
}
