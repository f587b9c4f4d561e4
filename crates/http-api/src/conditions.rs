//! Conditional requests and ranges (RFC 9110, sections 13 and 14), of bytes that never change.
//!
//! There is no `Last-Modified`, so that conditions by date are ignored, as the RFC demands.

use std::ops::Range;

use actix_web::http::{
    Method,
    header::{self, HeaderMap, HeaderName},
};

use crate::problem::{Code, Problem};

/// What to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// 304: the client has the bytes.
    NotModified,
    /// All bytes.
    Whole,
    /// A range of them, not empty and within their length.
    Part(Range<u64>),
}

/// Whether the client has the bytes with that strong entity tag already.
///
/// # Errors
/// 412 if `If-Match` names others.
pub(super) fn is_unmodified(headers: &HeaderMap, etag: &str) -> Result<bool, Problem> {
    require_match(headers, etag)?;
    Ok(names(headers, header::IF_NONE_MATCH, etag, true))
}

/// Lets a request pass that has no `If-Match`, or one that names that strong entity tag.
///
/// # Errors
/// 412.
pub(super) fn require_match(headers: &HeaderMap, etag: &str) -> Result<(), Problem> {
    if headers.contains_key(header::IF_MATCH) && !names(headers, header::IF_MATCH, etag, false) {
        return Err(mismatch(etag));
    }
    Ok(())
}

/// `If-Match` does not name the entity tag.
pub(super) fn mismatch(etag: &str) -> Problem {
    let detail = format!("the entity tag is {etag}, which `If-Match` does not name");
    Problem::new(Code::PreconditionFailed, detail)
}

/// What a request asks for of `len` bytes with that strong entity tag.
///
/// A range that is not understood, and more than one, are ignored: the answer is the whole.
///
/// # Errors
/// 412 as [`is_unmodified`], 416 for a range that begins beyond the end.
pub(super) fn select(
    method: &Method,
    headers: &HeaderMap,
    etag: &str,
    len: u64,
) -> Result<Selection, Problem> {
    if is_unmodified(headers, etag)? {
        return Ok(Selection::NotModified);
    }
    let is_current = match headers.get(header::IF_RANGE) {
        Some(condition) => condition.as_bytes().trim_ascii() == etag.as_bytes(),
        None => true,
    };
    let mut ranges = headers.get_all(header::RANGE);
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Ok(Selection::Whole);
    };
    let range = range.to_str().ok().and_then(RangeSpec::parse);
    match range {
        Some(range) if is_current && method == Method::GET => range.within(len).map_or_else(
            || Err(Problem::range_not_satisfiable(len)),
            |range| Ok(Selection::Part(range)),
        ),
        _ => Ok(Selection::Whole),
    }
}

/// Whether a list of entity tags has this one, or is `*`.
fn names(headers: &HeaderMap, list: HeaderName, etag: &str, is_weak_enough: bool) -> bool {
    let values = headers
        .get_all(list)
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        let strong = tag.strip_prefix("W/").filter(|_| is_weak_enough);
        tag == "*" || strong.unwrap_or(tag) == etag
    })
}

