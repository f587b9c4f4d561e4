//! Events, and the messages that tell of them.

use std::{collections::BTreeSet, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{ImageId, JobId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// An image was recorded.
    ImageCreated,
    /// A tag provider's tags of an image were recorded: with the image, or again.
    ImageTagged,
    /// The tags of an image were changed by a person, a file or the vocabulary.
    ImageUpdated,
    /// An image was deleted.
    ImageDeleted,
    /// A job was done, failed or was cancelled.
    JobFinished,
}

/// The text names no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the name of an event")]
pub struct EventKindError;

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::ImageCreated,
        Self::ImageTagged,
        Self::ImageUpdated,
        Self::ImageDeleted,
        Self::JobFinished,
    ];

    /// Its stable name: the `type` of a message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageCreated => "image.created",
            Self::ImageTagged => "image.tagged",
            Self::ImageUpdated => "image.updated",
            Self::ImageDeleted => "image.deleted",
            Self::JobFinished => "job.finished",
        }
    }
}

impl FromStr for EventKind {
    type Err = EventKindError;

    fn from_str(text: &str) -> Result<Self, EventKindError> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text).ok_or(EventKindError)
    }
}

/// The events of a webhook: at least one, in the order of [`EventKind::ALL`], written with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventKinds(BTreeSet<EventKind>);

impl EventKinds {
    /// These kinds, each once. `None` if there are none.
    pub fn new(kinds: impl IntoIterator<Item = EventKind>) -> Option<Self> {
        let kinds: BTreeSet<_> = kinds.into_iter().collect();
        (!kinds.is_empty()).then_some(Self(kinds))
    }

    /// Whether a kind is among them.
    pub fn contains(&self, kind: EventKind) -> bool {
        self.0.contains(&kind)
    }

    /// Iterates in the order of [`EventKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = EventKind> {
        self.0.iter().copied()
    }
}

impl fmt::Display for EventKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(EventKind::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for EventKinds {
    type Err = EventKindError;

    fn from_str(text: &str) -> Result<Self, EventKindError> {
        let kinds: Result<Vec<EventKind>, _> = text.split(',').map(str::parse).collect();
        Self::new(kinds?).ok_or(EventKindError)
    }
}

/// An event: its kind, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookEvent {
    /// See [`EventKind::ImageCreated`].
    ImageCreated(ImageId),
    /// See [`EventKind::ImageTagged`].
    ImageTagged(ImageId),
    /// See [`EventKind::ImageUpdated`].
    ImageUpdated(ImageId),
    /// See [`EventKind::ImageDeleted`].
    ImageDeleted(ImageId),
    /// See [`EventKind::JobFinished`].
    JobFinished(JobId),
}

impl WebhookEvent {
    /// The event of a kind that is about the image or the job of that id.
    pub fn from_parts(kind: EventKind, subject: [u8; 16]) -> Self {
        let image = ImageId::from_bytes(subject);
        match kind {
            EventKind::ImageCreated => Self::ImageCreated(image),
            EventKind::ImageTagged => Self::ImageTagged(image),
            EventKind::ImageUpdated => Self::ImageUpdated(image),
            EventKind::ImageDeleted => Self::ImageDeleted(image),
            EventKind::JobFinished => Self::JobFinished(JobId::from_bytes(subject)),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::ImageCreated(_) => EventKind::ImageCreated,
            Self::ImageTagged(_) => EventKind::ImageTagged,
            Self::ImageUpdated(_) => EventKind::ImageUpdated,
            Self::ImageDeleted(_) => EventKind::ImageDeleted,
            Self::JobFinished(_) => EventKind::JobFinished,
        }
    }

    /// The bytes of the id of what it is about.
    pub fn subject(&self) -> &[u8; 16] {
        match self {
            Self::ImageCreated(image)
            | Self::ImageTagged(image)
            | Self::ImageUpdated(image)
            | Self::ImageDeleted(image) => image.as_bytes(),
            Self::JobFinished(job) => job.as_bytes(),
        }
    }

    /// The body of the message that tells of it: JSON with `type`, `timestamp` (UTC, microseconds) and `data.id`. It
    /// is the same at every attempt.
    pub fn message(&self, happened_at: DateTime<Utc>) -> String {
        let time = happened_at.format("%Y-%m-%dT%H:%M:%S%.6fZ");
        // Neither a kind nor a UUID has a character that JSON escapes.
        format!(
            r#"{{"type":"{}","timestamp":"{time}","data":{{"id":"{}"}}}}"#,
            self.kind().as_str(),
            self.subject_id()
        )
    }

    /// The id of what it is about, as text.
    pub fn subject_id(&self) -> String {
        ImageId::from_bytes(*self.subject()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let event = WebhookEvent::from_parts(kind, [7; 16]);
            assert_eq!((event.kind(), event.subject()), (kind, &[7; 16]));
        }
        assert_eq!("image.seen".parse::<EventKind>(), Err(EventKindError));
        let two = EventKinds::new([EventKind::JobFinished, EventKind::ImageTagged]).unwrap();
        assert_eq!(two.to_string(), "image.tagged,job.finished");
        assert_eq!(two.to_string().parse(), Ok(two.clone()));
        assert!(two.contains(EventKind::ImageTagged) && !two.contains(EventKind::ImageCreated));
        assert_eq!(EventKinds::new([]), None);
        for text in ["", "image.tagged,", "image.tagged, job.finished"] {
            assert_eq!(text.parse::<EventKinds>(), Err(EventKindError), "{text}");
        }
    }

    #[test]
    fn a_message_is_thin() {
        let id = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";
        let at = DateTime::from_timestamp_micros(1_796_042_201_123_450).unwrap();
        let message = WebhookEvent::ImageTagged(id.parse().unwrap()).message(at);
        let expected = format!(
            "{{\"type\":\"image.tagged\",\"timestamp\":\"2026-11-30T12:36:41.123450Z\",\"data\":{{\"id\":\"{id}\"}}}}"
        );
        assert_eq!(message, expected);
    }
}
