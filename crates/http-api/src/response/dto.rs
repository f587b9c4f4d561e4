//! Images and tags as they are written on the wire.

use std::fmt;

use super::Infos;
use chrono::{DateTime, Datelike, Timelike};
use chrono_tz::Tz;
use domain::{
    CameraData, ConfidenceHistogram, Image, ImageInfo, Label, ShownNames, Tag, TagSummary, Tags,
    service::{Match, Tagged},
};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};

/// An image without its bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = Image)]
pub(crate) struct ImageBody<'a> {
    /// The id: a UUID in lower case.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: &'a dyn fmt::Display,
    /// The size of the image in kilobytes (1024 bytes), rounded to two decimals.
    #[schema(example = 47.75)]
    size: f64,
    /// When the image was registered, `YYYY-MM-DD HH:MM:SS` in the server's time zone.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "2024-01-11 10:04:35")]
    date: Date,
    /// The tags, highest confidence first, ties by name.
    #[schema(value_type = Vec<TagBody>)]
    tags: NamedTags<'a>,
    /// The media type of the original; with `info=true`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "image/jpeg")]
    media_type: Option<&'static str>,
    /// Pixels across of the upright picture; with `info=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 640)]
    width: Option<u32>,
    /// Pixels down of the upright picture; with `info=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 480)]
    height: Option<u32>,
    /// The name of the file it was uploaded as, null where unknown; with `info=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "photo.jpg")]
    file_name: Option<Nullable<&'a str>>,
    /// When it was taken, by the camera's own clock, null where unknown; with `info=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "2024-01-11 10:04:35")]
    taken_at: Option<Nullable<String>>,
}

/// An image that looks like another one.
#[derive(Serialize, ToSchema)]
#[schema(as = Match)]
pub(crate) struct MatchBody<'a> {
    #[serde(flatten)]
    image: ImageBody<'a>,
    /// How much it looks like the other one, from 0 to 100, rounded to two decimals.
    #[schema(minimum = 0, maximum = 100, example = 87.5)]
    similarity: f64,
}

/// A member that is there, and null where its value is unknown.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Nullable<T>(pub(super) Option<T>);

/// An image with its bytes.
#[derive(ToSchema)]
#[schema(as = ImageWithData)]
#[expect(
    dead_code,
    reason = "for the documentation: `data` is never held, but written while it is read"
)]
pub(crate) struct ImageWithDataBody {
    /// The id: a UUID in lower case.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// The size of the image in kilobytes (1024 bytes), rounded to two decimals.
    #[schema(example = 47.75)]
    size: f64,
    /// When the image was registered, `YYYY-MM-DD HH:MM:SS` in the server's time zone.
    #[schema(example = "2024-01-11 10:04:35")]
    date: String,
    /// The tags, highest confidence first, ties by name.
    tags: Vec<TagBody<'static>>,
    /// The image, byte for byte as it was sent, in base64 (standard alphabet, with padding).
    #[schema(format = Byte, example = "R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs=")]
    data: String,
}

/// A tag of an image.
#[derive(Serialize, ToSchema)]
#[schema(as = Tag)]
pub(crate) struct TagBody<'a> {
    /// The name: lower case, Unicode NFC, at most 255 characters.
    #[schema(example = "car")]
    tag: &'a str,
    /// How sure the tag provider is, from 0 to 100.
    #[schema(minimum = 0, maximum = 100, example = 69.437_355_041_503_9)]
    confidence: f64,
}

/// The answer to an upload: an image, with its bytes unless the client preferred it without.
pub(crate) struct RegisteredBody;

impl PartialSchema for RegisteredBody {
    fn schema() -> RefOr<Schema> {
        // Not `oneOf`: an image with its bytes is one without them, too.
        let schema = AnyOfBuilder::new()
            .item(Ref::from_schema_name(ImageWithDataBody::name()))
            .item(Ref::from_schema_name(ImageBody::name()))
            .build();
        RefOr::T(Schema::AnyOf(schema))
    }
}

impl ToSchema for RegisteredBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((
            ImageWithDataBody::name().into(),
            ImageWithDataBody::schema(),
        ));
        schemas.push((ImageBody::name().into(), ImageBody::schema()));
        ImageWithDataBody::schemas(schemas);
    }
}

