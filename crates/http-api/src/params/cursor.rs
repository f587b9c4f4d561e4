//! Cursors: positions in a list, as clients keep them.
//!
//! A cursor is the time and the id of the image before it, and not the query: it is stable while images are
//! registered, and the client repeats the query along with it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use domain::{ImageId, PageKey};
use thiserror::Error;

/// The parameter's name.
pub(crate) const NAME: &str = "cursor";

/// The first byte of a cursor, which identifies its format: the time in microseconds, 8 bytes, and the id,
/// 16 bytes, most significant first.
const VERSION: u8 = 1;

/// The end of the year 9999, in microseconds. No image is later.
const END_OF_TIME: i64 = 253_402_300_800_000_000;

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a cursor of this server: take it as it is from the `Link` of a page")]
pub(crate) struct CursorError;

pub(crate) fn written(place: PageKey) -> String {
    let micros = place.registered_at.timestamp_micros().to_be_bytes();
    let bytes = [&[VERSION], &micros[..], place.id.as_bytes()].concat();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn parse(text: &str) -> Result<PageKey, CursorError> {
    read(text).ok_or(CursorError)
}

fn read(text: &str) -> Option<PageKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, place) = bytes.split_first()?;
    let (micros, id) = place.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    let is_known = *version == VERSION && (0..END_OF_TIME).contains(&micros);
    Some(PageKey {
        registered_at: is_known.then(|| time(micros)).flatten()?,
        id: ImageId::from_bytes(id.try_into().ok()?),
    })
}

fn time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use domain_testing::at;
    use proptest::prelude::*;

    use super::*;

    fn place(micros: i64, id: [u8; 16]) -> PageKey {
        PageKey {
            registered_at: time(micros).unwrap(),
            id: ImageId::from_bytes(id),
        }
    }

    /// Clients keep cursors for longer than a server runs.
    #[test]
    fn format_is_stable() {
        let place = place(at(0).timestamp_micros() + 1, *b"0123456789abcdef");
        let text = "AQAGDdcQISABMDEyMzQ1Njc4OWFiY2RlZg";
        assert_eq!(written(place), text);
        assert_eq!(parse(text), Ok(place));
    }

    #[rstest::rstest]
    #[case::nothing("")]
    #[case::text("next")]
    #[case::of_another_version("AgAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg")]
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
        assert_eq!(parse(text), Err(CursorError));
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(micros in 0..END_OF_TIME, id: [u8; 16]) {
            let place = place(micros, id);
            let text = written(place);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(parse(&text), Ok(place));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|[A-Za-z0-9_-]{30,40}") {
            if let Ok(place) = parse(&text) {
                prop_assert_eq!(written(place), text);
            }
        }
    }
}
