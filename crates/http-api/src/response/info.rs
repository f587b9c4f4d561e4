//! What is known of a picture, as it is written on the wire.

use domain::{Image, ImageInfo, Location, Threshold};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{Nullable, taken_at};

/// What is known of a picture. What is unknown is null.
#[derive(Serialize, ToSchema)]
#[schema(as = ImageInfo)]
pub(crate) struct InfoBody {
    /// The id: a UUID in lower case.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// The media type of the original.
    #[serde(rename = "type")]
    #[schema(example = "image/jpeg")]
    media_type: &'static str,
    /// Pixels across of the upright picture.
    #[schema(example = 640)]
    width: u32,
    /// Pixels down of the upright picture.
    #[schema(example = 480)]
    height: u32,
    /// The size of the original in bytes.
    #[schema(example = 48_895)]
    bytes: u64,
    /// The SHA-256 of the original, 64 hexadecimal digits in lower case.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    sha256: String,
    /// The name of the file it was uploaded as.
    #[schema(example = "photo.jpg")]
    file_name: Option<String>,
    /// When it was taken, `YYYY-MM-DD HH:MM:SS` by the camera's own clock, without a time zone.
    #[schema(example = "2024-01-11 10:04:35")]
    taken_at: Option<String>,
    /// Maker and model of the camera.
    #[schema(example = "Canon EOS 5D")]
    camera: Option<String>,
    /// The name of the tag provider that tagged it last; of several all, as `local, openai`.
    #[schema(example = "imagga")]
    provider: Option<String>,
    /// The threshold that it was tagged with last. Of images from before that was kept: the server's
    /// default, or the confidence of the lowest tag if that is lower.
    #[schema(minimum = 0, maximum = 100, example = 80.0)]
    min_confidence: f64,
    /// Where it was taken; only with `location=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LocationBody>)]
    location: Option<Nullable<LocationBody>>,
}

/// A place (WGS 84).
#[derive(Serialize, ToSchema)]
#[schema(as = Location)]
pub(crate) struct LocationBody {
    /// Degrees north.
    #[schema(minimum = -90, maximum = 90, example = 40.416_8)]
    latitude: f64,
    /// Degrees east.
    #[schema(minimum = -180, maximum = 180, example = -3.703_8)]
    longitude: f64,
}

impl InfoBody {
    /// Writes what is known, the location only if it is asked for.
    pub(crate) fn new(
        image: &Image,
        info: ImageInfo,
        default: Threshold,
        has_location: bool,
    ) -> Self {
        Self {
            id: image.id.to_string(),
            media_type: image.facts.media_type.as_str(),
            width: image.facts.width,
            height: image.facts.height,
            bytes: image.facts.byte_size,
            sha256: image.digest.to_string(),
            min_confidence: info.threshold_of(image, default).lowest().get(),
            taken_at: taken_at(&info.camera),
            location: has_location.then(|| Nullable(info.camera.location.map(LocationBody::from))),
            file_name: info.file_name,
            camera: info.camera.camera,
            provider: info.taggers.names(),
        }
    }
}

impl From<Location> for LocationBody {
    fn from(place: Location) -> Self {
        Self {
            latitude: place.latitude(),
            longitude: place.longitude(),
        }
    }
}
