//! Idempotency keys: a request that is repeated under its key has one effect.

use std::fmt;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{ContentDigest, Fence, Threshold};

/// How long the outcome of a request is kept.
pub const OUTCOME_KEPT: TimeDelta = TimeDelta::days(1);

/// A key that the caller chose for a request: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The bytes cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an idempotency key has 1 to {} visible ASCII characters and no blanks",
    IdempotencyKey::LONGEST
)]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const LONGEST: usize = 255;

    /// Takes the value of a header as a key.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdempotencyKeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| IdempotencyKeyError)?;
        let is_key = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key
            .then(|| Self(text.to_owned()))
            .ok_or(IdempotencyKeyError)
    }
}

/// The digest of an idempotency key and its owner, by which a request is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestKey([u8; 32]);

impl RequestKey {
    /// The digest of a key. `owner` names who chose it, in one line: keys of different owners never meet.
    pub fn new(owner: &str, key: &IdempotencyKey) -> Self {
        let text = format!("{owner}\n{}", key.0);
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal, shortened.
impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = u32::from_be_bytes(*self.0.first_chunk().unwrap_or(&[0; 4]));
        write!(f, "RequestKey({start:08x}…)")
    }
}

/// What an upload brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadSource<'a> {
    /// Bytes, in whatever form they came.
    Bytes(&'a ContentDigest),
    /// A URL, which is not fetched again for a repeated request.
    Url(&'a str),
}

/// The digest of all that makes a request what it is. Under one key, requests with different fingerprints are a
/// mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFingerprint([u8; 32]);

impl RequestFingerprint {
    /// The fingerprint of the registration of an image, with the threshold that the caller named.
    pub fn of_upload(source: UploadSource<'_>, threshold: Option<Threshold>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"image\n");
        match threshold {
            None => hasher.update(b"default\n"),
            Some(threshold) => {
                hasher.update(b"at least ");
                hasher.update(threshold.lowest().get().to_bits().to_be_bytes());
            }
        }
        match source {
            UploadSource::Bytes(digest) => {
                hasher.update(b"bytes ");
                hasher.update(digest.as_bytes());
            }
            UploadSource::Url(url) => {
                hasher.update(b"url ");
                hasher.update(url.as_bytes());
            }
        }
        Self(hasher.finalize().into())
    }

    /// The same for a request that chooses tag providers by these names, in alphabetical order.
    #[must_use]
    pub fn with_providers<'a>(self, names: impl Iterator<Item = &'a str>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        for name in names {
            hasher.update(b"\nby ");
            hasher.update(name.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// Takes the 32 bytes of a fingerprint.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A request under an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The key, with its owner.
    pub key: RequestKey,
    /// What is asked for.
    pub fingerprint: RequestFingerprint,
}

/// The right to carry out a request under an idempotency key, until it expires or another request takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLease {
    /// The key.
    pub key: RequestKey,
    /// Changes with each lease on the key: an older lease records nothing any more.
    pub fence: Fence,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Confidence;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn keys_are_visible_ascii() {
        let longest = "~".repeat(255);
        for text in ["!", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &longest] {
            assert!(IdempotencyKey::parse(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            "a b",
            "a\tb",
            "ñ",
            "a\u{7f}",
            &format!("{longest}x"),
        ] {
            assert_eq!(
                IdempotencyKey::parse(text.as_bytes()),
                Err(IdempotencyKeyError),
                "{text:?}"
            );
        }
        assert_eq!(IdempotencyKey::parse(b"\xff"), Err(IdempotencyKeyError));
    }

    #[test]
    fn owners_keep_their_keys_apart() {
        let owners = ["anonymous", "admin", "key 1", "key 2"];
        let mut seen = std::collections::HashSet::new();
        for owner in owners {
            for text in ["a", "b"] {
                assert!(seen.insert(RequestKey::new(owner, &key(text))));
            }
            let again = RequestKey::new(owner, &key("a"));
            assert!(!seen.insert(again), "{again:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_of_source_and_threshold() {
        let (one, other) = (ContentDigest::of(b"one"), ContentDigest::of(b"other"));
        let at = |lowest| Some(Threshold::new(Confidence::new(lowest).unwrap()));
        let requests = [
            (UploadSource::Bytes(&one), None),
            (UploadSource::Bytes(&one), at(80.0)),
            (UploadSource::Bytes(&one), at(60.0)),
            (UploadSource::Bytes(&other), None),
            (UploadSource::Url("https://a.example/1"), None),
            (UploadSource::Url("https://a.example/2"), None),
        ];
        for (a, (source, threshold)) in requests.iter().enumerate() {
            for (b, (other, lowest)) in requests.iter().enumerate() {
                let is_same = RequestFingerprint::of_upload(*source, *threshold)
                    == RequestFingerprint::of_upload(*other, *lowest);
                assert_eq!(is_same, a == b, "{source:?} {other:?}");
            }
        }
    }
}
