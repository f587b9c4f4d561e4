//! Cursors: positions in a list, as clients keep them.
//!
//! A cursor is the time and the id of the image before it, and not the query: it is stable while images are
//! registered, and the client repeats the query along with it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, NaiveDateTime};
use domain::{ImageId, ImageOrder, Label, PageKey};
use thiserror::Error;

/// The parameter's name.
pub(crate) const NAME: &str = "cursor";

/// The first byte of a cursor, which identifies its format and the order of its list. The time in microseconds, 8
/// bytes, and the id, 16 bytes, follow, most significant first.
const REGISTERED: u8 = 1;
const TAKEN: u8 = 2;

/// The end of the year 9999, in microseconds. No image is later.
const END_OF_TIME: i64 = 253_402_300_800_000_000;

/// The beginning of the year 0. Clocks of cameras show no earlier time.
const START_OF_TIME: i64 = -62_167_219_200_000_000;

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a cursor of this list: take it as it is from the `Link` of a page")]
pub(crate) struct CursorError;

pub(crate) fn written(place: PageKey) -> String {
    let version = match place.order {
        ImageOrder::Registered => REGISTERED,
        ImageOrder::Taken => TAKEN,
    };
    let micros = place.time.and_utc().timestamp_micros().to_be_bytes();
    let bytes = [&[version], &micros[..], place.id.as_bytes()].concat();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor of a list in that order.
pub(crate) fn parse(text: &str, order: ImageOrder) -> Result<PageKey, CursorError> {
    read(text)
        .filter(|place| place.order == order)
        .ok_or(CursorError)
}

fn read(text: &str) -> Option<PageKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, place) = bytes.split_first()?;
    let (order, earliest) = match *version {
        REGISTERED => (ImageOrder::Registered, 0),
        TAKEN => (ImageOrder::Taken, START_OF_TIME),
        _ => return None,
    };
    let (micros, id) = place.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    let is_known = (earliest..END_OF_TIME).contains(&micros);
    Some(PageKey {
        order,
        time: is_known.then(|| time(micros)).flatten()?,
        id: ImageId::from_bytes(id.try_into().ok()?),
    })
}

/// The first byte of a cursor in the list of jobs; the number of the job, 8 bytes, most significant first, follows.
const JOBS: u8 = 3;

/// A cursor in the list of jobs: before the job of that number.
pub(crate) fn written_job(number: u64) -> String {
    let bytes = [&[JOBS], &number.to_be_bytes()[..]].concat();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn parse_job(text: &str) -> Result<u64, CursorError> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| CursorError)?;
    match bytes.split_first() {
        Some((&JOBS, number)) => {
            let number = number.try_into().map_err(|_| CursorError)?;
            Ok(u64::from_be_bytes(number))
        }
        _ => Err(CursorError),
    }
}

/// The first byte of a cursor in the vocabulary; the tag follows.
const VOCABULARY: u8 = 4;

/// A cursor in the vocabulary: after the entry of that tag.
pub(crate) fn written_tag(tag: &Label) -> String {
    let bytes = [&[VOCABULARY], tag.as_str().as_bytes()].concat();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn parse_tag(text: &str) -> Result<Label, CursorError> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| CursorError)?;
    match bytes.split_first() {
        Some((&VOCABULARY, tag)) => {
            let tag = str::from_utf8(tag).map_err(|_| CursorError)?;
            Label::parse(tag).map_err(|_| CursorError)
        }
        _ => Err(CursorError),
    }
}

fn time(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use domain_testing::at;
    use proptest::prelude::*;

    use super::{
        ImageOrder::{Registered, Taken},
        *,
    };

    #[test]
    fn cursors_of_the_vocabulary_are_no_others() {
        for tag in ["sofa", "straße", "猫/😀"] {
            let tag = Label::parse(tag).unwrap();
            assert_eq!(parse_tag(&written_tag(&tag)), Ok(tag.clone()));
            assert_eq!(parse_job(&written_tag(&tag)), Err(CursorError));
        }
        for text in ["", "BA", "!", &written_job(7)] {
            assert_eq!(parse_tag(text), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn cursors_of_jobs_are_no_cursors_of_images() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(parse_job(&written_job(number)), Ok(number));
            assert_eq!(parse(&written_job(number), Registered), Err(CursorError));
        }
        let image = written(place(Registered, 5, [7; 16]));
        for text in ["", "Aw", "!", &image] {
            assert_eq!(parse_job(text), Err(CursorError), "{text}");
        }
    }

    fn place(order: ImageOrder, micros: i64, id: [u8; 16]) -> PageKey {
        PageKey {
            order,
            time: time(micros).unwrap(),
            id: ImageId::from_bytes(id),
        }
    }

    /// Clients keep cursors for longer than a server runs.
    #[rstest::rstest]
    #[case(Registered, "AQAGDdcQISABMDEyMzQ1Njc4OWFiY2RlZg")]
    #[case(Taken, "AgAGDdcQISABMDEyMzQ1Njc4OWFiY2RlZg")]
    fn format_is_stable(#[case] order: ImageOrder, #[case] text: &str) {
        let place = place(order, at(0).timestamp_micros() + 1, *b"0123456789abcdef");
        assert_eq!(written(place), text);
        assert_eq!(parse(text, order), Ok(place));
    }

    #[rstest::rstest]
    #[case::nothing("")]
    #[case::text("next")]
    #[case::of_another_order("AgAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg")]
    #[case::of_another_version("AwAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg")]
    #[case::cut_off("AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2Rl")]
    #[case::too_long("AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZmc")]
    #[case::padded("AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg==")]
    #[case::with_bits_that_mean_nothing("AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZh")]
    #[case::before_all_times("Af______8AAAMDEyMzQ1Njc4OWFiY2RlZg")]
    #[case::after_all_times("AX__________MDEyMzQ1Njc4OWFiY2RlZg")]
    #[case::of_another_alphabet("AQAGDdkrsYAB+/EyMzQ1Njc4OWFiY2RlZg")]
    #[case::with_a_blank(" AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg")]
    #[case::a_page_number("2")]
    fn refuses_other_texts(#[case] text: &str) {
        assert_eq!(parse(text, Registered), Err(CursorError));
    }

    /// One that is the other way round is refused above.
    #[test]
    fn a_cursor_belongs_to_its_order() {
        let text = "AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg";
        assert!(parse(text, Registered).is_ok());
        assert_eq!(parse(text, Taken), Err(CursorError));
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(
            registered in 0..END_OF_TIME,
            taken in START_OF_TIME..END_OF_TIME,
            id: [u8; 16],
        ) {
            for (order, micros) in [(Registered, registered), (Taken, taken)] {
                let place = place(order, micros, id);
                let text = written(place);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
                prop_assert_eq!(parse(&text, order), Ok(place));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|[A-Za-z0-9_-]{30,40}") {
            for order in [Registered, Taken] {
                if let Ok(place) = parse(&text, order) {
                    prop_assert_eq!(written(place), text.clone());
                }
            }
        }
    }
}
