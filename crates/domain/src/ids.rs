//! Ids: UUIDs, one type for each kind of thing.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{NoContext, Timestamp, Uuid};

/// Defines a type of ids, and the error of a text that is none of them.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $(#[$error_doc:meta])* $error:ident, $subject:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        $(#[$error_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
        #[error(
            "{} is a UUID of 36 characters, such as 7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            $subject
        )]
        pub struct $error;

        impl $name {
            /// The id with these 16 bytes, most significant first.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes, most significant first.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = $error;

            /// Parses 36 characters, in either case.
            fn from_str(text: &str) -> Result<Self, $error> {
                // The parser of `uuid` takes other notations, too.
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err($error);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| $error)
            }
        }
    };
}

id! {
    /// The id of an image: a UUID, written in lower case with hyphens (36 characters).
    ///
    /// Generated ids are of version 7 (RFC 9562), so they sort by registration time; ids of any version parse.
    ImageId,
    /// The text is not an image id.
    ImageIdError,
    "an image id"
}

id! {
    /// The id of an API key: a UUID, written in lower case with hyphens. It is no secret.
    KeyId,
    /// The text is not the id of a key.
    KeyIdError,
    "the id of a key"
}

id! {
    /// The id of a job: a UUID, written in lower case with hyphens.
    JobId,
    /// The text is not the id of a job.
    JobIdError,
    "the id of a job"
}

id! {
    /// The id of a webhook: a UUID, written in lower case with hyphens.
    WebhookId,
    /// The text is not the id of a webhook.
    WebhookIdError,
    "the id of a webhook"
}

id! {
    /// The id of a delivery to a webhook: a UUID, written in lower case with hyphens.
    DeliveryId,
    /// The text is not the id of a delivery.
    DeliveryIdError,
    "the id of a delivery"
}

id! {
    /// The id of a temporary upload: a UUID of version 7, written in lower case with hyphens. It holds the time at
    /// which it was made, and 74 random bits, by which nobody guesses it.
    UploadId,
    /// The text is not the id of an upload.
    UploadIdError,
    "the id of an upload"
}

impl ImageId {
    /// Generates an id for an image registered at that time.
    pub fn new(registered_at: DateTime<Utc>) -> Self {
        Self(made_at(registered_at))
    }
}

impl UploadId {
    /// Generates an id for an upload made at that time.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(made_at(at))
    }

    /// When it was made, to the millisecond. `None` for an id of another version, which no upload has.
    pub fn made_at(&self) -> Option<DateTime<Utc>> {
        if self.0.get_version_num() != 7 {
            return None;
        }
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    }
}

/// A UUID of version 7.
fn made_at(time: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    let nanos = time.timestamp_subsec_nanos();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos))
}

impl KeyId {
    /// An id that no other key has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl JobId {
    /// An id that no other job has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl WebhookId {
    /// An id that no other webhook has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl DeliveryId {
    /// An id that no other delivery has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id as receivers see it, the same at every attempt.
    pub fn message_id(&self) -> String {
        format!("msg_{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let later = at + chrono::TimeDelta::milliseconds(1);
        assert!(ImageId::new(at) < ImageId::new(later));
        assert_ne!(ImageId::new(at), ImageId::new(at));
    }

    #[test]
    fn ids_are_read_in_either_case_and_written_in_lower_case() {
        let text = "7E0A214C-8F7E-44C3-BDC6-3FFA4D0CB777";
        let id: ImageId = text.parse().unwrap();
        assert_eq!(id.to_string(), text.to_lowercase());
        assert_eq!(ImageId::from_bytes(*id.as_bytes()), id);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("7e0a214c8f7e44c3bdc63ffa4d0cb777")]
    #[case("{7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb77}")]
    #[case("7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb77g")]
    #[case("7e0a214c-8f7e-44c3-bdc63-ffa4d0cb777")]
    fn refuses_other_ids(#[case] text: &str) {
        assert_eq!(text.parse::<ImageId>(), Err(ImageIdError));
    }

    #[test]
    fn an_upload_id_holds_its_time() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = UploadId::new(at);
        assert_eq!(id.made_at(), Some(at));
        assert_ne!(id, UploadId::new(at));
        let text = JobId::random().to_string();
        let other: UploadId = text.parse().unwrap();
        assert_eq!(other.made_at(), None);
    }

    #[test]
    fn random_ids_differ() {
        assert_ne!(KeyId::random(), KeyId::random());
        assert_ne!(JobId::random(), JobId::random());
    }

    #[test]
    fn errors_say_what_the_id_is_of() {
        let error = "x".parse::<JobId>().unwrap_err().to_string();
        assert!(error.starts_with("the id of a job is a UUID"), "{error}");
    }
}
