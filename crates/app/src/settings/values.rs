//! What the layers come to, and how a setting is taken out of it.

use std::{fmt, num::NonZeroUsize, ops::RangeInclusive, time::Duration};

use domain::ports::cause;
use secrecy::SecretString;
use url::Url;

use super::{
    error::{SettingsError, ValueError},
    layer::{Given, Layer, Origin},
};

/// The values in force, by key.
#[derive(Clone)]
pub(super) struct Values(Layer);

impl Values {
    pub(super) fn new(merged: Layer) -> Self {
        Self(merged)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.0.iter()
    }

    /// Takes a setting by a parser of its text.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        parser: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Result<T, SettingsError> {
        let text = self.0.get(key).map_or("", |given| given.text.as_str());
        parser(text).map_err(|problem| self.impossible(key, problem))
    }

    /// A secret, where one is set.
    pub(super) fn secret(&self, key: &str) -> Result<Option<SecretString>, SettingsError> {
        self.parse(key, |text| match text {
            "" => Ok(None),
            _ if text.chars().any(char::is_control) => Err(ValueError::NotASecret {
                what: "a text of one line",
            }),
            _ => Ok(Some(SecretString::from(text))),
        })
    }

    /// A whole number.
    pub(super) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, SettingsError> {
        self.parse(key, |text| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| ValueError::Number {
                value: text.to_owned(),
                from: *range.start(),
                to: *range.end(),
            })
        })
    }

    /// A number of things that there is at least one of.
    pub(super) fn count(&self, key: &str, most: u64) -> Result<NonZeroUsize, SettingsError> {
        let number = self.whole(key, 1..=most)?;
        // In the range, it is neither zero nor beyond the size of a pointer.
        Ok(usize::try_from(number)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN))
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &str) -> Result<bool, SettingsError> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&'static str, T)],
    ) -> Result<T, SettingsError> {
        self.parse(key, |text| {
            let found = choices.iter().find(|(word, _)| *word == text);
            found
                .map(|(_, choice)| *choice)
                .ok_or_else(|| ValueError::Choice {
                    value: text.to_owned(),
                    choices: choices.iter().map(|(word, _)| *word).collect(),
                })
        })
    }

    /// A list of texts, each taken by a parser; none of them is empty.
    pub(super) fn list<T>(
        &self,
        key: &str,
        parser: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Vec<T>, SettingsError> {
        self.parse(key, |text| entries(text).map(parser).collect())
    }

    /// A duration such as `5m`.
    pub(super) fn duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Result<Duration, SettingsError> {
        self.parse(key, |text| {
            let value = || text.to_owned();
            let duration = humantime::parse_duration(text)
                .map_err(|_| ValueError::Duration { value: value() })?;
            if range.contains(&duration) {
                return Ok(duration);
            }
            Err(ValueError::DurationRange {
                value: value(),
                from: (*range.start()).into(),
                to: (*range.end()).into(),
            })
        })
    }

    /// The address of an HTTP service.
    pub(super) fn service_url(&self, key: &str) -> Result<Url, SettingsError> {
        self.parse(key, |text| {
            let url = Url::parse(text).ok().filter(is_service);
            url.ok_or(ValueError::NotASecret {
                what: "the address of a service, such as https://api.example.com",
            })
        })
    }

    /// Says what is wrong with a setting, and where it was set.
    pub(super) fn impossible(&self, key: &str, problem: ValueError) -> SettingsError {
        let origin = self
            .0
            .get(key)
            .map_or(&Origin::Default, |given| &given.origin);
        SettingsError::Impossible {
            key: key.to_owned(),
            problem,
            origin: origin.to_string(),
        }
    }

    /// The same for a problem that others found.
    pub(super) fn refused(
        &self,
        key: &str,
        problem: impl std::error::Error + Send + Sync + 'static,
    ) -> SettingsError {
        self.impossible(key, ValueError::Refused(cause(problem)))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The entries of a list.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    let entries = text.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty())
}

/// Refuses nothing.
pub(super) fn not_empty(text: &str) -> Result<&str, ValueError> {
    Some(text)
        .filter(|text| !text.trim().is_empty())
        .ok_or(ValueError::Empty)
}

/// A user or password in such a URL would get into logs, and the paths of calls are appended.
fn is_service(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
