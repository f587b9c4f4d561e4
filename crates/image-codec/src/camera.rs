//! What a camera wrote into a file: EXIF, read within bounds.

use chrono::{NaiveDate, NaiveDateTime};
use domain::{CameraData, Location, image_info::cut};
use exif::{Exif, In, Rational, Reader, Tag, Value};

use crate::{metadata, panics::caught};

/// How much of the EXIF data of a file is read, in bytes. A JPEG cannot have more than 64 KiB of it.
const MOST_EXIF: usize = 256 * 1024;

/// The longest name of a camera, in bytes.
const LONGEST_CAMERA: usize = 255;

/// What a camera wrote into a file. What cannot be read is unknown, never an error.
pub(crate) fn read(file: &[u8]) -> CameraData {
    let Some(exif) = metadata::exif(file) else {
        return CameraData::default();
    };
    let block = exif.get(..MOST_EXIF).unwrap_or(exif).to_vec();
    caught(|| parse(block)).ok().flatten().unwrap_or_default()
}

fn parse(block: Vec<u8>) -> Option<CameraData> {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let read = reader.read_raw(block);
    let exif = read
        .or_else(|error| error.distill_partial_result(|_| {}))
        .ok()?;
    Some(CameraData {
        taken_at: taken_at(&exif, Tag::DateTimeOriginal)
            .or_else(|| taken_at(&exif, Tag::DateTimeDigitized)),
        camera: camera(&exif),
        location: location(&exif),
    })
}

/// The text of a field: without what stands behind a NUL, trimmed, without control characters.
fn text(exif: &Exif, tag: Tag) -> Option<String> {
    let Value::Ascii(lines) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let text = String::from_utf8_lossy(lines.first()?);
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// A time such as `2024:01:11 10:04:35`. Cameras without one write blanks or zeros.
fn taken_at(exif: &Exif, tag: Tag) -> Option<NaiveDateTime> {
    let time = exif::DateTime::from_ascii(text(exif, tag)?.as_bytes()).ok()?;
    let date = NaiveDate::from_ymd_opt(time.year.into(), time.month.into(), time.day.into())?;
    date.and_hms_opt(time.hour.into(), time.minute.into(), time.second.into())
        .filter(|_| time.year > 0)
}

/// Maker and model. Many models begin with their maker.
fn camera(exif: &Exif) -> Option<String> {
    let name = match (text(exif, Tag::Make), text(exif, Tag::Model)) {
        (Some(maker), Some(model)) => {
            let first = |name: &str| name.split(' ').next().map(str::to_lowercase);
            if first(&maker) == first(&model) {
                model
            } else {
                format!("{maker} {model}")
            }
        }
        (maker, model) => maker.or(model)?,
    };
    Some(cut(&name, LONGEST_CAMERA).trim_end().to_owned())
}

fn location(exif: &Exif) -> Option<Location> {
    let latitude = degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef, "S")?;
    let longitude = degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef, "W")?;
    Location::new(latitude, longitude)
}

/// Degrees, minutes and seconds as degrees; negative in that direction.
fn degrees(exif: &Exif, tag: Tag, direction: Tag, negative: &str) -> Option<f64> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let &[degrees, minutes, seconds] = parts.as_slice() else {
        return None;
    };
    let whole = number(degrees)? + number(minutes)? / 60.0 + number(seconds)? / 3600.0;
    let is_negative = text(exif, direction)?.eq_ignore_ascii_case(negative);
    Some(if is_negative { -whole } else { whole })
}

fn number(rational: Rational) -> Option<f64> {
    (rational.denom != 0).then(|| rational.to_f64())
}

#[cfg(test)]
mod tests {
    use exif::{Field, experimental::Writer};
    use proptest::prelude::*;

    use super::*;

    fn ascii(tag: Tag, text: &str) -> Field {
        Field {
            tag,
            ifd_num: In::PRIMARY,
            value: Value::Ascii(vec![text.into()]),
        }
    }

