//! Escapes in JSON strings (RFC 8259 §7), undone byte by byte.

/// An escape that has begun with a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Nothing followed yet.
    Begun,
    /// After a `u`: how many digits are still to come, and their value so far.
    Unicode { missing: u8, value: u16 },
}

/// What an escape is after one more byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not complete yet.
    More(Escape),
    /// This character.
    Done(char),
}

impl Escape {
    /// Takes the next byte. None if JSON has no such escape.
    pub(crate) fn next(self, byte: u8) -> Option<Step> {
        match self {
            Self::Begun => begun(byte),
            Self::Unicode { missing, value } => digit(byte, missing, value),
        }
    }
}

fn begun(byte: u8) -> Option<Step> {
    let character = match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            return Some(Step::More(Escape::Unicode {
                missing: 4,
                value: 0,
            }));
        }
        _ => return None,
    };
    Some(Step::Done(character))
}

fn digit(byte: u8, missing: u8, value: u16) -> Option<Step> {
    let digit = u16::try_from(char::from(byte).to_digit(16)?).ok()?;
    let value = value << 4 | digit;
    if missing > 1 {
        let missing = missing - 1;
        return Some(Step::More(Escape::Unicode { missing, value }));
    }
    // Halves of a pair of surrogates come one by one: neither is a character by itself, and what
    // they make together is as far from base64 as what stands in for them here.
    let character = char::from_u32(value.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(Step::Done(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step after a text.
    fn undo(text: &str) -> Option<Step> {
        let mut step = Step::More(Escape::Begun);
        for byte in text.bytes() {
            let Step::More(escape) = step else { break };
            step = escape.next(byte)?;
        }
        Some(step)
    }

    #[rstest::rstest]
    #[case("n", '\n')]
    #[case("/", '/')]
    #[case("\"", '"')]
    #[case("u002b", '+')]
    #[case("u00F1", 'ñ')]
    #[case("ud83d", char::REPLACEMENT_CHARACTER)]
    fn makes_a_character(#[case] text: &str, #[case] character: char) {
        assert_eq!(undo(text), Some(Step::Done(character)));
    }

    #[rstest::rstest]
    #[case("x")]
    #[case("N")]
    #[case("u00g0")]
    #[case("u+041")]
    fn refuses_others(#[case] text: &str) {
        assert_eq!(undo(text), None);
    }

    #[test]
    fn waits_for_the_rest() {
        for text in ["", "u", "u00f"] {
            assert!(matches!(undo(text), Some(Step::More(_))), "{text}");
        }
    }
}
