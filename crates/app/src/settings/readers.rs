//! Validating readers of setting values, for serde's `deserialize_with`.
//!
//! Their errors are half a sentence that follows the key. They quote the value, but never a secret.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use chrono_tz::Tz;
use config::{Value, ValueKind};
use domain::{Confidence, Threshold, service::AdminKey};
use http_api::Origin;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error};
use tracing_subscriber::EnvFilter;
use url::Url;
use url_fetch::{FetchPolicy, PostPolicy};

use super::types::{
    ConsistencyChoice, KeysRequired, LogFormat, OutputChoice, ProviderChoice, SecretUrl,
    VocabularyChoice,
};
use crate::permissions::Umask;

/// The longest language code, in characters.
const MAX_LANGUAGE: usize = 16;

pub(super) fn address<'de, D: Deserializer<'de>>(value: D) -> Result<IpAddr, D::Error> {
    read(value, |kind| parse(text(kind)?, "an IP address"))
}

pub(super) fn optional_address<'de, D>(value: D) -> Result<Option<SocketAddr>, D::Error>
where
    D: Deserializer<'de>,
{
    read(value, |kind| {
        let text = not_empty(text(kind)?);
        let address =
            text.map(|text| parse(text, "an address with a port, such as 127.0.0.1:9090"));
        address.transpose()
    })
}

/// An address counts as a network of one.
pub(super) fn networks<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: &str| {
        let address = text.parse().map(|it: IpAddr| it.to_canonical().into());
        address.or_else(|_| parse(text, "an IP address or a network such as 10.0.0.0/8"))
    };
    read(value, |kind| {
        entries(kind)?.iter().map(|it| network(it)).collect()
    })
}

pub(super) fn host_names<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    const WHAT: &str = "a host name such as photos.example.com";
    let name = |text: &String| http_api::host_name(text).ok_or_else(|| not_a(text, WHAT));
    read(value, |kind| entries(kind)?.iter().map(name).collect())
}

pub(super) fn origins<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Origin>, D::Error> {
    const WHAT: &str = "the origin of a site such as https://photos.example.com";
    let origin = |text: &String| Origin::parse(text).ok_or_else(|| not_a(text, WHAT));
    read(value, |kind| entries(kind)?.iter().map(origin).collect())
}

/// TOML may write it as a truth value.
pub(super) fn keys_required<'de, D>(value: D) -> Result<KeysRequired, D::Error>
where
    D: Deserializer<'de>,
{
    let choices = [
        ("auto", KeysRequired::Auto),
        ("false", KeysRequired::Never),
        ("writes", KeysRequired::Writes),
        ("true", KeysRequired::Always),
    ];
    read(value, |kind| choose(&bare(kind)?, &choices))
}

pub(super) fn admin_key<'de, D>(value: D) -> Result<Option<SecretString>, D::Error>
where
    D: Deserializer<'de>,
{
    read(value, |kind| match text(kind)? {
        "" => Ok(None),
        text => AdminKey::parse(text)
            .map(|_| Some(SecretString::from(text)))
            .map_err(|error| format!("is not a key: {error}")),
    })
}

pub(super) fn timezone<'de, D: Deserializer<'de>>(value: D) -> Result<Tz, D::Error> {
    const WHAT: &str = "an IANA time zone such as Europe/Madrid";
    read(value, |kind| parse(text(kind)?, WHAT))
}

pub(super) fn umask<'de, D: Deserializer<'de>>(value: D) -> Result<Umask, D::Error> {
    const WHAT: &str = "three octal digits such as 077, of which the first is 0";
    read(value, |kind| {
        let text = text(kind)?;
        Umask::parse(text).ok_or_else(|| not_a(text, WHAT))
    })
}

pub(super) fn providers<'de, D>(value: D) -> Result<Vec<ProviderChoice>, D::Error>
where
    D: Deserializer<'de>,
{
    let choices = [
        ("auto", ProviderChoice::Auto),
        ("imagga", ProviderChoice::Imagga),
        ("local", ProviderChoice::Local),
        ("openai", ProviderChoice::OpenAi),
    ];
    read(value, |kind| {
        let entries = entries(kind)?;
        if entries.is_empty() {
            return choose("", &choices).map(|choice| vec![choice]);
        }
        let chosen = entries.iter().map(|entry| choose(entry, &choices));
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        if chosen.len() > 1 && chosen.contains(&ProviderChoice::Auto) {
            return Err("`auto` goes with no other provider".to_owned());
        }
        let mut seen = chosen.iter().enumerate();
        match seen.find(|(place, choice)| chosen.iter().take(*place).any(|it| it == *choice)) {
            Some((place, _)) => {
                let twice = entries.get(place).map_or("", String::as_str);
                Err(format!("{twice} is named twice"))
            }
            None => Ok(chosen),
        }
    })
}

