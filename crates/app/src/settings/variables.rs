//! Environment variables, and those of settings: `ETIQUETA__SECTION__KEY`.

use std::{collections::BTreeMap, ffi::OsString};

use config::{Map, Source};

use super::{
    error::{SettingsError, Warning},
    keys::{PREFIX, keys, unknown, variable_name},
    layer::Layer,
};

/// The environment of the process, or of a test.
pub(super) struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// Variables whose names are not Unicode are ignored.
    pub(super) fn new(variables: &[(OsString, OsString)]) -> Self {
        let named = |(name, value): &(OsString, OsString)| {
            let name = name.to_str()?;
            Some((name.to_owned(), value.clone()))
        };
        Self(variables.iter().filter_map(named).collect())
    }

    /// A variable's text; an empty variable counts as unset.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        let value = self.0.get(name).map(|value| unicode(name, value));
        Ok(value.transpose()?.filter(|text| !text.is_empty()))
    }

    /// The settings among the variables. An empty variable sets an empty value.
    pub(super) fn layer(&self, warnings: &mut Vec<Warning>) -> Result<Layer, SettingsError> {
        let mut ours = Map::new();
        for (name, value) in &self.0 {
            if let Some(written) = name.strip_prefix(PREFIX) {
                // `config` ignores case, so that two variables could set one key.
                if written.contains(char::is_lowercase) {
                    return Err(unknown(&written.to_lowercase().replace("__", "."), name));
                }
                ours.insert(name.clone(), unicode(name, value)?.to_owned());
            } else if let Some(right) = misspelled(name) {
                warnings.push(Warning::Misspelled {
                    variable: name.clone(),
                    right,
                });
            }
        }
        let source = config::Environment::with_prefix("ETIQUETA")
            .separator("__")
            .source(Some(ours));
        let mut layer = Layer::default();
        for (key, value) in source.collect().map_err(|_| SettingsError::Merge)? {
            layer.set(&key, value.kind, &variable_name(&key));
        }
        Ok(layer)
    }
}

/// The known name of a variable that differs from it in case and underscores alone.
fn misspelled(name: &str) -> Option<String> {
    let letters = |text: &str| text.to_uppercase().replace('_', "");
    let written = letters(name);
    if !written.starts_with("ETIQUETA") {
        return None;
    }
    keys()
        .map(|key| variable_name(&key))
        .find(|right| letters(right) == written)
}

fn unicode<'a>(name: &str, value: &'a OsString) -> Result<&'a str, SettingsError> {
    value.to_str().ok_or_else(|| SettingsError::Variable {
        variable: name.to_owned(),
        problem: "is not UTF-8 text".to_owned(),
    })
}
