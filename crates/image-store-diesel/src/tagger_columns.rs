//! The columns of the providers that tagged an image.

use domain::{TaggerVersion, Taggers};
use serde_json::{Value, json};

/// The columns `provider`, `provider_version` and `taggers` of an image.
pub(crate) type TaggerColumns = (Option<String>, Option<String>, Option<String>);

/// The column `taggers`: nothing unless they are several.
pub(crate) fn several(taggers: &Taggers) -> Option<String> {
    if taggers.further().is_empty() {
        return None;
    }
    let pair = |tagger: &TaggerVersion| json!([tagger.name, tagger.version]);
    let pairs: Vec<Value> = taggers.iter().map(pair).collect();
    Some(Value::from(pairs).to_string())
}

/// Reads the columns. A list that another provider took over from, or that is unreadable, says nothing.
pub(crate) fn read((name, version, several): TaggerColumns) -> Taggers {
    let own = TaggerVersion { name, version };
    let several: Vec<(Option<String>, Option<String>)> = several
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let mut several = several
        .into_iter()
        .map(|(name, version)| TaggerVersion { name, version });
    if several.next().as_ref() == Some(&own) {
        return Taggers::new(own, several);
    }
    own.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taggers() -> Taggers {
        let unknown = TaggerVersion {
            name: Some("imagga".to_owned()),
            version: None,
        };
        let further = [TaggerVersion::known("openai", "ñ \"1\", 2"), unknown];
        Taggers::new(TaggerVersion::known("local", "v1"), further)
    }

    #[test]
    fn what_is_written_is_read() {
        let (all, own) = (taggers(), taggers().own().clone());
        let columns = (own.name.clone(), own.version.clone(), several(&all));
        assert_eq!(read(columns), all);
        let alone = Taggers::from(own.clone());
        assert_eq!(several(&alone), None);
        assert_eq!(read((own.name, own.version, None)), alone);
        assert_eq!(read((None, None, None)), Taggers::default());
    }

    #[test]
    fn a_list_of_another_time_says_nothing() {
        let list = several(&taggers());
        let other = (Some("imagga".to_owned()), Some("v2".to_owned()), list);
        let expected = Taggers::from(TaggerVersion::known("imagga", "v2"));
        assert_eq!(read(other), expected);
        let columns = (
            Some("imagga".to_owned()),
            Some("v2".to_owned()),
            Some("[1".to_owned()),
        );
        assert_eq!(read(columns), expected);
    }
}