pub(super) fn output<'de, D: Deserializer<'de>>(value: D) -> Result<OutputChoice, D::Error> {
    let choices = [
        ("structured", OutputChoice::Structured),
        ("json", OutputChoice::Json),
        ("plain", OutputChoice::Plain),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn optional_service_url<'de, D>(value: D) -> Result<Option<Url>, D::Error>
where
    D: Deserializer<'de>,
{
    // The value is not shown: it may contain user and password.
    const WHAT: &str = "is not the address of a service, such as http://localhost:11434/v1";
    read(value, |kind| {
        let Some(text) = not_empty(text(kind)?) else {
            return Ok(None);
        };
        let url = Url::parse(text).ok().filter(is_service);
        url.map(Some).ok_or_else(|| WHAT.to_owned())
    })
}

/// A text of any kind; empty is none.
pub(super) fn optional_text<'de, D>(value: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    read(value, |kind| Ok(not_empty(text(kind)?).map(str::to_owned)))
}

pub(super) fn vocabulary<'de, D>(value: D) -> Result<VocabularyChoice, D::Error>
where
    D: Deserializer<'de>,
{
    let choices = [
        ("open", VocabularyChoice::Open),
        ("closed", VocabularyChoice::Closed),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn fetch_policy<'de, D: Deserializer<'de>>(value: D) -> Result<FetchPolicy, D::Error> {
    let choices = [
        ("none", FetchPolicy::None),
        ("public", FetchPolicy::Public),
        ("any", FetchPolicy::Any),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn post_policy<'de, D: Deserializer<'de>>(value: D) -> Result<PostPolicy, D::Error> {
    let choices = [
        ("any", PostPolicy::AnyButLinkLocal),
        ("public", PostPolicy::Public),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn consistency<'de, D>(value: D) -> Result<ConsistencyChoice, D::Error>
where
    D: Deserializer<'de>,
{
    let choices = [
        ("auto", ConsistencyChoice::Auto),
        ("node", ConsistencyChoice::Node),
        ("cluster", ConsistencyChoice::Cluster),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn log_format<'de, D: Deserializer<'de>>(value: D) -> Result<LogFormat, D::Error> {
    let choices = [
        ("auto", LogFormat::Auto),
        ("human", LogFormat::Human),
        ("json", LogFormat::Json),
    ];
    read(value, |kind| choose(text(kind)?, &choices))
}

pub(super) fn log_filter<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    const WHAT: &str = "a level (error, warn, info, debug, trace), or levels by target";
    read(value, |kind| match text(kind)? {
        text if text.trim().is_empty() => Ok(None),
        text if EnvFilter::try_new(text).is_ok() => Ok(Some(text.to_owned())),
        text => Err(not_a(text, WHAT)),
    })
}

pub(super) fn language<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    read(value, |kind| match text(kind)? {
        text if (1..=MAX_LANGUAGE).contains(&text.len()) && text.chars().all(is_part) => {
            Ok(text.to_owned())
        }
        text => Err(not_a(text, "a language such as en")),
    })
}

pub(super) fn folder<'de, D: Deserializer<'de>>(value: D) -> Result<Option<PathBuf>, D::Error> {
    read(value, |kind| Ok(not_empty(text(kind)?).map(PathBuf::from)))
}

pub(super) fn secret<'de, D>(value: D) -> Result<Option<SecretString>, D::Error>
where
    D: Deserializer<'de>,
{
    read(value, |kind| match text(kind)? {
        text if text.chars().any(char::is_control) => Err("is not a text of one line".to_owned()),
        text => Ok(not_empty(text).map(SecretString::from)),
    })
}

pub(super) fn secret_url<'de, D: Deserializer<'de>>(value: D) -> Result<SecretUrl, D::Error> {
    read(value, |kind| match text(kind)? {
        text if text.trim().is_empty() => Err("is empty".to_owned()),
        text => Ok(SecretUrl::from(text.to_owned())),
    })
}

pub(super) fn optional_secret_url<'de, D>(value: D) -> Result<Option<SecretUrl>, D::Error>
where
    D: Deserializer<'de>,
{
    read(value, |kind| {
        let text = not_empty(text(kind)?.trim());
        Ok(text.map(|text| SecretUrl::from(text.to_owned())))
    })
}

pub(super) fn service_url<'de, D: Deserializer<'de>>(value: D) -> Result<Url, D::Error> {
    // The value is not shown: it may contain user and password.
    const WHAT: &str = "is not the address of a service, such as https://api.example.com";
    read(value, |kind| {
        let url = Url::parse(text(kind)?).ok().filter(is_service);
        url.ok_or_else(|| WHAT.to_owned())
    })
}

pub(super) fn flag<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    read(value, |kind| {
        choose(&bare(kind)?, &[("true", true), ("false", false)])
    })
}

/// A whole number from `LEAST` to `MOST`, in a type that holds `MOST`.
pub(super) fn number<'de, D, T, const LEAST: u64, const MOST: u64>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    read(value, |kind| {
        let text = bare(kind)?;
        let number = text.parse().ok();
        let number = number.filter(|number| (LEAST..=MOST).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| not_a(&text, &format!("a number from {LEAST} to {MOST}")))
    })
}

/// A whole number of at least 1.
pub(super) fn count<'de, D, const MOST: u64>(value: D) -> Result<NonZeroUsize, D::Error>
where
    D: Deserializer<'de>,
{
    // The range excludes 0.
    let number = number::<D, usize, 1, MOST>(value)?;
    Ok(NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN))
}

/// A duration with its unit; the bounds are in milliseconds.
pub(super) fn duration<'de, D, const LEAST: u64, const MOST: u64>(
    value: D,
) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let (least, most) = (Duration::from_millis(LEAST), Duration::from_millis(MOST));
    read(value, |kind| {
        let text = text(kind)?;
        let duration = humantime::parse_duration(text)
            .map_err(|_| not_a(text, "a duration such as 30s, 5m or 1h"))?;
        if (least..=most).contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (
            humantime::format_duration(least),
            humantime::format_duration(most),
        );
        Err(not_a(text, &format!("a duration from {least} to {most}")))
    })
}

