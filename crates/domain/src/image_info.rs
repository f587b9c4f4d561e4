//! What is known of an image beside its tags.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::{Image, ImportedFile, Taggers, Threshold};

/// The longest file name kept, in bytes of UTF-8.
const LONGEST_NAME: usize = 255;

/// What is kept of an image beside its tags. Unknown is none, for instance all of it where an earlier version
/// registered the image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageInfo {
    /// The threshold it was tagged with last.
    pub threshold: Option<Threshold>,
    /// The tag providers that tagged it last.
    pub taggers: Taggers,
    /// The name of the file it was uploaded as, see [`file_name`].
    pub file_name: Option<String>,
    /// What its camera wrote into the file.
    pub camera: CameraData,
    /// When it was registered, by a clock in the time zone that the server had then.
    pub registered_local: Option<NaiveDateTime>,
    /// The file it was imported from; none where it was uploaded.
    pub imported: Option<ImportedFile>,
}

/// What a camera wrote into a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CameraData {
    /// When the picture was taken, by the camera's own clock, to the second. In which time zone is unknown.
    pub taken_at: Option<NaiveDateTime>,
    /// Maker and model of the camera: at most 255 bytes.
    pub camera: Option<String>,
    /// Where it was taken.
    pub location: Option<Location>,
}

/// A place on earth (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    latitude: f64,
    longitude: f64,
}

impl Location {
    /// A place by its degrees: north from -90 to 90, east from -180 to 180. None beyond that.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        is_place.then_some(Self {
            latitude,
            longitude,
        })
    }

    /// Degrees north of the equator.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich.
    pub fn longitude(self) -> f64 {
        self.longitude
    }
}

impl ImageInfo {
    /// When an image was taken by its camera's clock; where that is unknown, when it was registered by the
    /// server's; where that is unknown too, when it was registered in UTC.
    pub fn taken_order(&self, registered_at: DateTime<Utc>) -> NaiveDateTime {
        let shown = self.camera.taken_at.or(self.registered_local);
        shown.unwrap_or_else(|| registered_at.naive_utc())
    }

    /// The threshold that an image was registered with. Where that is unknown: the default, or the confidence
    /// of its lowest tag if that is lower.
    pub fn threshold_of(&self, image: &Image, default: Threshold) -> Threshold {
        self.threshold.unwrap_or_else(|| {
            let lowest = image.tags.iter().map(|tag| tag.confidence).min();
            lowest.map_or(default, |lowest| default.min(Threshold::new(lowest)))
        })
    }
}

/// A name that a client gave to a file, as it is kept: without folders and control characters, cut at 255
/// bytes. None if nothing is left.
pub fn file_name(given: &str) -> Option<String> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = cut(kept.trim(), LONGEST_NAME).trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// As many whole characters from the beginning as that many bytes hold.
pub fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::{Confidence, ContentDigest, ImageFacts, ImageId, Label, MediaType, Tag};

    fn threshold(lowest: f64) -> Threshold {
        Threshold::new(Confidence::new(lowest).unwrap())
    }

    fn image(confidences: &[f64]) -> Image {
        let tag = |(n, confidence): (usize, &f64)| Tag {
            label: Label::parse(&format!("l{n}")).unwrap(),
            confidence: Confidence::new(*confidence).unwrap(),
        };
        Image {
            id: ImageId::from_bytes([1; 16]),
            digest: ContentDigest::of(b""),
            facts: ImageFacts {
                media_type: MediaType::Jpeg,
                width: 1,
                height: 1,
                byte_size: 0,
            },
            registered_at: DateTime::UNIX_EPOCH,
            taken_order: DateTime::UNIX_EPOCH.naive_utc(),
            tags: confidences.iter().enumerate().map(tag).collect(),
        }
    }

    #[test]
    fn an_unknown_threshold_admits_all_tags() {
        let info = ImageInfo::default();
        let default = threshold(80.0);
        let of = |confidences: &[f64]| info.threshold_of(&image(confidences), default);
        assert_eq!(of(&[]), default);
        assert_eq!(of(&[99.0, 90.0]), default);
        assert_eq!(of(&[99.0, 60.5]), threshold(60.5));
        let known = ImageInfo {
            threshold: Some(threshold(10.0)),
            ..info
        };
        assert_eq!(
            known.threshold_of(&image(&[50.0]), default),
            threshold(10.0)
        );
    }

    #[test]
    fn a_file_name_is_one_component_without_control_characters() {
        for (given, kept) in [
            ("photo.jpg", Some("photo.jpg")),
            ("/home/me/photo.jpg", Some("photo.jpg")),
            ("C:\\photos\\a b.jpg", Some("a b.jpg")),
            (" a\r\n.jpg ", Some("a.jpg")),
            ("a/", None),
            ("", None),
            ("\u{7f}", None),
        ] {
            assert_eq!(file_name(given).as_deref(), kept, "{given:?}");
        }
    }

    #[test]
    fn a_place_is_on_earth() {
        assert!(Location::new(-90.0, 180.0).is_some());
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0)] {
            assert_eq!(Location::new(latitude, longitude), None);
        }
    }

    proptest! {
        #[test]
        fn a_file_name_has_255_bytes_at_most(given in "\\PC{0,300}") {
            if let Some(name) = file_name(&given) {
                prop_assert!(name.len() <= LONGEST_NAME && !name.is_empty());
                prop_assert_eq!(file_name(&name), Some(name));
            }
        }
    }
}
