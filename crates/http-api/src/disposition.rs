//! `Content-Disposition`: the name under which a browser stores an answer (RFC 6266).

use std::fmt::Write as _;

use domain::{ImageId, MediaType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 8187 encodes: all but its `attr-char`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header for an image that is shown: the name it came with, else its id with the usual extension.
pub(super) fn inline(name: Option<&str>, id: &ImageId, media_type: MediaType) -> String {
    let Some(name) = name.map(cleaned).filter(|name| !name.is_empty()) else {
        return format!("inline; filename=\"{id}.{}\"", media_type.extension());
    };
    let mut header = String::from("inline; filename=\"");
    header.extend(name.chars().map(|c| if is_plain(c) { c } else { '_' }));
    header.push('"');
    if !name.chars().all(is_plain) {
        let encoded = utf8_percent_encode(&name, ENCODED);
        // Writing to a `String` cannot fail.
        let _ = write!(header, "; filename*=UTF-8''{encoded}");
    }
    header
}

/// The name without folders and control characters.
fn cleaned(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = name.chars().filter(|c| !c.is_control());
    kept.collect::<String>().trim().to_owned()
}

/// Whether a quoted string may hold a character as it is. Old clients decode `%`.
fn is_plain(c: char) -> bool {
    (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\\' | '%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn header(name: Option<&str>) -> String {
        inline(name, &ImageId::from_bytes([1; 16]), MediaType::Tiff)
    }

    #[rstest]
    #[case(None)]
    #[case(Some(""))]
    #[case(Some("a/"))]
    #[case(Some(" \n "))]
    fn without_a_name_it_is_the_id(#[case] name: Option<&str>) {
        let id = "01010101-0101-0101-0101-010101010101";
        assert_eq!(header(name), format!("inline; filename=\"{id}.tif\""));
    }

    #[rstest]
    #[case("photo 1.jpg", "filename=\"photo 1.jpg\"")]
    #[case("/tmp/photo.jpg", "filename=\"photo.jpg\"")]
    #[case("C:\\photos\\photo.jpg", "filename=\"photo.jpg\"")]
    #[case("a\"b.jpg", "filename=\"a_b.jpg\"; filename*=UTF-8''a%22b.jpg")]
    #[case("a\r\nb.jpg", "filename=\"ab.jpg\"")]
    #[case("20%.jpg", "filename=\"20_.jpg\"; filename*=UTF-8''20%25.jpg")]
    #[case("niño.jpg", "filename=\"ni_o.jpg\"; filename*=UTF-8''ni%C3%B1o.jpg")]
    fn a_name_is_given_twice_where_it_is_not_plain(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(header(Some(name)), format!("inline; {expected}"));
    }

    proptest! {
        #[test]
        fn it_is_always_a_header_of_one_quoted_string(name in "\\PC{0,40}|[\\x00-\\xff]{0,40}") {
            let header = header(Some(&name));
            prop_assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(header.matches('"').count(), 2);
        }
    }
}
