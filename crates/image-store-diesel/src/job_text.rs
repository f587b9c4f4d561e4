//! Requests of jobs as JSON, as they are kept in the database.
//!
//! Servers of other versions read it, too: a member is never given another meaning, and what is not understood is an
//! error.

mod condition;

use chrono::DateTime;
use domain::{
    Confidence, ImageId, ImageOrder, ImageQuery, ItemError, JobAction, JobFilter, JobRequest,
    Label, LocalWindow, Tag, TagEdit, Threshold, TimeWindow,
};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{
    error::StoreError,
    values::{self, micros_up},
};

/// The text is not a request of a job.
#[derive(Debug, Error)]
#[error("{0} is not what a job is kept as")]
struct Unreadable(&'static str);

fn unreadable(what: &'static str) -> StoreError {
    StoreError::corrupt(Unreadable(what))
}

/// The kind of a request is not among its members, as jobs keep it in a column of its own.
pub(crate) fn written(request: &JobRequest) -> Vec<u8> {
    let action = match &request.action {
        JobAction::Retag {
            provider,
            threshold,
        } => json!({"retag": {"provider": provider, "threshold": number(*threshold)}}),
        JobAction::Edit(edit) => {
            let add: Vec<Value> = edit
                .added()
                .map(|tag| json!([tag.label.as_str(), tag.confidence.get()]))
                .collect();
            let remove: Vec<&str> = edit.removed().map(Label::as_str).collect();
            json!({"edit": {"add": add, "remove": remove}})
        }
        JobAction::Delete => json!("delete"),
        JobAction::Vocabulary => json!("vocabulary"),
        JobAction::Features => json!("features"),
    };
    let ids = request.filter.ids.as_ref();
    let ids = ids.map(|ids| ids.iter().map(ImageId::to_string).collect::<Vec<_>>());
    let text = json!({
        "action": action,
        "dry_run": request.dry_run,
        "query": request.filter.query.as_ref().map(query),
        "ids": ids,
    });
    text.to_string().into_bytes()
}

pub(crate) fn read(text: &[u8]) -> Result<JobRequest, StoreError> {
    let value: Value = serde_json::from_slice(text).map_err(StoreError::corrupt)?;
    let members = exactly(&value, &["action", "dry_run", "query", "ids"])?;
    let ids = match member(members, "ids")? {
        Value::Null => None,
        ids => Some(list(ids)?.iter().map(image_id).collect::<Result<_, _>>()?),
    };
    let query = match member(members, "query")? {
        Value::Null => None,
        query => Some(read_query(query)?),
    };
    Ok(JobRequest {
        action: read_action(member(members, "action")?)?,
        filter: JobFilter { query, ids },
        dry_run: member(members, "dry_run")?
            .as_bool()
            .ok_or_else(|| unreadable("the dry run"))?,
    })
}

fn read_action(value: &Value) -> Result<JobAction, StoreError> {
    if value == "delete" {
        return Ok(JobAction::Delete);
    }
    if value == "vocabulary" {
        return Ok(JobAction::Vocabulary);
    }
    if value == "features" {
        return Ok(JobAction::Features);
    }
    let (name, value) = single(value)?;
    match name {
        "retag" => {
            let members = exactly(value, &["provider", "threshold"])?;
            let provider = member(members, "provider")?;
            Ok(JobAction::Retag {
                provider: provider.as_str().map(str::to_owned),
                threshold: read_threshold(member(members, "threshold")?)?,
            })
        }
        "edit" => {
            let members = exactly(value, &["add", "remove"])?;
            let add = list(member(members, "add")?)?.iter().map(tag);
            let add = add.collect::<Result<Vec<Tag>, _>>()?;
            let remove = labels(member(members, "remove")?)?;
            TagEdit::new(&add, &remove)
                .map(JobAction::Edit)
                .map_err(StoreError::corrupt)
        }
        _ => Err(unreadable("the action")),
    }
}

fn query(query: &ImageQuery) -> Value {
    let names = |labels: &[Label]| -> Vec<String> {
        labels
            .iter()
            .map(|label| label.as_str().to_owned())
            .collect()
    };
    json!({
        "window": window(&query.window),
        "taken": local_window(&query.taken),
        "all_of": names(&query.all_of),
        "any_of": names(&query.any_of),
        "none_of": names(&query.none_of),
        "threshold": number(query.threshold),
        "conditions": query.conditions.iter().map(condition::written).collect::<Vec<_>>(),
    })
}

fn read_query(value: &Value) -> Result<ImageQuery, StoreError> {
    let known = [
        "window",
        "taken",
        "all_of",
        "any_of",
        "none_of",
        "threshold",
        "conditions",
    ];
    let members = exactly(value, &known)?;
    let conditions = list(member(members, "conditions")?)?.iter();
    Ok(ImageQuery {
        // Jobs have an order of their own.
        order: ImageOrder::default(),
        taken: read_local_window(member(members, "taken")?)?,
        window: read_window(member(members, "window")?)?,
        all_of: labels(member(members, "all_of")?)?,
        any_of: labels(member(members, "any_of")?)?,
        none_of: labels(member(members, "none_of")?)?,
        threshold: read_threshold(member(members, "threshold")?)?,
        conditions: conditions.map(condition::read).collect::<Result<_, _>>()?,
    })
}

/// Images have times of whole microseconds, so bounds may be rounded up to these.
fn window(window: &TimeWindow) -> Value {
    json!([window.from.map(micros_up), window.until.map(micros_up)])
}

fn read_window(value: &Value) -> Result<TimeWindow, StoreError> {
    let [from, until] = list(value)? else {
        return Err(unreadable("a window"));
    };
    let time = |value: &Value| match value {
        Value::Null => Ok(None),
        value => value
            .as_i64()
            .and_then(DateTime::from_timestamp_micros)
            .map(Some)
            .ok_or_else(|| unreadable("a time")),
    };
    Ok(TimeWindow {
        from: time(from)?,
        until: time(until)?,
    })
}

/// As [`window`]: what a clock in an unknown time zone showed is written as if it were UTC.
fn local_window(taken: &LocalWindow) -> Value {
    window(&TimeWindow {
        from: taken.from.map(|from| from.and_utc()),
        until: taken.until.map(|until| until.and_utc()),
    })
}

fn read_local_window(value: &Value) -> Result<LocalWindow, StoreError> {
    let window = read_window(value)?;
    Ok(LocalWindow {
        from: window.from.map(|from| from.naive_utc()),
        until: window.until.map(|until| until.naive_utc()),
    })
}

/// Errors of single images as JSON: `[[id, code, detail], …]`.
pub(crate) fn written_errors(errors: &[ItemError]) -> Vec<u8> {
    let rows = errors.iter().map(|error| {
        let ItemError {
            image,
            code,
            detail,
        } = error;
        json!([image.to_string(), code, detail])
    });
    Value::Array(rows.collect()).to_string().into_bytes()
}

pub(crate) fn read_errors(text: &[u8]) -> Result<Vec<ItemError>, StoreError> {
    let rows: Vec<(String, String, String)> =
        serde_json::from_slice(text).map_err(StoreError::corrupt)?;
    let rows = rows.into_iter().map(|(image, code, detail)| {
        Ok(ItemError {
            image: image.parse().map_err(StoreError::corrupt)?,
            code,
            detail,
        })
    });
    rows.collect()
}

fn number(threshold: Option<Threshold>) -> Option<f64> {
    threshold.map(|threshold| threshold.lowest().get())
}

fn read_threshold(value: &Value) -> Result<Option<Threshold>, StoreError> {
    match value {
        Value::Null => Ok(None),
        value => confidence(value).map(|lowest| Some(Threshold::new(lowest))),
    }
}

fn confidence(value: &Value) -> Result<Confidence, StoreError> {
    let number = value.as_f64().ok_or_else(|| unreadable("a confidence"))?;
    values::confidence(number)
}

fn tag(value: &Value) -> Result<Tag, StoreError> {
    let [name, value] = list(value)? else {
        return Err(unreadable("a tag"));
    };
    Ok(Tag {
        label: label(name)?,
        confidence: confidence(value)?,
    })
}

fn label(value: &Value) -> Result<Label, StoreError> {
    values::label(value.as_str().ok_or_else(|| unreadable("a label"))?)
}

fn labels(value: &Value) -> Result<Vec<Label>, StoreError> {
    list(value)?.iter().map(label).collect()
}

fn image_id(value: &Value) -> Result<ImageId, StoreError> {
    let text = value.as_str().ok_or_else(|| unreadable("an id"))?;
    text.parse().map_err(StoreError::corrupt)
}

fn list(value: &Value) -> Result<&[Value], StoreError> {
    let list = value.as_array().ok_or_else(|| unreadable("a list"))?;
    Ok(list)
}

/// The members of an object that has these and no others.
fn exactly<'v>(value: &'v Value, names: &[&str]) -> Result<&'v Map<String, Value>, StoreError> {
    let members = value.as_object().ok_or_else(|| unreadable("an object"))?;
    let is_known = members.keys().all(|name| names.contains(&name.as_str()));
    is_known
        .then_some(members)
        .ok_or_else(|| unreadable("an unknown member"))
}

fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Result<&'v Value, StoreError> {
    members
        .get(name)
        .ok_or_else(|| unreadable("a missing member"))
}

/// The only member of an object.
fn single(value: &Value) -> Result<(&str, &Value), StoreError> {
    let mut members = value.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err(unreadable("an object of one member")),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Comparison, Condition, MediaType, Operator, SourceKind, TagCondition};
    use domain_testing::{at, label, tag};

    use super::*;

    fn threshold(lowest: f64) -> Threshold {
        Threshold::new(Confidence::new(lowest).unwrap())
    }

    fn compared<T>(operator: Operator, value: T) -> Comparison<T> {
        Comparison { operator, value }
    }

    fn of_tag(confidence: Option<Comparison<Confidence>>) -> Condition {
        Condition::Tag(TagCondition {
            label: label("salt, \"pepper\""),
            confidence,
        })
    }

    fn conditions() -> Vec<Condition> {
        let confidence = Confidence::new(69.437_355_041_503_9).unwrap();
        let window = TimeWindow {
            from: Some(at(1)),
            until: None,
        };
        let mut all = vec![
            Condition::Untagged,
            Condition::NEVER,
            Condition::Registered(window),
            Condition::Taken(LocalWindow {
                from: None,
                until: Some(at(3).naive_utc()),
            }),
            of_tag(None),
            Condition::Type(MediaType::WebP),
            Condition::Width(compared(Operator::Above, u32::MAX)),
            Condition::Height(compared(Operator::Equal, 0)),
        ];
        for operator in [
            Operator::Below,
            Operator::AtMost,
            Operator::Equal,
            Operator::AtLeast,
            Operator::Above,
        ] {
            all.push(of_tag(Some(compared(operator, confidence))));
        }
        for kind in [SourceKind::Provider, SourceKind::Person, SourceKind::File] {
            all.push(Condition::Source(kind));
        }
        all.push(Condition::Not(Box::new(Condition::Any(all.clone()))));
        all.push(Condition::All(all.clone()));
        all
    }

    fn requests() -> Vec<JobRequest> {
        let query = ImageQuery {
            order: ImageOrder::Registered,
            window: TimeWindow {
                from: None,
                until: Some(at(5)),
            },
            taken: LocalWindow {
                from: Some(at(-7).naive_utc()),
                until: None,
            },
            all_of: vec![label("a")],
            any_of: vec![label("b"), label("ñ")],
            none_of: vec![label("d")],
            threshold: Some(threshold(80.5)),
            conditions: conditions(),
        };
        let edit = TagEdit::new(&[tag("mia", 99.5)], &[label("dog")]).unwrap();
        let ids = (0..3).map(|number| ImageId::from_bytes([number; 16]));
        let actions = [
            JobAction::Delete,
            JobAction::Vocabulary,
            JobAction::Features,
            JobAction::Edit(edit),
            JobAction::Retag {
                provider: Some("imagga".to_owned()),
                threshold: Some(threshold(12.25)),
            },
            JobAction::Retag {
                provider: None,
                threshold: None,
            },
        ];
        let filters = [
            JobFilter::new(Some(query), None),
            JobFilter::new(Some(ImageQuery::default()), Some(ids.collect())),
            JobFilter::new(None, None),
        ];
        let mut requests = Vec::new();
        for action in &actions {
            for filter in &filters {
                requests.push(JobRequest {
                    action: action.clone(),
                    filter: filter.clone(),
                    dry_run: requests.len() % 2 == 0,
                });
            }
        }
        requests
    }

    #[test]
    fn requests_are_read_as_they_were_written() {
        for request in requests() {
            assert_eq!(read(&written(&request)).unwrap(), request);
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let texts = [
            "",
            "[]",
            "{}",
            r#"{"action":"delete","dry_run":false,"query":null}"#,
            r#"{"action":"delete","dry_run":false,"query":null,"ids":null,"more":1}"#,
            r#"{"action":"paint","dry_run":false,"query":null,"ids":null}"#,
            r#"{"action":"delete","dry_run":1,"query":null,"ids":null}"#,
            r#"{"action":"delete","dry_run":false,"query":null,"ids":["x"]}"#,
            r#"{"action":"delete","dry_run":false,"query":{"window":[null,null]},"ids":null}"#,
        ];
        for text in texts {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_are_read_as_they_were_written() {
        let errors = vec![
            ItemError::new(ImageId::from_bytes([1; 16]), "internal", "a \"b\" ñ"),
            ItemError::new(ImageId::from_bytes([2; 16]), "too-many", ""),
        ];
        assert_eq!(read_errors(&written_errors(&errors)).unwrap(), errors);
        assert!(read_errors(b"[[1]]").is_err());
    }
}
