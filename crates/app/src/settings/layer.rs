//! A source of settings for `config`.

use std::fmt;

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::{
    error::SettingsError,
    keys::{is_section, keys, unknown},
};

/// Values by dotted key, each with its origin.
///
/// `config` merges anything: `server = 80` would replace the whole section, and an empty section loses its
/// origin. So layers are flat, and [checked](Self::checked) before they are merged.
#[derive(Clone, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Layer {
    pub(super) fn set(&mut self, key: &str, value: impl Into<ValueKind>, origin: &str) {
        let value = Value::new(Some(&origin.to_owned()), value);
        self.0.insert(key.to_owned(), value);
    }

    /// Rejects unknown keys, values for sections, and sections for values.
    pub(super) fn checked(mut self) -> Result<Self, SettingsError> {
        for (key, value) in &self.0 {
            let origin = value.origin().unwrap_or_default();
            let is_table = matches!(value.kind, ValueKind::Table(_));
            let problem = match (is_section(key), keys().any(|known| known == *key)) {
                (true, _) if is_table => continue,
                (true, _) => "is a section, not a value",
                (false, true) if is_table => "is not a single value",
                (false, true) => continue,
                (false, false) => return Err(unknown(key, origin)),
            };
            return Err(SettingsError::Impossible {
                key: key.clone(),
                problem: problem.to_owned(),
                origin: origin.to_owned(),
            });
        }
        // Empty sections.
        self.0
            .retain(|_, value| !matches!(value.kind, ValueKind::Table(_)));
        Ok(self)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Shows only the keys: the values may be secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
