//! The header `Prefer` (RFC 7240).

use actix_web::http::header::HeaderMap;

/// Asks for an answer without `data`.
pub(super) const MINIMAL: &str = "return=minimal";

/// Whether the headers hold [`MINIMAL`]. The first `return` counts; other preferences, parameters and header lines
/// that are not ASCII are ignored.
pub(super) fn is_minimal(headers: &HeaderMap) -> bool {
    let lines = headers.get_all("prefer");
    let first = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(preferences)
        .find_map(wanted_return);
    first.is_some_and(|value| value.eq_ignore_ascii_case("minimal"))
}

/// Splits a line at the commas outside quoted strings.
fn preferences(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    line.split(move |character| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        character == ',' && !is_quoted
    })
}

/// The value of the preference `return`.
fn wanted_return(preference: &str) -> Option<&str> {
    let (name, rest) = preference.split_once('=')?;
    let value = rest.split(';').next().unwrap_or_default();
    let is_return = name.trim().eq_ignore_ascii_case("return");
    is_return.then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn asks(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).unwrap();
            headers.append(HeaderName::from_static("prefer"), value);
        }
        is_minimal(&headers)
    }

    #[rstest::rstest]
    #[case(&["return=minimal"])]
    #[case(&["Return = \"MINIMAL\""])]
    #[case(&["respond-async, wait=10,return=minimal; x=y"])]
    #[case(&["handling=lenient", "return=minimal"])]
    #[case(&["return=minimal, return=representation"])]
    #[case(&["x=\"a\\\", return=representation\", return=minimal"])]
    #[case(&[",, ;,return=minimal,"])]
    #[case(&["ñ", "return=minimal"])]
    fn minimal(#[case] lines: &[&str]) {
        assert!(asks(lines));
    }

    #[rstest::rstest]
    #[case(&[])]
    #[case(&[""])]
    #[case(&["return"])]
    #[case(&["return=representation"])]
    #[case(&["return=representation", "return=minimal"])]
    #[case(&["return=minimalist"])]
    #[case(&["x; return=minimal"])]
    #[case(&["x=\"a, return=minimal\""])]
    #[case(&["respond-async"])]
    fn whole(#[case] lines: &[&str]) {
        assert!(!asks(lines));
    }
}
