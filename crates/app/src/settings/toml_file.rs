//! Reads `etiqueta.toml`.
//!
//! `config` reads TOML as well, but keeps no line numbers, has no integers beyond 64 bits, and quotes the
//! text in its errors, which may be a secret.

use std::{borrow::Cow, path::Path};

use config::{Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::{
    environment::Environment,
    error::{SettingsError, Warning},
    files::{self, Content},
    layer::Layer,
};

/// The default settings file.
const NAME: &str = "etiqueta.toml";

pub(super) fn layer(
    environment: &Environment,
    warnings: &mut Vec<Warning>,
) -> Result<Layer, SettingsError> {
    let named = environment.file.as_deref();
    let path = named.unwrap_or(Path::new(NAME));
    let name = path.display().to_string();
    match files::read(&environment.folder.join(path), &name)? {
        Content::Text(text) => parse(&text, &name),
        Content::Missing if named.is_none() => Ok(Layer::default()),
        Content::Folder(warning) if named.is_none() => {
            warnings.push(warning);
            Ok(Layer::default())
        }
        Content::Folder(_) | Content::Missing => Err(SettingsError::NoFile { file: name }),
    }
}

fn parse(text: &str, file: &str) -> Result<Layer, SettingsError> {
    let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
        file: file.to_owned(),
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        problem: error.message().replace('\n', " "),
    })?;
    let mut layer = Layer::default();
    let origin = |offset| format!("{file} line {}", line_at(text, offset));
    flatten("", table.get_ref(), &origin, &mut layer);
    Ok(layer)
}

/// Flattens a table into dotted keys. An empty section stays, so that its name is checked.
fn flatten(path: &str, table: &DeTable<'_>, origin: &impl Fn(usize) -> String, layer: &mut Layer) {
    for (name, value) in table {
        let key = match path {
            "" => Cow::Borrowed(name.get_ref().as_ref()),
            _ => Cow::Owned(format!("{path}.{}", name.get_ref())),
        };
        match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => flatten(&key, table, origin, layer),
            value => layer.set(&key, kind(value), &origin(name.span().start)),
        }
    }
}

fn kind(value: &DeValue<'_>) -> ValueKind {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        // Integers beyond 128 bits are out of range for every setting.
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .unwrap_or(i128::MAX)
            .into(),
        DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN).into(),
        // No setting is a date: readers reject it.
        DeValue::Datetime(_) => ValueKind::Nil,
        DeValue::Array(items) => {
            let items = items.iter().map(|item| Value::from(kind(item.get_ref())));
            ValueKind::Array(items.collect())
        }
        DeValue::Table(_) => ValueKind::Table(config::Map::new()),
    }
}

/// The line of a byte offset, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
