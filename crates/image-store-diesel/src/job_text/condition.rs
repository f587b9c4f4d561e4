//! Conditions as JSON.

use domain::{Comparison, Condition, MediaType, Operator, SourceKind, TagCondition};
use serde_json::{Value, json};

use super::{
    confidence, exactly, label, list, local_window, member, read_local_window, read_window, single,
    unreadable, window,
};
use crate::error::StoreError;

const OPERATORS: [Operator; 5] = [
    Operator::Below,
    Operator::AtMost,
    Operator::Equal,
    Operator::AtLeast,
    Operator::Above,
];

/// Recursive, as conditions are; whoever makes them bounds their depth.
pub(super) fn written(condition: &Condition) -> Value {
    let each = |some: &[Condition]| some.iter().map(written).collect::<Vec<_>>();
    match condition {
        Condition::All(all) => json!({"all": each(all)}),
        Condition::Any(any) => json!({"any": each(any)}),
        Condition::Not(condition) => json!({"not": written(condition)}),
        Condition::Tag(TagCondition { label, confidence }) => {
            let compared = confidence.map(|wanted| comparison(wanted.operator, wanted.value.get()));
            json!({"tag": {"label": label.as_str(), "confidence": compared}})
        }
        Condition::Untagged => json!("untagged"),
        Condition::Registered(bounds) => json!({"registered": window(bounds)}),
        Condition::Taken(bounds) => json!({"taken": local_window(bounds)}),
        Condition::Source(kind) => json!({"source": kind.as_str()}),
        Condition::Type(kind) => json!({"type": kind.as_str()}),
        Condition::Width(width) => json!({"width": comparison(width.operator, width.value)}),
        Condition::Height(height) => json!({"height": comparison(height.operator, height.value)}),
    }
}

pub(super) fn read(value: &Value) -> Result<Condition, StoreError> {
    if value == "untagged" {
        return Ok(Condition::Untagged);
    }
    let (name, value) = single(value)?;
    Ok(match name {
        "all" => Condition::All(read_each(value)?),
        "any" => Condition::Any(read_each(value)?),
        "not" => Condition::Not(Box::new(read(value)?)),
        "tag" => Condition::Tag(read_tag(value)?),
        "registered" => Condition::Registered(read_window(value)?),
        "taken" => Condition::Taken(read_local_window(value)?),
        "source" => Condition::Source(named(value, SourceKind::from_name)?),
        "type" => Condition::Type(named(value, MediaType::from_name)?),
        "width" => Condition::Width(read_comparison(value, pixels)?),
        "height" => Condition::Height(read_comparison(value, pixels)?),
        _ => return Err(unreadable("a condition")),
    })
}

fn read_each(value: &Value) -> Result<Vec<Condition>, StoreError> {
    list(value)?.iter().map(read).collect()
}

fn read_tag(value: &Value) -> Result<TagCondition, StoreError> {
    let members = exactly(value, &["label", "confidence"])?;
    let compared = match member(members, "confidence")? {
        Value::Null => None,
        value => Some(read_comparison(value, confidence)?),
    };
    Ok(TagCondition {
        label: label(member(members, "label")?)?,
        confidence: compared,
    })
}

fn comparison(operator: Operator, value: impl Into<Value>) -> Value {
    json!([operator.symbol(), value.into()])
}

fn read_comparison<T>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, StoreError>,
) -> Result<Comparison<T>, StoreError> {
    let [symbol, value] = list(value)? else {
        return Err(unreadable("a comparison"));
    };
    let operator = OPERATORS
        .into_iter()
        .find(|operator| symbol == operator.symbol());
    Ok(Comparison {
        operator: operator.ok_or_else(|| unreadable("an operator"))?,
        value: read(value)?,
    })
}

fn pixels(value: &Value) -> Result<u32, StoreError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| unreadable("a number of pixels"))
}

fn named<T>(value: &Value, of: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let found = value.as_str().and_then(of);
    found.ok_or_else(|| unreadable("a name"))
}
