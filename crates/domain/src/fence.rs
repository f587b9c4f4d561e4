//! Fencing tokens of originals and of leases.

use std::{fmt, str::FromStr};

use thiserror::Error;
use uuid::Uuid;

/// A fencing token of an original: it changes with every claim for removal, and with every upload claim
/// that follows one. Leases on requests have one as well.
///
/// The holder of an older one has lost the original, however late it notices. Tokens are random rather
/// than counted: the row that would hold the count goes with the original, and a delayed removal must
/// not find its own number again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fence(i64);

impl Fence {
    /// A random token, different from all others.
    pub fn random() -> Self {
        let (high, _) = Uuid::new_v4().as_u64_pair();
        Self(high.cast_signed())
    }

    /// The token from its integer form in databases. 0 is the fence of originals older than fencing tokens.
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }

    /// The integer form of the token in databases.
    pub fn as_i64(self) -> i64 {
        self.0
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not sixteen hexadecimal digits")]
pub struct ParseFenceError;

impl FromStr for Fence {
    type Err = ParseFenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(ParseFenceError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| ParseFenceError)?;
        Ok(Self(number.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_survive_their_text() {
        let (one, other) = (Fence::random(), Fence::random());
        assert_ne!(one, other);
        for fence in [one, other, Fence::default(), Fence::from_i64(-1)] {
            assert_eq!(fence.to_string().parse(), Ok(fence));
            assert_eq!(Fence::from_i64(fence.as_i64()), fence);
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "",
            "0",
            "+00000000000001f",
            "00000000000000FF",
            "00000000000000fff",
        ] {
            assert_eq!(text.parse::<Fence>(), Err(ParseFenceError), "{text}");
        }
    }
}
