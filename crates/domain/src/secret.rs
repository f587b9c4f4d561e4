//! Credentials, and the digests that are stored in their place.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Random bytes per secret.
const RANDOM_BYTES: usize = 32;

/// Their length in base64, in characters.
const RANDOM_LENGTH: usize = 43;

/// The operating system returned no random bytes.
#[derive(Debug, Clone, Error)]
#[error("the operating system returned no random bytes: {0}")]
pub struct SecretError(String);

/// The secret of an API key: `etq_` and 256 random bits in base64 (43 characters, URL-safe, unpadded).
#[derive(Debug, Clone)]
pub struct KeySecret(SecretString);

impl KeySecret {
    /// The prefix of every key, by which secret scanners recognise it.
    pub const PREFIX: &str = "etq_";

    /// A new secret.
    pub fn random() -> Result<Self, SecretError> {
        Ok(Self(format!("{}{}", Self::PREFIX, random()?).into()))
    }

    /// Whether `text` has the form of a key. If not, no look-up is needed.
    pub fn is_well_formed(text: &str) -> bool {
        text.strip_prefix(Self::PREFIX).is_some_and(is_random)
    }

    /// The digest to store.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(self.0.expose_secret())
    }

    /// The plain text. It must only be sent to the caller that requested the key.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The secret of a session: 256 random bits in base64 (43 characters, URL-safe, unpadded).
#[derive(Debug, Clone)]
pub struct SessionToken(SecretString);

impl SessionToken {
    /// A new token.
    pub fn random() -> Result<Self, SecretError> {
        Ok(Self(random()?.into()))
    }

    /// Whether `text` has the form of a token. If not, no look-up is needed.
    pub fn is_well_formed(text: &str) -> bool {
        is_random(text)
    }

    /// The digest to store.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(self.0.expose_secret())
    }

    /// The plain text, for the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

fn random() -> Result<String, SecretError> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random_bytes()?))
}

/// Random bytes for a secret.
pub(crate) fn random_bytes() -> Result<[u8; RANDOM_BYTES], SecretError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| SecretError(error.to_string()))?;
    Ok(bytes)
}

fn is_random(text: &str) -> bool {
    let is_symbol = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == RANDOM_LENGTH && text.bytes().all(is_symbol)
}

/// The SHA-256 of a secret; the secret itself is not stored. Comparison is constant-time. Neither salt nor a slow
/// hash is needed: generated secrets have 256 random bits.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Digests a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Takes the 32 bytes of a digest.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

/// Redacted: a digest in a log would allow an offline search.
impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn secrets_are_random_and_well_formed() {
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let (key, token) = (
                KeySecret::random().unwrap(),
                SessionToken::random().unwrap(),
            );
            assert!(KeySecret::is_well_formed(key.expose()));
            assert_eq!(key.expose().len(), 47);
            assert!(SessionToken::is_well_formed(token.expose()));
            assert!(seen.insert(key.expose().to_owned()));
            assert!(seen.insert(token.expose().to_owned()));
            assert_eq!(key.digest(), SecretDigest::of(key.expose()));
            assert_ne!(key.digest(), token.digest());
        }
    }

    #[test]
    fn other_texts_are_not_well_formed() {
        let random = "x".repeat(RANDOM_LENGTH);
        assert!(KeySecret::is_well_formed(&format!("etq_{random}")));
        for text in [
            random.clone(),
            format!("etq-{random}"),
            format!("ETQ_{random}"),
            format!("etq_{random}x"),
            format!("etq_ {}", &random[1..]),
            format!("etq_ñ{}", &random[2..]),
            String::new(),
        ] {
            assert!(!KeySecret::is_well_formed(&text), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let (key, token) = (
            KeySecret::random().unwrap(),
            SessionToken::random().unwrap(),
        );
        let shown = format!("{key:?} {token:?} {:?}", key.digest());
        assert!(!shown.contains(&key.expose()[4..]), "{shown}");
        assert!(!shown.contains(token.expose()), "{shown}");
        assert!(shown.ends_with("SecretDigest(…)"), "{shown}");
    }
}
