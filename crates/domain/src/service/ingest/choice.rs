//! Which of the taggers that are set up tag a picture.

use std::collections::BTreeSet;

use thiserror::Error;

/// The taggers that tag a picture: all that are set up, or some of them by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaggerChoice(Option<BTreeSet<String>>);

/// No tagger of that name is set up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no tag provider {name:?}; this server has {known:?}")]
pub struct UnknownTagger {
    /// The name asked for.
    pub name: String,
    /// The names of those that are set up.
    pub known: String,
}

/// The names of the taggers that are set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownTaggers(Vec<String>);

impl TaggerChoice {
    /// Whether it has a tagger of that name.
    pub fn admits(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }

    /// The names chosen, in alphabetical order; `None` if all taggers are.
    pub fn names(&self) -> Option<impl Iterator<Item = &str>> {
        let names = self.0.as_ref()?;
        Some(names.iter().map(String::as_str))
    }
}

impl KnownTaggers {
    /// Taggers of these names.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The choice of these names, separated by commas. Without any, all taggers are chosen.
    ///
    /// # Errors
    /// The first name that none has.
    pub fn choose(&self, names: Option<&str>) -> Result<TaggerChoice, UnknownTagger> {
        let Some(names) = names else {
            return Ok(TaggerChoice::default());
        };
        let names = names.split(',').map(str::trim);
        let chosen = names.map(|name| self.checked(name));
        let chosen = chosen.collect::<Result<BTreeSet<_>, _>>()?;
        Ok(TaggerChoice(Some(chosen)))
    }

    fn checked(&self, name: &str) -> Result<String, UnknownTagger> {
        if self.0.iter().any(|known| known == name) {
            return Ok(name.to_owned());
        }
        Err(UnknownTagger {
            name: name.to_owned(),
            known: self.0.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen_from_those_that_are_known() {
        let known = KnownTaggers::new(["local", "openai"]);
        let all = known.choose(None).unwrap();
        assert!(all.admits("local") && all.admits("openai"));
        assert!(all.names().is_none());
        let one = known.choose(Some(" openai")).unwrap();
        assert!(one.admits("openai") && !one.admits("local"));
        let both = known.choose(Some("openai, local,openai")).unwrap();
        assert_eq!(
            both.names().unwrap().collect::<Vec<_>>(),
            ["local", "openai"]
        );
    }

    #[rstest::rstest]
    #[case("imagga", "imagga")]
    #[case("local,", "")]
    #[case("", "")]
    #[case("Local", "Local")]
    fn other_names_are_refused(#[case] asked: &str, #[case] name: &str) {
        let known = KnownTaggers::new(["local", "openai"]);
        let error = known.choose(Some(asked)).unwrap_err();
        let expected =
            format!("there is no tag provider {name:?}; this server has \"local, openai\"");
        assert_eq!(error.to_string(), expected);
    }
}
