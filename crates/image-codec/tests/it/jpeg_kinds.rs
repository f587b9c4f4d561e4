//! Kinds of JPEG files that are sound, or nearly, and that decoders tend to refuse or to show wrongly.

use rstest::rstest;

use crate::samples::{BASELINE, HEIGHT, WIDTH, decode, difference, scene};

fn jpeg() -> Vec<u8> {
    BASELINE.rgb(&scene(WIDTH, HEIGHT))
}

/// A file with something put before its first quantisation table.
fn with(file: &[u8], inserted: &[u8]) -> Vec<u8> {
    let at = file.windows(2).position(|two| two == [0xFF, 0xDB]).unwrap();
    [&file[..at], inserted, &file[at..]].concat()
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], body].concat()
}

#[rstest]
#[case::garbage(b"garbage")]
#[case::a_mark_of_nothing(b"\xFF\0")]
#[case::zeros(&[0; 999])]
#[case::marks_without_length(b"\xFF\x01\xFF\xD3")]
#[case::a_comment_without_length(b"\xFF\xFE\0\0")]
#[case::a_segment_of_length_one(b"\xFF\xE5\0\x01")]
#[case::short_adobe(b"\xFF\xEE\0\x09Adobe\0\x64")]
#[case::adobe_of_no_kind(b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\x09")]
#[case::a_segment_that_is_longer_than_it_says(b"\xFF\xE1\0\x04abcdefgh")]
#[tokio::test]
async fn what_libjpeg_skips_in_a_jpeg_is_skipped(#[case] inserted: &[u8]) {
    let expected = decode(jpeg()).await.unwrap();
    let picture = decode(with(&jpeg(), inserted)).await.unwrap();
    assert_eq!(picture.pixels, expected.pixels);
}

/// EXIF data with an orientation of that type.
fn exif(kind: u8, orientation: u8) -> Vec<u8> {
    let mut body = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
    body.extend([kind, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
    segment(0xE1, &body)
}

#[rstest]
#[case::short(&[exif(3, 6)], true)]
#[case::long(&[exif(4, 6)], true)]
#[case::the_first_counts(&[exif(3, 6), exif(3, 1)], true)]
#[case::also_if_it_turns_nothing(&[exif(3, 1), exif(3, 6)], false)]
#[tokio::test]
async fn the_first_orientation_counts(#[case] segments: &[Vec<u8>], #[case] is_turned: bool) {
    let picture = decode(with(&jpeg(), &segments.concat())).await.unwrap();
    let expected = if is_turned {
        (HEIGHT, WIDTH)
    } else {
        (WIDTH, HEIGHT)
    };
    assert_eq!((picture.width, picture.height), expected);
}

#[tokio::test]
async fn colours_are_those_of_libjpeg_where_headers_contradict() {
    let expected = decode(jpeg()).await.unwrap();
    // JFIF means YCbCr, whatever Adobe's segment says.
    let adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0");
    let picture = decode(with(&jpeg(), &adobe)).await.unwrap();
    let apart = difference(&picture.pixels, &expected.pixels);
    assert!(apart < 1.0, "{apart}");
}

#[rstest]
#[case(b"")]
#[case::cleaned(b"garbage")]
#[tokio::test]
async fn a_jpeg_may_have_its_tables_before_or_after_its_frame(#[case] inserted: &[u8]) {
    let file = jpeg();
    let start = |marker| file.windows(2).position(|two| two == [0xFF, marker]);
    let [frame, tables, next] = [0xC0, 0xDB, 0xC4].map(|marker| start(marker).unwrap());
    assert!(frame < tables && tables < next);
    let swapped = [
        &file[..frame],
        inserted,
        &file[tables..next],
        &file[frame..tables],
        &file[next..],
    ];
    let picture = decode(swapped.concat()).await.unwrap();
    assert_eq!(picture.pixels, decode(file).await.unwrap().pixels);
}
