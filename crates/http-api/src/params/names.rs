//! Comma-separated lists of names in one parameter, quoted where a name contains a comma.

use std::{iter::Peekable, str::Chars};

use thiserror::Error;

/// Why a list cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NamesError {
    /// A quote is never closed.
    #[error("has a quoted name without its closing quote")]
    Unclosed,
    /// Text between a closing quote and the next comma.
    #[error("has text after a closing quote; a quote inside a quoted name is doubled")]
    Trailing,
}

/// Splits a list. A name that starts with a quote ends with the next one, in which two quotes stand for
/// one; elsewhere quotes are ordinary characters.
pub(super) fn parse(list: &str) -> Result<Vec<String>, NamesError> {
    let mut rest = list.chars().peekable();
    let mut names = Vec::new();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        names.push(match rest.next_if_eq(&'"') {
            Some(_) => quoted(&mut rest)?,
            None => plain(&mut rest),
        });
        if rest.next().is_none() {
            return Ok(names);
        }
    }
}

/// Parses up to the next comma.
fn plain(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(character) = rest.next_if(|c| *c != ',') {
        name.push(character);
    }
    name
}

/// Parses up to the comma after the closing quote.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, NamesError> {
    let mut name = String::new();
    loop {
        match rest.next().ok_or(NamesError::Unclosed)? {
            '"' if rest.next_if_eq(&'"').is_none() => break,
            character => name.push(character),
        }
    }
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
    match rest.peek() {
        None | Some(',') => Ok(name),
        Some(_) => Err(NamesError::Trailing),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case("", &[""])]
    #[case(",", &["", ""])]
    #[case("car,motor vehicle", &["car", "motor vehicle"])]
    #[case("a,,b,", &["a", "", "b", ""])]
    #[case(r#""salt, pepper",cat"#, &["salt, pepper", "cat"])]
    #[case(r#"cat, "salt, pepper" "#, &["cat", "salt, pepper"])]
    #[case(r#""a ""b"" c""#, &[r#"a "b" c"#])]
    #[case(r#""""#, &[""])]
    #[case(r#""""""#, &["\""])]
    #[case(r#"5" pipe,a"b""#, &["5\" pipe", "a\"b\""])]
    fn takes_names_apart(#[case] list: &str, #[case] names: &[&str]) {
        assert_eq!(parse(list).unwrap(), names);
    }

    #[rstest::rstest]
    #[case(r#"""#, NamesError::Unclosed)]
    #[case(r#"cat,"salt, pepper"#, NamesError::Unclosed)]
    #[case(r#""a"""#, NamesError::Unclosed)]
    #[case(r#""a"b"#, NamesError::Trailing)]
    #[case(r#""a" "b""#, NamesError::Trailing)]
    fn refuses_bad_quoting(#[case] list: &str, #[case] error: NamesError) {
        assert_eq!(parse(list), Err(error));
    }

    proptest! {
        #[test]
        fn quoting_is_undone(names in prop::collection::vec("[a-c\", ]{0,6}|\\PC{0,6}", 1..5)) {
            let quote = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
            let list: Vec<String> = names.iter().map(quote).collect();
            prop_assert_eq!(parse(&list.join(",")).unwrap(), names);
        }

        #[test]
        fn lists_without_quotes_are_split_at_commas(list in "[a-c, ]{0,20}") {
            let names = parse(&list).unwrap();
            let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
            let expected: Vec<&str> = list.split(',').map(str::trim).collect();
            prop_assert_eq!(names, expected);
        }
    }
}