pub(super) fn min_confidence<'de, D: Deserializer<'de>>(value: D) -> Result<Threshold, D::Error> {
    read(value, |kind| threshold(&bare(kind)?))
}

/// A threshold: a number from 0 to 100, possibly with decimals.
pub(crate) fn threshold(text: &str) -> Result<Threshold, String> {
    let confidence = Confidence::new(parse(text, "a number from 0 to 100")?);
    Ok(Threshold::new(
        confidence.map_err(|error| error.to_string())?,
    ))
}

/// The entries of a list, given as a TOML list or as comma-separated text. Empty entries are skipped.
pub(super) fn entries(kind: &ValueKind) -> Result<Vec<String>, String> {
    let joined = match kind {
        ValueKind::Array(items) => {
            let texts = items.iter().map(|item| text(&item.kind));
            texts.collect::<Result<Vec<_>, _>>()?.join(",")
        }
        kind => text(kind)?.to_owned(),
    };
    let entries = joined
        .split(',')
        .filter_map(|entry| not_empty(entry.trim()));
    Ok(entries.map(str::to_owned).collect())
}

fn read<'de, D, T>(
    value: D,
    reader: impl FnOnce(&ValueKind) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    reader(&Value::deserialize(value)?.kind).map_err(D::Error::custom)
}

/// A TOML string. Without quotes `umask = 077` would be the number 77.
pub(super) fn text(kind: &ValueKind) -> Result<&str, String> {
    match kind {
        ValueKind::String(text) => Ok(text),
        kind => bare(kind).and(Err("must be written in quotes".to_owned())),
    }
}

/// A TOML value without quotes; variables are always text.
fn bare(kind: &ValueKind) -> Result<String, String> {
    match kind {
        ValueKind::Array(_) | ValueKind::Table(_) => Err("is not a single value".to_owned()),
        // The TOML reader maps only dates to `Nil`.
        ValueKind::Nil => Err("is a date".to_owned()),
        kind => Ok(kind.to_string()),
    }
}

fn not_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| not_a(text, what))
}

fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        not_a(text, &format!("one of {}", words.join(", ")))
    })
}

/// Rejects user and password, which would get into logs, and a query, since the paths of calls are
/// appended.
fn is_service(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// The error that a value is not `what`. The value is quoted where it would be hard to see otherwise.
fn not_a(value: &str, what: &str) -> String {
    const LONGEST: usize = 60;
    let plain = !value.is_empty()
        && value.trim() == value
        && value.chars().all(|c| !c.is_control())
        && value.chars().count() <= LONGEST;
    if plain {
        return format!("{value} is not {what}");
    }
    let start: String = value.chars().take(LONGEST).collect();
    format!("{start:?} is not {what}")
}
