//! The prefix of a data URL (RFC 2397) that may stand before base64.

/// The longest prefix that is read in search of its end, in bytes: room for a file name of 255 bytes,
/// percent-encoded.
pub(crate) const LONGEST_PREFIX: usize = 1024;

const SCHEME: &[u8] = b"data:";

const ENCODING: &[u8] = b"base64";

/// Whether a text begins like a data URL.
pub(crate) fn is_data_url(text: &[u8]) -> bool {
    text.get(..SCHEME.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// Whether a text begins like a data URL, as far as it goes.
pub(crate) fn may_be_data_url(text: &[u8]) -> bool {
    is_data_url(text)
        || SCHEME
            .get(..text.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(text))
}

/// Whether a prefix is complete: it ends in `;base64,`, whatever type and parameters stand before. A
/// comma alone does not end it, because file names hold commas.
pub(crate) fn is_complete(prefix: &[u8]) -> bool {
    let Some(before_comma) = prefix.strip_suffix(b",") else {
        return false;
    };
    let before_comma = before_comma.trim_ascii_end();
    before_comma
        .split_last_chunk::<{ ENCODING.len() }>()
        .is_some_and(|(before, encoding)| {
            encoding.eq_ignore_ascii_case(ENCODING) && before.trim_ascii_end().ends_with(b";")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("data:image/png;base64,", true)]
    #[case("data:;base64,", true)]
    #[case("DATA:text/html;charset=utf-8;BASE64,", true)]
    #[case("data:image/png; base64 ,", true)]
    #[case("data:image/jpeg;name=a,b.jpg;base64,", true)]
    #[case("data:image/jpeg;name=a,", false)]
    #[case("data:image/png,", false)]
    #[case("data:base64,", false)]
    #[case("data:image/png;xbase64,", false)]
    #[case("data:image/png;base64", false)]
    #[case(",", false)]
    fn ends_in_its_encoding(#[case] prefix: &str, #[case] complete: bool) {
        assert_eq!(is_complete(prefix.as_bytes()), complete);
    }
}
