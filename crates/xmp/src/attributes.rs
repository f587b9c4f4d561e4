//! The attributes of a start tag, with their places in the text.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use quick_xml::escape;

use crate::XmpError;

/// An attribute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'t> {
    pub(crate) name: &'t str,
    /// The value as it is written, with its quotes.
    pub(crate) quoted: &'t str,
    /// The attribute with the blanks before it.
    pub(crate) span: Range<usize>,
}

impl<'t> Attribute<'t> {
    /// The value.
    pub(crate) fn value(&self) -> Result<Cow<'t, str>, XmpError> {
        let mut raw = self.quoted.chars();
        raw.next();
        raw.next_back();
        escape::unescape(raw.as_str()).map_err(|_| XmpError::Entity)
    }

    /// The prefix that it declares, if it declares one: empty for the default namespace.
    pub(crate) fn declared(&self) -> Option<&'t str> {
        match self.name.strip_prefix("xmlns") {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix(':'),
            None => None,
        }
    }
}

/// The name of a start tag, and its attributes. `tag` is what is between the brackets, and begins at `offset`.
pub(crate) fn attributes(tag: &str, offset: usize) -> Result<(&str, Vec<Attribute<'_>>), XmpError> {
    let (name, mut rest) = split(tag, |byte| byte.is_ascii_whitespace());
    let (mut attributes, mut names) = (Vec::new(), HashSet::new());
    let place = |rest: &str| offset + (tag.len() - rest.len());
    while !rest.trim_ascii_start().is_empty() {
        let malformed = XmpError::Malformed {
            position: place(rest),
        };
        let (attribute, after) = attribute(rest).ok_or_else(|| malformed.clone())?;
        if !names.insert(attribute.0) {
            return Err(malformed);
        }
        attributes.push(Attribute {
            name: attribute.0,
            quoted: attribute.1,
            span: place(rest)..place(after),
        });
        rest = after;
    }
    Ok((name, attributes))
}

/// The name and the quoted value of the attribute that a text begins with after blanks, and what follows.
fn attribute(text: &str) -> Option<((&str, &str), &str)> {
    let begin = text.trim_ascii_start();
    if begin.len() == text.len() {
        return None;
    }
    let (name, rest) = split(begin, |byte| byte.is_ascii_whitespace() || byte == b'=');
    let value = rest
        .trim_ascii_start()
        .strip_prefix('=')?
        .trim_ascii_start();
    let quote = value.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    let length = value.get(1..)?.find(quote)? + 2;
    let (quoted, after) = value.split_at_checked(length)?;
    (!name.is_empty() && !quoted.contains('<')).then_some(((name, quoted), after))
}

/// The text before the first byte that is so, and the rest.
fn split(text: &str, is_end: impl Fn(u8) -> bool) -> (&str, &str) {
    let length = text.bytes().position(is_end).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_with_their_places() {
        let tag = "a  b='1>&lt;\"' xmlns:c = \"&#x41;\"\n";
        let (name, found) = attributes(tag, 10).unwrap();
        assert_eq!(name, "a");
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.name, it.value().unwrap(), it.declared(), it.span.clone()))
            .collect();
        let expected = [
            ("b", "1><\"".into(), None, 11..24),
            ("xmlns:c", "A".into(), Some("c"), 24..43),
        ];
        assert_eq!(found, expected);
    }

    #[rstest::rstest]
    #[case("a b")]
    #[case("a b=")]
    #[case("a b=1")]
    #[case("a b='1")]
    #[case("a b='1'c='2'")]
    #[case("a b='<'")]
    #[case("a ='1'")]
    #[case("a b='1' b='2'")]
    fn what_is_no_attribute_is_refused(#[case] tag: &str) {
        let refused = attributes(tag, 0);
        assert!(
            matches!(refused, Err(XmpError::Malformed { .. })),
            "{refused:?}"
        );
    }
}
