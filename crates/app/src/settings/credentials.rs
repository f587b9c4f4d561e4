//! `credentials.json`: the keys of the two cloud services.

use serde_json::{Map, Value};

use super::{
    error::{SettingsError, ValueError, Warning},
    layer::{Layer, Origin},
};

/// A service in the file: its names there, and its fields with the settings that they make. A field
/// without a setting is accepted and not needed.
struct Service {
    names: &'static [&'static str],
    fields: &'static [(&'static str, Option<&'static str>)],
}

const SERVICES: [Service; 2] = [
    Service {
        names: &["imagekitio"],
        fields: &[
            ("public_key", None),
            ("private_key", Some("imagekit.private_key")),
            ("url_endpoint", None),
        ],
    },
    Service {
        names: &["imaggan", "imagga"],
        fields: &[
            ("api_key", Some("imagga.api_key")),
            ("api_secret", Some("imagga.api_secret")),
        ],
    },
];

/// Reads the text of the file, called `file` in messages.
pub(super) fn layer(text: &str, file: &str) -> Result<(Layer, Vec<Warning>), SettingsError> {
    let mut reading = Reading {
        file,
        layer: Layer::default(),
        warnings: Vec::new(),
    };
    if text.trim().is_empty() {
        let file = file.to_owned();
        reading.warnings.push(Warning::EmptyFile { file });
    } else {
        reading.document(text)?;
    }
    Ok((reading.layer, reading.warnings))
}

struct Reading<'a> {
    file: &'a str,
    layer: Layer,
    warnings: Vec<Warning>,
}

impl Reading<'_> {
    fn document(&mut self, text: &str) -> Result<(), SettingsError> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| self.not_json(error.line()))?;
        let Value::Object(document) = document else {
            return Err(self.not_json(1));
        };
        for service in &SERVICES {
            self.no_second_spelling(&document, service)?;
        }
        document
            .iter()
            .try_for_each(|(name, value)| self.service(name, value))
    }

    fn service(&mut self, name: &str, value: &Value) -> Result<(), SettingsError> {
        let Some(service) = SERVICES.iter().find(|known| known.names.contains(&name)) else {
            return Err(self.wrong(name, ValueError::UnknownField));
        };
        let Value::Object(fields) = value else {
            return Err(self.wrong(name, ValueError::NotASecret { what: "an object" }));
        };
        for (field, value) in fields {
            let path = format!("{name}.{field}");
            let known = service.fields.iter().find(|(known, _)| known == field);
            match known {
                None => return Err(self.wrong(&path, ValueError::UnknownField)),
                Some((_, None)) => {}
                Some((_, Some(key))) => self.credential(&path, key, value)?,
            }
        }
        Ok(())
    }

    fn credential(&mut self, path: &str, key: &str, value: &Value) -> Result<(), SettingsError> {
        let Value::String(text) = value else {
            return Err(self.wrong(path, ValueError::NotASecret { what: "a text" }));
        };
        let text = text.trim();
        if text.is_empty() || is_placeholder(text) {
            self.warnings.push(Warning::NotFilledIn {
                file: self.file.to_owned(),
                field: path.to_owned(),
            });
        } else {
            let origin = Origin::File(self.file.to_owned());
            self.layer.set(key, text, origin);
        }
        Ok(())
    }

    fn no_second_spelling(
        &self,
        document: &Map<String, Value>,
        service: &Service,
    ) -> Result<(), SettingsError> {
        let mut found = service
            .names
            .iter()
            .filter(|name| document.contains_key(**name));
        match (found.next(), found.next()) {
            (Some(other), Some(name)) => Err(self.wrong(name, ValueError::Twice { other })),
            _ => Ok(()),
        }
    }

    fn wrong(&self, field: &str, problem: ValueError) -> SettingsError {
        SettingsError::Credentials {
            field: field.to_owned(),
            problem,
            file: self.file.to_owned(),
        }
    }

    fn not_json(&self, line: usize) -> SettingsError {
        SettingsError::Syntax {
            file: self.file.to_owned(),
            line,
            problem: "not a JSON object".to_owned(),
        }
    }
}

/// `<your_key>` and the like, as in the example file.
fn is_placeholder(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>')
}
