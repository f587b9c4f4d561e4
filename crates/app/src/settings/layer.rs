//! One layer of settings: values by dotted key, each with the place that it comes from.

use std::{collections::BTreeMap, fmt};

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::error::{SettingsError, ValueError};

/// What is written is as like to the name of a setting as this, or the name is not suggested.
const LIKENESS: f64 = 0.9;

/// Values by dotted key, such as `server.port`.
#[derive(Clone, Default)]
pub(super) struct Layer(BTreeMap<String, Given>);

/// A value as somebody gave it.
#[derive(Clone)]
pub(super) struct Given {
    /// The value. Numbers are decimal.
    pub(super) text: String,
    /// How it was written.
    pub(super) form: Form,
    /// Where.
    pub(super) origin: Origin,
}

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As text: in quotes, or in a variable.
    Text,
    /// As a number, truth value or date of TOML.
    Bare,
    /// As a list of texts. A list may also be written as one text, with commas.
    List,
    /// As a section with nothing in it.
    EmptySection,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The defaults inside the binary.
    Default,
    /// A file, and the line in it, counted from 1.
    Line(String, usize),
    /// The credentials file.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(file, line) => write!(f, "{file} line {line}"),
            Self::File(name) | Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Layer {
    /// The defaults: every setting there is.
    pub(super) fn defaults() -> Result<Self, SettingsError> {
        const FILE: &str = "etiqueta.default.toml";
        let text = include_str!("etiqueta.default.toml");
        let mut defaults = Self::from_toml(text, FILE)?;
        for given in defaults.0.values_mut() {
            given.origin = Origin::Default;
        }
        Ok(defaults)
    }

    /// Reads a TOML file of that name.
    pub(super) fn from_toml(text: &str, file: &str) -> Result<Self, SettingsError> {
        let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
            file: file.to_owned(),
            line: line_at(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().replace('\n', " "),
        })?;
        let mut layer = Self::default();
        let document = Document { text, file };
        layer.take_table("", table.get_ref(), document);
        Ok(layer)
    }

    /// Sets a value that came as text.
    pub(super) fn set(&mut self, key: &str, text: impl Into<String>, origin: Origin) {
        let given = Given {
            text: text.into(),
            form: Form::Text,
            origin,
        };
        self.0.insert(key.to_owned(), given);
    }

    pub(super) fn get(&self, key: &str) -> Option<&Given> {
        self.0.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.0.iter().map(|(key, given)| (key.as_str(), given))
    }

    /// Lays another layer over this one, after a look at whether it fits: nothing but settings that
    /// there are, in the form of their defaults.
    pub(super) fn overlay(&mut self, above: Self) -> Result<(), SettingsError> {
        for (key, given) in above.0 {
            if let Some(form) = self.form_for(&key, &given)? {
                self.0.insert(key, Given { form, ..given });
            }
        }
        Ok(())
    }

    /// The setting whose name is most like a text, if any is.
    pub(super) fn most_like(&self, text: &str) -> Option<&str> {
        self.keys()
            .map(|key| (strsim::jaro_winkler(key, text), key))
            .filter(|(likeness, _)| *likeness >= LIKENESS)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, key)| key)
    }

    /// The form that a value has by its setting; an empty section is no value.
    fn form_for(&self, key: &str, given: &Given) -> Result<Option<Form>, SettingsError> {
        let impossible = |problem| SettingsError::Impossible {
            key: key.to_owned(),
            problem,
            origin: given.origin.to_string(),
        };
        match self.get(key).map(|below| (below.form, given.form)) {
            Some((Form::List, Form::List)) => Ok(Some(Form::List)),
            Some((_, Form::List | Form::EmptySection)) => Err(impossible(ValueError::NotSingle)),
            Some((Form::Text | Form::List, Form::Bare)) => Err(impossible(ValueError::NotQuoted)),
            Some((form, _)) => Ok(Some(form)),
            None if !self.has_section(key) => Err(SettingsError::UnknownKey {
                key: key.to_owned(),
                suggestion: self.most_like(key).map(str::to_owned),
                origin: given.origin.to_string(),
            }),
            None if given.form == Form::EmptySection => Ok(None),
            None => Err(impossible(ValueError::NotASection)),
        }
    }

    fn has_section(&self, name: &str) -> bool {
        self.keys().any(|key| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    fn take_table(&mut self, path: &str, table: &DeTable<'_>, document: Document<'_>) {
        for (name, value) in table {
            let key = match path {
                "" => name.get_ref().to_string(),
                _ => format!("{path}.{}", name.get_ref()),
            };
            let (text, form) = match value.get_ref() {
                DeValue::Table(table) if !table.is_empty() => {
                    self.take_table(&key, table, document);
                    continue;
                }
                DeValue::Table(_) => (String::new(), Form::EmptySection),
                DeValue::Array(items) => list(items),
                DeValue::String(text) => (text.to_string(), Form::Text),
                DeValue::Integer(number) => (decimal(number), Form::Bare),
                DeValue::Float(number) => (number.to_string(), Form::Bare),
                DeValue::Boolean(value) => (value.to_string(), Form::Bare),
                DeValue::Datetime(date) => (date.to_string(), Form::Bare),
            };
            let origin = document.origin(name.span().start);
            self.0.insert(key, Given { text, form, origin });
        }
    }
}

/// Shows the keys alone: the values may be secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

/// A text and the name of the file that it was read from.
#[derive(Clone, Copy)]
struct Document<'a> {
    text: &'a str,
    file: &'a str,
}

impl Document<'_> {
    fn origin(self, offset: usize) -> Origin {
        Origin::Line(self.file.to_owned(), line_at(self.text, offset))
    }
}

/// The line of a byte, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// A list as one text. One that holds anything but texts counts as written without quotes.
fn list(items: &DeArray<'_>) -> (String, Form) {
    let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
    match texts {
        Some(texts) => (texts.join(", "), Form::List),
        None => (String::new(), Form::Bare),
    }
}

/// A whole number of TOML in decimal; one that is beyond 128 bits stays as it is written.
fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |value| value.to_string())
}
