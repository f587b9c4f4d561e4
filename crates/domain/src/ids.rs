//! Ids of images.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{NoContext, Timestamp, Uuid};

/// The id of an image: a UUID, written in lower case with hyphens (36 characters).
///
/// Generated ids are of version 7 (RFC 9562), so they sort by registration time; ids of any version parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Uuid);

/// The text is not an image id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an image id is a UUID of 36 characters, such as 7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
pub struct ImageIdError;

impl ImageId {
    /// Generates an id for an image registered at that time.
    pub fn new(registered_at: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(registered_at.timestamp()).unwrap_or(0);
        let nanos = registered_at.timestamp_subsec_nanos();
        Self(Uuid::new_v7(Timestamp::from_unix(
            NoContext, seconds, nanos,
        )))
    }

    /// The id with these 16 bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for ImageId {
    type Err = ImageIdError;

    /// Parses 36 characters, in either case.
    fn from_str(text: &str) -> Result<Self, ImageIdError> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(ImageIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ImageIdError)
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
}
