//! What an entry of the vocabulary says beside its words, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Label, Threshold, VocabularyEntry};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{error::StoreError, values};

#[derive(Debug, Error)]
#[error("{0:?} is not what an entry of the vocabulary is kept as")]
struct Unreadable(&'static str);

fn unreadable(what: &'static str) -> StoreError {
    StoreError::corrupt(Unreadable(what))
}

pub(crate) fn written(entry: &VocabularyEntry) -> Vec<u8> {
    let parents: Vec<&str> = entry.parents.iter().map(Label::as_str).collect();
    let names = entry.names.iter();
    let names: BTreeMap<&str, &str> = names
        .map(|(language, name)| (language.as_str(), name.as_str()))
        .collect();
    let detail = json!({
        "parents": parents,
        "threshold": entry.threshold.map(|threshold| threshold.lowest().get()),
        "blocked": entry.is_blocked,
        "names": names,
    });
    detail.to_string().into_bytes()
}

/// Reads what [`written`] wrote. Members that later versions add are ignored.
pub(crate) fn read(
    tag: Label,
    aliases: BTreeSet<Label>,
    detail: &[u8],
) -> Result<VocabularyEntry, StoreError> {
    let detail: Value = serde_json::from_slice(detail).map_err(StoreError::corrupt)?;
    let member = |name: &'static str| detail.get(name).ok_or_else(|| unreadable(name));
    let label = |value: &Value| {
        let text = value.as_str().ok_or_else(|| unreadable("text"))?;
        values::label(text)
    };
    let parents = member("parents")?.as_array();
    let parents = parents.ok_or_else(|| unreadable("parents"))?.iter();
    let names = member("names")?.as_object();
    let names = names.ok_or_else(|| unreadable("names"))?.iter();
    Ok(VocabularyEntry {
        tag,
        aliases,
        parents: parents.map(label).collect::<Result<_, _>>()?,
        threshold: threshold(member("threshold")?)?,
        is_blocked: member("blocked")?
            .as_bool()
            .ok_or_else(|| unreadable("blocked"))?,
        names: names
            .map(|(language, name)| Ok((language.clone(), label(name)?)))
            .collect::<Result<_, StoreError>>()?,
    })
}

fn threshold(value: &Value) -> Result<Option<Threshold>, StoreError> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_f64().ok_or_else(|| unreadable("threshold"))?;
    Ok(Some(Threshold::new(values::confidence(number)?)))
}