/// One range of bytes, as `Range` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RangeSpec {
    /// From a byte to another, inclusive, or to the end.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl RangeSpec {
    /// Reads `bytes=0-99`, `bytes=100-` or `bytes=-100`; none if it is anything else, or several ranges.
    fn parse(text: &str) -> Option<Self> {
        let (unit, set) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let mut ranges = set
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty());
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return None;
        };
        match range.split_once('-')? {
            ("", count) => Some(Self::Last(number(count)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// What it covers of so many bytes; none if that is nothing.
    fn within(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, None) => first..len,
            Self::From(first, Some(last)) => first..last.saturating_add(1).min(len),
            Self::Last(count) => len.saturating_sub(count)..len,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// A number of digits alone. What exceeds 64 bits lies beyond every end.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use rstest::rstest;

    use super::*;

    const ETAG: &str = "\"abc\"";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn selected(pairs: &[(&str, &str)]) -> Result<Selection, Code> {
        let selection = select(&Method::GET, &headers(pairs), ETAG, 100);
        selection.map_err(|problem| problem.code())
    }

    #[rstest]
    #[case("bytes=0-0", 0..1)]
    #[case("bytes=0-99", 0..100)]
    #[case("bytes=0-100", 0..100)]
    #[case("Bytes = 10-", 10..100)]
    #[case("bytes=-1", 99..100)]
    #[case("bytes=-500", 0..100)]
    #[case("bytes=99-99999999999999999999999", 99..100)]
    #[case("bytes= 5-6 ,", 5..7)]
    fn a_single_range_is_taken(#[case] range: &str, #[case] expected: Range<u64>) {
        assert_eq!(selected(&[("range", range)]), Ok(Selection::Part(expected)));
    }

    #[rstest]
    #[case("bytes=100-")]
    #[case("bytes=100-200")]
    #[case("bytes=-0")]
    #[case("bytes=99999999999999999999999-")]
    fn a_range_beyond_the_end_is_refused(#[case] range: &str) {
        assert_eq!(
            selected(&[("range", range)]),
            Err(Code::RangeNotSatisfiable)
        );
    }

    #[rstest]
    #[case("bytes=0-1,3-4")]
    #[case("lines=0-1")]
    #[case("bytes=5-4")]
    #[case("bytes=a-b")]
    #[case("bytes=+1-2")]
    #[case("bytes=-")]
    #[case("bytes")]
    #[case("")]
    fn another_range_is_ignored(#[case] range: &str) {
        assert_eq!(selected(&[("range", range)]), Ok(Selection::Whole));
    }

    #[test]
    fn a_range_is_for_get_and_given_once() {
        let asked = headers(&[("range", "bytes=0-1")]);
        assert_eq!(
            select(&Method::HEAD, &asked, ETAG, 100).unwrap(),
            Selection::Whole
        );
        let twice = [("range", "bytes=0-1"), ("range", "bytes=0-1")];
        assert_eq!(selected(&twice), Ok(Selection::Whole));
    }

    #[rstest]
    #[case("\"abc\"", true)]
    #[case("\"abd\"", false)]
    #[case("W/\"abc\"", false)]
    #[case("Wed, 21 Oct 2015 07:28:00 GMT", false)]
    fn if_range_decides_on_the_range(#[case] condition: &str, #[case] holds: bool) {
        let expected = if holds {
            Selection::Part(0..2)
        } else {
            Selection::Whole
        };
        let asked = [("range", "bytes=0-1"), ("if-range", condition)];
        assert_eq!(selected(&asked), Ok(expected));
    }

    #[rstest]
    #[case("\"abc\"", true)]
    #[case("W/\"abc\"", true)]
    #[case("\"x\", W/\"y\",\"abc\"", true)]
    #[case("*", true)]
    #[case("abc", false)]
    #[case("\"x\"", false)]
    fn if_none_match_compares_weakly(#[case] tags: &str, #[case] matches: bool) {
        let expected = if matches {
            Selection::NotModified
        } else {
            Selection::Whole
        };
        assert_eq!(selected(&[("if-none-match", tags)]), Ok(expected));
    }

    #[rstest]
    #[case("\"abc\"", true)]
    #[case("\"x\", \"abc\"", true)]
    #[case("*", true)]
    #[case("W/\"abc\"", false)]
    #[case("\"x\"", false)]
    #[case("", false)]
    fn if_match_compares_strongly(#[case] tags: &str, #[case] matches: bool) {
        let expected = if matches {
            Ok(Selection::Whole)
        } else {
            Err(Code::PreconditionFailed)
        };
        assert_eq!(selected(&[("if-match", tags)]), expected);
    }

    #[test]
    fn conditions_come_before_ranges_and_dates_count_for_nothing() {
        let known = [("if-none-match", ETAG), ("range", "bytes=500-")];
        assert_eq!(selected(&known), Ok(Selection::NotModified));
        let dated = [
            ("if-modified-since", "Wed, 21 Oct 2099 07:28:00 GMT"),
            ("if-unmodified-since", "Wed, 21 Oct 1999 07:28:00 GMT"),
        ];
        assert_eq!(selected(&dated), Ok(Selection::Whole));
    }
}
