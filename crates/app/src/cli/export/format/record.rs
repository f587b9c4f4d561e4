//! Records of an export, and the lines of answers and of the vocabulary.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use domain::{
    Confidence, ContentDigest, Label, ProviderIdentity, Tag, Tagging, TaggingKey, Threshold,
    VocabularyEntry,
    ports::{ExportPosition, StoredImage},
};
use serde::{Deserialize, Serialize};

use super::{Kind, TagPair};

/// A record of an export.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) enum Record {
    Entry(VocabularyEntry),
    Image(Box<StoredImage>),
    Answer(TaggingKey, Tagging),
}

/// A record with the number of its line.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Numbered<T> {
    pub(in crate::cli) line: u64,
    pub(in crate::cli) record: T,
}

/// The position of a record: no two are alike, and each is behind the one before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Position {
    Entry(String),
    Image(ExportPosition),
    Answer(ContentDigest, String, String, String, u32),
}

impl From<&Record> for Position {
    fn from(record: &Record) -> Self {
        match record {
            Record::Entry(entry) => Self::Entry(entry.tag.folded()),
            Record::Image(image) => Self::Image(image.position()),
            Record::Answer(key, _) => {
                let (digest, name, version, language, side) = key.position();
                let [name, version, language] = [name, version, language].map(str::to_owned);
                Self::Answer(*digest, name, version, language, side)
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VocabularyLine {
    kind: Kind,
    tag: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parents: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blocked: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<String, String>,
}

impl From<&VocabularyEntry> for VocabularyLine {
    fn from(entry: &VocabularyEntry) -> Self {
        let texts = |labels: &BTreeSet<Label>| labels.iter().map(ToString::to_string).collect();
        let names = entry.names.iter();
        Self {
            kind: Kind::Vocabulary,
            tag: entry.tag.to_string(),
            aliases: texts(&entry.aliases),
            parents: texts(&entry.parents),
            threshold: entry.threshold.map(|threshold| threshold.lowest().get()),
            blocked: entry.is_blocked,
            names: names
                .map(|(language, name)| (language.clone(), name.to_string()))
                .collect(),
        }
    }
}

impl TryFrom<VocabularyLine> for VocabularyEntry {
    type Error = String;

    fn try_from(line: VocabularyLine) -> Result<Self, String> {
        let labels = |texts: &[String]| -> Result<BTreeSet<Label>, String> {
            texts.iter().map(|text| label(text)).collect()
        };
        let names = line.names.into_iter();
        let names = names.map(|(language, name)| Ok((language, label(&name)?)));
        let entry = Self {
            aliases: labels(&line.aliases)?,
            parents: labels(&line.parents)?,
            threshold: line.threshold.map(threshold).transpose()?,
            is_blocked: line.blocked,
            names: names.collect::<Result<_, String>>()?,
            ..Self::new(label(&line.tag)?)
        };
        let aliases = entry.aliases.len();
        let entry = entry.checked().map_err(|error| error.to_string())?;
        if entry.aliases.len() < aliases {
            return Err("two of its aliases are the same, or one is its tag".to_owned());
        }
        Ok(entry)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerLine {
    kind: Kind,
    digest: String,
    provider: String,
    version: String,
    language: String,
    max_side: u32,
    tagged_at: String,
    tags: Vec<TagPair>,
}

impl AnswerLine {
    pub(super) fn new(key: &TaggingKey, answer: &Tagging) -> Self {
        let (digest, provider, version, language, max_side) = key.position();
        Self {
            kind: Kind::Answer,
            digest: digest.to_string(),
            provider: provider.to_owned(),
            version: version.to_owned(),
            language: language.to_owned(),
            max_side,
            tagged_at: written_time(answer.tagged_at.naive_utc(), "Z"),
            tags: answer.tags.iter().map(pair).collect(),
        }
    }
}

impl TryFrom<AnswerLine> for Record {
    type Error = String;

    fn try_from(line: AnswerLine) -> Result<Self, String> {
        let provider = ProviderIdentity::parse(line.provider, line.version, line.language);
        let key = TaggingKey {
            digest: digest(&line.digest)?,
            provider: provider.map_err(|error| error.to_string())?,
            max_side: line.max_side,
        };
        let tags = line.tags.iter().map(tag);
        let answer = Tagging {
            tags: tags.collect::<Result<_, String>>()?,
            tagged_at: moment(&line.tagged_at)?,
        };
        Ok(Self::Answer(key, answer))
    }
}

pub(super) fn pair(tag: &Tag) -> TagPair {
    (tag.label.to_string(), tag.confidence.get())
}

pub(super) fn tag((text, number): &TagPair) -> Result<Tag, String> {
    Ok(Tag {
        label: label(text)?,
        confidence: confidence(*number)?,
    })
}

pub(super) fn label(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|error| format!("the tag {text:?}: {error}"))
}

pub(super) fn confidence(number: f64) -> Result<Confidence, String> {
    Confidence::new(number).map_err(|error| error.to_string())
}

pub(super) fn threshold(number: f64) -> Result<Threshold, String> {
    confidence(number).map(Threshold::new)
}

pub(super) fn digest(text: &str) -> Result<ContentDigest, String> {
    text.parse()
        .map_err(|error| format!("the digest {text:?}: {error}"))
}

/// The form of times, to the microsecond.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// A time with what stands for its zone.
pub(super) fn written_time(time: NaiveDateTime, zone: &str) -> String {
    format!("{}{zone}", time.format(TIME))
}

/// A time by a clock in an unknown zone. It must be written as [`written_time`] writes it.
pub(super) fn local(text: &str) -> Result<NaiveDateTime, String> {
    let read = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    // Chrono takes other forms, and leap seconds.
    let read = read.filter(|time| time.nanosecond() < 1_000_000_000);
    read.filter(|time| written_time(*time, "") == text)
        .ok_or_else(|| format!("the time {text:?} is not of the form 2026-12-01T09:30:00.000000"))
}

/// A time in UTC.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let time = text.strip_suffix('Z');
    let time = time.ok_or_else(|| format!("the time {text:?} does not end with Z, for UTC"))?;
    Ok(local(time)?.and_utc())
}