    fn angle(tag: Tag, parts: [(u32, u32); 3]) -> Field {
        let parts = parts.map(|(num, denom)| Rational { num, denom });
        Field {
            tag,
            ifd_num: In::PRIMARY,
            value: Value::Rational(parts.into()),
        }
    }

    fn block(fields: &[Field]) -> Vec<u8> {
        let mut writer = Writer::new();
        for field in fields {
            writer.push_field(field);
        }
        let mut block = std::io::Cursor::new(Vec::new());
        writer.write(&mut block, true).unwrap();
        block.into_inner()
    }

    fn jpeg(fields: &[Field]) -> Vec<u8> {
        let body = [b"Exif\0\0", block(fields).as_slice()].concat();
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, 0xD8, 0xFF, 0xE1], &length[..], &body].concat()
    }

    fn time(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    #[test]
    fn a_camera_tells_time_name_and_place() {
        let data = read(&jpeg(&[
            ascii(Tag::Make, "Apple\0\0"),
            ascii(Tag::Model, " iPhone 15 "),
            ascii(Tag::DateTimeOriginal, "2024:01:11 10:04:35"),
            ascii(Tag::GPSLatitudeRef, "S"),
            angle(Tag::GPSLatitude, [(33, 1), (30, 1), (36, 1)]),
            ascii(Tag::GPSLongitudeRef, "E"),
            angle(Tag::GPSLongitude, [(151, 1), (1230, 100), (0, 1)]),
        ]));
        assert_eq!(data.taken_at, Some(time("2024-01-11 10:04:35")));
        assert_eq!(data.camera.as_deref(), Some("Apple iPhone 15"));
        let place = data.location.unwrap();
        assert!((place.latitude() + 33.51).abs() < 1e-9);
        assert!((place.longitude() - 151.205).abs() < 1e-9);
    }

    #[test]
    fn a_maker_is_not_named_twice() {
        let data = read(&jpeg(&[
            ascii(Tag::Make, "Canon"),
            ascii(Tag::Model, "Canon EOS 5D"),
        ]));
        assert_eq!(data.camera.as_deref(), Some("Canon EOS 5D"));
        let data = read(&jpeg(&[ascii(Tag::Model, "X\r\n100")]));
        assert_eq!(data.camera.as_deref(), Some("X100"));
    }

    #[test]
    fn the_time_of_scanning_is_second_best() {
        let scanned = ascii(Tag::DateTimeDigitized, "2001:02:03 04:05:06");
        for original in [
            "    :  :     :  :  ",
            "0000:00:00 00:00:00",
            "2024:02:30 00:00:00",
        ] {
            let fields = [ascii(Tag::DateTimeOriginal, original), scanned.clone()];
            let data = read(&jpeg(&fields));
            assert_eq!(
                data.taken_at,
                Some(time("2001-02-03 04:05:06")),
                "{original}"
            );
        }
    }

    #[test]
    fn what_means_nothing_is_unknown() {
        for fields in [
            vec![ascii(Tag::Make, "  ")],
            vec![ascii(Tag::DateTimeOriginal, "yesterday")],
            vec![
                angle(Tag::GPSLatitude, [(33, 0), (0, 1), (0, 1)]),
                ascii(Tag::GPSLatitudeRef, "N"),
                angle(Tag::GPSLongitude, [(1, 1), (0, 1), (0, 1)]),
                ascii(Tag::GPSLongitudeRef, "E"),
            ],
        ] {
            assert_eq!(read(&jpeg(&fields)), CameraData::default());
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let data = read(&jpeg(&[ascii(Tag::Model, &"é".repeat(2000))]));
        assert_eq!(data.camera.unwrap().len(), LONGEST_CAMERA - 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
            read(&bytes);
            let mut file = jpeg(&[
                ascii(Tag::Make, "Canon"),
                angle(Tag::GPSLatitude, [(33, 1), (0, 1), (0, 1)]),
            ]);
            let cut = cut.min(file.len());
            file.truncate(cut);
            read(&file);
            file.append(&mut bytes);
            read(&file);
        }
    }
}