/// The tags of a picture that is not registered.
#[derive(Serialize, ToSchema)]
#[schema(as = Tagged)]
pub(crate) struct TaggedBody<'a> {
    /// The tags, highest confidence first, ties by name.
    #[schema(value_type = Vec<TagBody>)]
    tags: NamedTags<'a>,
    /// The tag provider; of several all, as `local, openai`.
    #[schema(example = "imagga")]
    provider: String,
    /// The version of its model or interface; of several in the same order.
    #[schema(example = "v2")]
    version: String,
}

/// How a tag is used.
#[derive(Serialize, ToSchema)]
#[schema(as = TagSummary)]
pub(crate) struct TagSummaryBody<'a> {
    /// The name.
    #[schema(example = "car")]
    tag: &'a str,
    /// How many images carry it.
    #[schema(minimum = 1, example = 12)]
    n_images: u64,
    /// The lowest confidence among them.
    #[schema(minimum = 0, maximum = 100, example = 61.4)]
    min_confidence: f64,
    /// The highest confidence among them.
    #[schema(minimum = 0, maximum = 100, example = 100.0)]
    max_confidence: f64,
    /// The arithmetic mean of the confidences.
    #[schema(minimum = 0, maximum = 100, example = 83.25)]
    mean_confidence: f64,
}

/// The images of a tag, by confidence.
#[derive(Serialize, ToSchema)]
#[schema(as = Confidences)]
pub(crate) struct ConfidencesBody<'a> {
    /// The name.
    #[schema(example = "car")]
    tag: &'a str,
    /// How many images have a confidence from 0 to less than 5, from 5 to less than 10 and so on; the last
    /// number includes 100.
    #[schema(
        min_items = 20,
        max_items = 20,
        example = json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 2, 4, 1, 0, 6, 9])
    )]
    bins: &'a [u64],
}

impl<'a> ConfidencesBody<'a> {
    /// Writes a histogram.
    pub(crate) fn new(tag: &'a Label, histogram: &'a ConfidenceHistogram) -> Self {
        Self {
            tag: tag.as_str(),
            bins: histogram.bins(),
        }
    }
}

/// How images are written.
#[derive(Debug, Clone)]
pub(crate) struct Presentation {
    /// The time zone of dates.
    pub(crate) zone: Tz,
    /// The names of tags.
    pub(crate) names: ShownNames,
}

impl<'a> ImageBody<'a> {
    /// Writes an image.
    pub(crate) fn new(image: &'a Image, shown: &'a Presentation) -> Self {
        Self {
            id: &image.id,
            size: kilobytes(image.facts.byte_size),
            date: Date(image.registered_at.with_timezone(&shown.zone)),
            tags: NamedTags::new(&image.tags, &shown.names),
            media_type: None,
            width: None,
            height: None,
            file_name: None,
            taken_at: None,
        }
    }

    /// Adds what is known of the picture.
    pub(crate) fn with_info(self, image: &Image, info: Option<&'a ImageInfo>) -> Self {
        let facts = image.facts;
        Self {
            media_type: Some(facts.media_type.as_str()),
            width: Some(facts.width),
            height: Some(facts.height),
            file_name: Some(Nullable(info.and_then(|info| info.file_name.as_deref()))),
            taken_at: Some(Nullable(info.and_then(|info| taken_at(&info.camera)))),
            ..self
        }
    }
}

impl<'a> MatchBody<'a> {
    /// Writes an image that was found, with what is known of the picture if that is to be told.
    pub(crate) fn new(found: &'a Match, infos: Option<&'a Infos>, shown: &'a Presentation) -> Self {
        let image = ImageBody::new(&found.image, shown);
        Self {
            image: match infos {
                Some(infos) => image.with_info(&found.image, infos.get(&found.image.id)),
                None => image,
            },
            similarity: (found.similarity * 100.0).round() / 100.0,
        }
    }
}

impl<'a> TagBody<'a> {
    fn new(tag: &'a Tag, names: &'a ShownNames) -> Self {
        Self {
            tag: names.of(&tag.label).as_str(),
            confidence: tag.confidence.get(),
        }
    }
}

/// Tags under the names that are shown.
struct NamedTags<'a> {
    tags: &'a Tags,
    names: &'a ShownNames,
}

