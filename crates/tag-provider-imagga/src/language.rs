//! The languages of Imagga's tags.

use thiserror::Error;

/// The codes in Imagga's v2 documentation of the parameter `language`, in order.
pub const LANGUAGES: &[&str] = &[
    "ar", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hr", "ht", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "mww", "nl", "no",
    "otq", "pl", "pt", "ro", "ru", "sk", "sl", "sr_cyrl", "sr_latn", "sv", "th", "tlh", "tlh_qaak",
    "tr", "uk", "ur", "vi", "yua", "zh_chs", "zh_cht",
];

/// Imagga has no tags in that language.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Imagga has no language {0:?}; it has {languages}", languages = LANGUAGES.join(", "))]
pub struct UnknownLanguage(pub String);

/// The code in Imagga's spelling.
pub(crate) fn known(code: &str) -> Result<&'static str, UnknownLanguage> {
    match LANGUAGES.binary_search(&code) {
        Ok(at) => LANGUAGES.get(at).copied(),
        Err(_) => None,
    }
    .ok_or_else(|| UnknownLanguage(code.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_found() {
        assert!(LANGUAGES.is_sorted());
        for code in LANGUAGES {
            assert_eq!(known(code), Ok(*code));
        }
    }

    #[rstest::rstest]
    #[case("")]
    #[case("EN")]
    #[case("en,es")]
    #[case("xx")]
    fn other_languages_are_refused_by_name(#[case] code: &str) {
        let error = known(code).unwrap_err().to_string();
        assert!(error.starts_with(&format!("Imagga has no language {code:?}; it has ar, bg,")));
    }
}
