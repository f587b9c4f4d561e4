//! What each byte is to base64.

/// A blank.
pub(crate) const BLANK: u8 = 0;

/// Neither a symbol of one of the alphabets nor a blank.
pub(crate) const OTHER: u8 = 1;

static SYMBOLS: [u8; 256] = symbols();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler; a byte is always inside 256"
)]
const fn symbols() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => byte,
            b'-' => b'+',
            b'_' => b'/',
            b' ' => BLANK,
            _ => OTHER,
        };
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// The symbol of the standard alphabet that a byte is, [`BLANK`] or [`OTHER`].
pub(crate) fn symbol(byte: u8) -> u8 {
    SYMBOLS.get(usize::from(byte)).copied().unwrap_or(OTHER)
}