impl<'a> NamedTags<'a> {
    fn new(tags: &'a Tags, names: &'a ShownNames) -> Self {
        Self { tags, names }
    }
}

impl Serialize for NamedTags<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let tags = self.tags.iter();
        to.collect_seq(tags.map(|tag| TagBody::new(tag, self.names)))
    }
}

impl<'a> TaggedBody<'a> {
    /// Writes the tags of a picture.
    pub(crate) fn new(tagged: &'a Tagged, names: &'a ShownNames) -> Self {
        Self {
            tags: NamedTags::new(&tagged.tags, names),
            provider: tagged.providers(),
            version: tagged.versions(),
        }
    }
}

impl<'a> TagSummaryBody<'a> {
    /// Writes the use of a label.
    pub(crate) fn new(summary: &'a TagSummary, names: &'a ShownNames) -> Self {
        Self {
            tag: names.of(&summary.label).as_str(),
            n_images: summary.images,
            min_confidence: summary.min_confidence.get(),
            max_confidence: summary.max_confidence.get(),
            mean_confidence: summary.mean_confidence,
        }
    }
}

/// A size in kilobytes, rounded to two decimals, half away from zero.
///
/// Rounded while it is a whole number; the division that follows gives the number nearest to those
/// two decimals, and that is written with two decimals.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53 hundredths, which is 80 petabytes"
)]
fn kilobytes(bytes: u64) -> f64 {
    let hundredths = (u128::from(bytes) * 100 + 512) / 1024;
    hundredths as f64 / 100.0
}

/// A time of registration in a time zone.
struct Date(DateTime<Tz>);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not by a format: that would be the dearest part of a list.
        let (date, time) = (self.0.date_naive(), self.0.time());
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// When a picture was taken, as its camera's clock showed it.
pub(super) fn taken_at(camera: &CameraData) -> Option<String> {
    let time = camera.taken_at?;
    Some(time.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn as_text<S: Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[cfg(test)]
mod tests {
    use domain_testing::{at, image, tags};
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case(48_895, "47.75")]
    #[case(128, "0.13")]
    #[case(1, "0.0")]
    #[case(5, "0.0")]
    #[case(6, "0.01")]
    #[case(1024, "1.0")]
    #[case(384, "0.38")]
    #[case(26_214_400, "25600.0")]
    fn sizes(#[case] bytes: u64, #[case] written: &str) {
        assert_eq!(serde_json::to_string(&kilobytes(bytes)).unwrap(), written);
    }

    #[test]
    fn dates_are_local_and_without_fraction() {
        let at = at(0) + chrono::TimeDelta::microseconds(999_999);
        let date = |zone| Date(at.with_timezone(&zone)).to_string();
        assert_eq!(date(Tz::UTC), "2024-01-01 00:00:00");
        assert_eq!(date(chrono_tz::Asia::Kolkata), "2024-01-01 05:30:00");
    }

    #[test]
    fn an_image_has_exactly_these_fields() {
        let mut image = image(&[0; 128], at(0), &[]);
        image.tags = tags(&[("cab", 69.437_355_041_503_9), ("car", 100.0)]);
        let shown = Presentation {
            zone: Tz::UTC,
            names: ShownNames::default(),
        };
        let json = serde_json::to_string(&ImageBody::new(&image, &shown)).unwrap();
        assert_eq!(
            json,
            format!(
                "{{\"id\":\"{}\",\"size\":0.13,\"date\":\"2024-01-01 00:00:00\",\"tags\":[\
                 {{\"tag\":\"car\",\"confidence\":100.0}},\
                 {{\"tag\":\"cab\",\"confidence\":69.4373550415039}}]}}",
                image.id
            )
        );
    }

    proptest! {
        #[test]
        fn sizes_have_two_decimals_at_most(bytes in 0u64..1 << 40) {
            let written = serde_json::to_string(&kilobytes(bytes)).unwrap();
            let (whole, decimals) = written.split_once('.').unwrap();
            prop_assert!(decimals.len() <= 2);
            let hundredths: u128 = format!("{whole}{decimals:0<2}").parse().unwrap();
            // |hundredths / 100 - bytes / 1024| <= 1/200, and half goes up.
            let twice = u128::from(bytes) * 200;
            prop_assert!(hundredths * 2048 <= twice + 1024 && twice + 1024 < (hundredths + 1) * 2048);
        }
    }
}
