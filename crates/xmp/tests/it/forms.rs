//! Files as programs write them.

use xmp::read;

pub(crate) const DIGIKAM: &str = include_str!("files/digikam.xmp");
pub(crate) const LIGHTROOM: &str = include_str!("files/lightroom.xmp");
pub(crate) const DARKTABLE: &str = include_str!("files/darktable.xmp");
pub(crate) const EXIFTOOL: &str = include_str!("files/exiftool.xmp");
pub(crate) const ODD: &str = include_str!("files/odd.xmp");

/// A file of each kind.
pub(crate) const ALL: [&str; 5] = [DIGIKAM, LIGHTROOM, DARKTABLE, EXIFTOOL, ODD];

/// As UTF-16 with a byte order mark.
pub(crate) fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    let bytes = units.flat_map(|unit| {
        if is_big_endian {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    });
    bytes.collect()
}

fn names(sidecar: &[u8]) -> Vec<String> {
    let keywords = read(sidecar).unwrap();
    assert_eq!(keywords.written, []);
    let mut names = keywords.names;
    names.sort();
    names
}

#[rstest::rstest]
#[case(DIGIKAM, &["Ana & Mía", "Cádiz", "People", "Places", "Sea", "Spain"])]
#[case(LIGHTROOM, &["Boat", "Vehicle", "salt, pepper"])]
#[case(DARKTABLE, &["changed", "family", "grandma"])]
#[case(EXIFTOOL, &["sea"])]
#[case(ODD, &["attribute", "described", "do<wn&out", "literal", "qualified", "text", "up"])]
fn the_union_of_all_fields_is_read(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(names(text.as_bytes()), expected);
    for is_big_endian in [true, false] {
        let text = text.replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
        assert_eq!(names(&utf16(&text, is_big_endian)), expected);
    }
    assert_eq!(names(format!("\u{feff}{text}").as_bytes()), expected);
}
