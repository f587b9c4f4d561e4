//! Follows a chunked body to its end (RFC 9112 §7.1).

/// How far a chunked body has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the size of a chunk, which is this so far.
    Size(u64),
    /// Behind that size, up to the end of the line.
    Extension(u64),
    /// In the data of a chunk, of which that many bytes are left.
    Data(u64),
    /// Behind the data, up to the end of the line.
    DataEnd,
    /// In a line behind the last chunk.
    Trailer { is_blank: bool },
    /// Behind the body.
    Done,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl Chunks {
    /// Follows bytes up to the end of the body. Returns how many belong to it.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut followed = 0;
        while let Some(rest) = bytes.get(followed..).filter(|rest| !rest.is_empty()) {
            followed += match *self {
                Self::Done => return followed,
                Self::Data(left) => self.data(left, rest.len()),
                _ => {
                    self.byte(rest.first().copied().unwrap_or_default());
                    1
                }
            };
        }
        followed
    }

    fn data(&mut self, left: u64, available: usize) -> usize {
        let taken = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left - taken as u64;
        *self = if left == 0 {
            Self::DataEnd
        } else {
            Self::Data(left)
        };
        taken
    }

    fn byte(&mut self, byte: u8) {
        *self = match (*self, byte) {
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::Trailer { is_blank: true },
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Size(size), _) => match char::from(byte).to_digit(16) {
                Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(digit.into())),
                None => Self::Extension(size),
            },
            (Self::DataEnd, b'\n') => Self::default(),
            (Self::Trailer { is_blank: true }, b'\n') => Self::Done,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_blank: true },
            (Self::Trailer { .. }, byte) if byte != b'\r' => Self::Trailer { is_blank: false },
            (state, _) => state,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("0\r\n\r\n")]
    #[case("4\r\ndata\r\n0\r\n\r\n")]
    #[case("a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n")]
    #[case("00004;a=b\r\n\r\n\r\n\r\n0;last\r\n\r\n")]
    #[case("2\r\n\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n")]
    #[case("1\nx\n0\n\n")]
    fn a_body_ends_where_it_ends(#[case] body: &str) {
        let whole = format!("{body}GET / HTTP/1.1\r\n\r\n");
        let mut at_once = Chunks::default();
        assert_eq!(at_once.follow(whole.as_bytes()), body.len());
        assert_eq!(at_once, Chunks::Done);
        let mut by_bytes = Chunks::default();
        let followed = whole.as_bytes().chunks(1).map(|byte| by_bytes.follow(byte));
        assert_eq!(followed.sum::<usize>(), body.len());
    }

    #[test]
    fn an_endless_size_is_no_overflow() {
        let mut chunks = Chunks::default();
        let size = "f".repeat(100);
        assert_eq!(chunks.follow(size.as_bytes()), 100);
        assert_eq!(chunks, Chunks::Size(u64::MAX));
        assert_eq!(chunks.follow(b"\r\nabc"), 5);
    }
}
