//! The prefix of a data URL (RFC 2397) that may stand before base64.

/// The longest prefix that is read in search of its comma, in bytes.
pub(super) const LONGEST_PREFIX: usize = 256;

const SCHEME: &[u8] = b"data:";

/// Whether a text begins like a data URL.
pub(super) fn is_data_url(text: &[u8]) -> bool {
    text.get(..SCHEME.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// Whether a text begins like a data URL, as far as it goes.
pub(super) fn may_be_data_url(text: &[u8]) -> bool {
    is_data_url(text)
        || SCHEME
            .get(..text.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(text))
}

/// Checks a prefix that ends in its comma. An error is the offset at which it goes wrong.
pub(super) fn check_prefix(prefix: &[u8]) -> Result<(), u64> {
    const TYPE: &[u8] = b"image/";
    const ENCODING: &[u8] = b";base64";
    let rest = prefix.get(SCHEME.len()..).unwrap_or_default();
    if !rest
        .get(..TYPE.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
    {
        return Err(SCHEME.len() as u64);
    }
    let comma = prefix.len() - 1;
    let encoding = comma
        .checked_sub(ENCODING.len())
        .and_then(|start| prefix.get(start..comma));
    if encoding.is_some_and(|end| end.eq_ignore_ascii_case(ENCODING)) {
        Ok(())
    } else {
        Err(comma as u64)
    }
}
