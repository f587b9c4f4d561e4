//! Conversions between domain values and columns.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    mysql::{Mysql, MysqlValue},
    sql_types::Binary,
    sqlite::{Sqlite, SqliteValue},
};
use domain::{
    Confidence, ContentDigest, ImageFacts, ImageId, Label, MediaType, Tag, Tagging, Tags,
    UntaggedImage,
};
use thiserror::Error;

use crate::error::StoreError;

/// Why a stored value is invalid.
#[derive(Debug, Error)]
enum Unreadable {
    #[error("{0:?} is no media type")]
    MediaType(String),
    #[error("{0} is no number of pixels")]
    Pixels(i64),
    #[error("{0} is no size")]
    Size(i64),
    #[error("{0} is no time")]
    Time(i64),
    #[error("{0} bytes are no id or digest")]
    Length(usize),
}

/// Microseconds since the epoch, rounded down.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// The first microsecond at or after a time.
pub(crate) fn micros_up(time: DateTime<Utc>) -> i64 {
    let is_whole = time.timestamp_subsec_nanos().is_multiple_of(1000);
    micros(time) + i64::from(!is_whole)
}

/// Microseconds since 1970-01-01 00:00:00 of a clock in an unknown time zone.
pub(crate) fn local_micros(time: NaiveDateTime) -> i64 {
    micros(time.and_utc())
}

pub(crate) fn local_time(micros: i64) -> Result<NaiveDateTime, StoreError> {
    Ok(time(micros)?.naive_utc())
}

pub(crate) fn time(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or(Unreadable::Time(micros))
        .map_err(StoreError::corrupt)
}

/// The signed form of a number in the database. No picture is too large for it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The bytes of an id or a digest in a column, or their number if it is wrong.
///
/// There are ten of them for each image of a list: too many for an allocation each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromSqlRow)]
pub(crate) struct Bytes<const N: usize>(Result<[u8; N], usize>);

impl<const N: usize> From<&[u8]> for Bytes<N> {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.try_into().map_err(|_| bytes.len()))
    }
}

impl<const N: usize> Bytes<N> {
    pub(crate) fn get(self) -> Result<[u8; N], StoreError> {
        self.0
            .map_err(|length| StoreError::corrupt(Unreadable::Length(length)))
    }
}

impl<const N: usize> FromSql<Binary, Sqlite> for Bytes<N> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(value.read_blob().into())
    }
}

impl<const N: usize> FromSql<Binary, Mysql> for Bytes<N> {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        Ok(value.as_bytes().into())
    }
}

pub(crate) type IdBytes = Bytes<16>;
pub(crate) type DigestBytes = Bytes<32>;

pub(crate) fn image_id(id: &[u8]) -> Result<ImageId, StoreError> {
    Ok(ImageId::from_bytes(IdBytes::from(id).get()?))
}

pub(crate) fn digest(digest: &[u8]) -> Result<ContentDigest, StoreError> {
    Ok(ContentDigest::from_bytes(DigestBytes::from(digest).get()?))
}

/// Media type, width, height and size.
pub(crate) type FactsRow = (String, i64, i64, i64);

pub(crate) fn facts((media_type, width, height, size): FactsRow) -> Result<ImageFacts, StoreError> {
    let pixels =
        |side| u32::try_from(side).map_err(|_| StoreError::corrupt(Unreadable::Pixels(side)));
    Ok(ImageFacts {
        media_type: MediaType::from_name(&media_type)
            .ok_or(Unreadable::MediaType(media_type))
            .map_err(StoreError::corrupt)?,
        width: pixels(width)?,
        height: pixels(height)?,
        byte_size: u64::try_from(size).map_err(|_| StoreError::corrupt(Unreadable::Size(size)))?,
    })
}

pub(crate) fn label(name: &str) -> Result<Label, StoreError> {
    Label::parse(name).map_err(StoreError::corrupt)
}

pub(crate) fn confidence(value: f64) -> Result<Confidence, StoreError> {
    Confidence::new(value).map_err(StoreError::corrupt)
}

pub(crate) fn tag(name: &str, value: f64) -> Result<Tag, StoreError> {
    Ok(Tag {
        label: label(name)?,
        confidence: confidence(value)?,
    })
}

/// An image without its tags: id, times of registering and taking, digest, facts.
pub(crate) type ImageRow = (IdBytes, i64, i64, DigestBytes, FactsRow);

pub(crate) fn untagged(
    (id, registered_at, taken_order, content, row): ImageRow,
) -> Result<UntaggedImage, StoreError> {
    Ok(UntaggedImage {
        id: ImageId::from_bytes(id.get()?),
        digest: ContentDigest::from_bytes(content.get()?),
        facts: facts(row)?,
        registered_at: time(registered_at)?,
        taken_order: local_time(taken_order)?,
    })
}

/// Encodes tags as JSON: `[[label, confidence], …]`.
pub(crate) fn written_tags(tags: &Tags) -> Result<Vec<u8>, StoreError> {
    let pairs: Vec<(&str, f64)> = tags
        .iter()
        .map(|tag| (tag.label.as_str(), tag.confidence.get()))
        .collect();
    serde_json::to_vec(&pairs)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()).into())
}

pub(crate) fn tagging(tagged_at: i64, written: &[u8]) -> Result<Tagging, StoreError> {
    let pairs: Vec<(String, f64)> = serde_json::from_slice(written).map_err(StoreError::corrupt)?;
    let tags = pairs.iter().map(|(name, value)| tag(name, *value));
    Ok(Tagging {
        tags: tags.collect::<Result<Tags, StoreError>>()?,
        tagged_at: time(tagged_at)?,
    })
}

#[cfg(test)]
mod tests {
    use domain::ports::ImageStoreError;
    use domain_testing::at;

    use super::*;

    fn assert_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, StoreError::Known(ImageStoreError::Corrupt(_))),
            "{error:?}"
        );
    }

    #[test]
    fn invalid_values_are_corrupt() {
        assert_corrupt(facts(("image/avif".into(), 1, 1, 1)));
        assert_corrupt(facts(("image/png".into(), -1, 1, 1)));
        assert_corrupt(facts(("image/png".into(), 1, 1 << 32, 1)));
        assert_corrupt(facts(("image/png".into(), 1, 1, -1)));
        assert_corrupt(image_id(&[0; 15]));
        assert_corrupt(digest(&[0; 33]));
        assert_corrupt(time(i64::MAX));
        assert_corrupt(tag("", 1.0));
        assert_corrupt(tag("car", 100.5));
        assert_corrupt(tagging(0, b"{}"));
        assert_corrupt(tagging(0, b"[[\"car\", 101]]"));
    }

    #[test]
    fn a_bound_between_two_microseconds_is_the_next_one() {
        let whole = at(0);
        let between = whole + chrono::TimeDelta::nanoseconds(1);
        assert_eq!(micros_up(whole), micros(whole));
        assert_eq!(micros_up(between), micros(whole) + 1);
        assert_eq!(micros(between), micros(whole));
    }
}
