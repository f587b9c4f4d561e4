//! Escapes in JSON strings (RFC 8259 §7), undone byte by byte.

use super::scanner::DocumentError;

/// An escape that has begun with a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// Nothing followed yet.
    Begun,
    /// After a `u`: how many digits are still to come, and their value so far.
    Unicode { missing: u8, value: u16 },
}

/// What an escape is after one more byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Not complete yet.
    More(Escape),
    /// This character.
    Done(char),
}

impl Escape {
    /// Takes the next byte.
    pub(super) fn next(self, byte: u8) -> Result<Step, DocumentError> {
        match self {
            Self::Begun => begun(byte),
            Self::Unicode { missing, value } => digit(byte, missing, value),
        }
    }
}

fn begun(byte: u8) -> Result<Step, DocumentError> {
    let character = match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            return Ok(Step::More(Escape::Unicode {
                missing: 4,
                value: 0,
            }));
        }
        _ => return Err(DocumentError::NotJson),
    };
    Ok(Step::Done(character))
}

fn digit(byte: u8, missing: u8, value: u16) -> Result<Step, DocumentError> {
    let digit = char::from(byte)
        .to_digit(16)
        .and_then(|digit| u16::try_from(digit).ok())
        .ok_or(DocumentError::NotJson)?;
    let value = value << 4 | digit;
    if missing > 1 {
        let missing = missing - 1;
        return Ok(Step::More(Escape::Unicode { missing, value }));
    }
    // Halves of a pair of surrogates come one by one: neither is a character by itself, and what
    // they make together is as far from base64 as what stands in for them here.
    let character = char::from_u32(value.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
    Ok(Step::Done(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undo(text: &str) -> Result<Option<char>, DocumentError> {
        let mut escape = Escape::Begun;
        for byte in text.bytes() {
            match escape.next(byte)? {
                Step::More(more) => escape = more,
                Step::Done(character) => return Ok(Some(character)),
            }
        }
        Ok(None)
    }

    #[rstest::rstest]
    #[case("n", '\n')]
    #[case("/", '/')]
    #[case("\"", '"')]
    #[case("u002b", '+')]
    #[case("u00F1", 'ñ')]
    #[case("ud83d", char::REPLACEMENT_CHARACTER)]
    fn makes_a_character(#[case] text: &str, #[case] character: char) {
        assert_eq!(undo(text), Ok(Some(character)));
    }

    #[rstest::rstest]
    #[case("x")]
    #[case("N")]
    #[case("u00g0")]
    #[case("u+041")]
    fn refuses_others(#[case] text: &str) {
        assert_eq!(undo(text), Err(DocumentError::NotJson));
    }

    #[test]
    fn waits_for_the_rest() {
        assert_eq!(undo(""), Ok(None));
        assert_eq!(undo("u00f"), Ok(None));
    }
}
