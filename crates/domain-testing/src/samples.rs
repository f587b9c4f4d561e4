//! Sample values for tests.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    ApiKey, Confidence, ContentDigest, Image, ImageFacts, ImageId, KeyId, KeyName, KeySecret,
    Label, MediaType, Scope, Scopes, Tag, Tags, ports::Clock,
};

/// The time `seconds` after 2024-01-01 00:00:00 UTC.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_704_067_200 + seconds, 0).expect("a time in range")
}

/// A label; panics on an invalid text.
pub fn label(text: &str) -> Label {
    Label::parse(text).expect("a label")
}

/// A tag; panics on an invalid label or confidence.
pub fn tag(text: &str, confidence: f64) -> Tag {
    Tag {
        label: label(text),
        confidence: Confidence::new(confidence).expect("a confidence"),
    }
}

/// Tags of labels and confidences.
pub fn tags(pairs: &[(&str, f64)]) -> Tags {
    pairs
        .iter()
        .map(|(text, confidence)| tag(text, *confidence))
        .collect()
}

/// An image with that content, time and tags, under a new id.
pub fn image(content: &[u8], registered_at: DateTime<Utc>, pairs: &[(&str, f64)]) -> Image {
    Image {
        id: ImageId::new(registered_at),
        digest: ContentDigest::of(content),
        facts: ImageFacts {
            media_type: MediaType::Jpeg,
            width: 640,
            height: 480,
            byte_size: content.len() as u64,
        },
        registered_at,
        taken_order: registered_at.naive_utc(),
        tags: tags(pairs),
    }
}

/// A key with a random secret.
pub fn api_key(name: &str, scope: Scope, created_at: DateTime<Utc>) -> ApiKey {
    ApiKey {
        id: KeyId::random(),
        name: KeyName::parse(name).expect("a name"),
        scopes: Scopes::new([scope]).expect("a scope"),
        digest: KeySecret::random().expect("randomness").digest(),
        created_at,
        expires_at: None,
        last_used_at: None,
    }
}

/// A clock that stands still until it is moved. It starts at [`at`]`(0)`.
#[derive(Debug)]
pub struct TestClock(Mutex<DateTime<Utc>>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Mutex::new(at(0)))
    }
}

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("no test panicked holding the clock") += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("no test panicked holding the clock")
    }
}
