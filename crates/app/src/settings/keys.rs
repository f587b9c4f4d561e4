//! The names of settings, in files and as variables.

use super::{error::SettingsError, schema::Setting, table::Settings};

/// The prefix of the variables of settings.
pub(super) const PREFIX: &str = "ETIQUETA__";

/// The lowest Jaro–Winkler similarity at which a known key is suggested for an unknown one.
const LEAST_SIMILARITY: f64 = 0.9;

/// All keys, those of `…_file` included.
pub(super) fn keys() -> impl Iterator<Item = String> {
    let own = |setting: &Setting| [Some(setting.key.to_owned()), setting.file_key()];
    Settings::TABLE.iter().flat_map(own).flatten()
}

pub(super) fn is_section(name: &str) -> bool {
    Settings::TABLE.iter().any(|setting| {
        let rest = setting.key.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The name of a setting's variable.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// The error for an unknown key.
pub(super) fn unknown(key: &str, origin: &str) -> SettingsError {
    let similar = keys().map(|known| (strsim::jaro_winkler(&known, key), known));
    let similar = similar.filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY);
    let suggestion = similar.max_by(|(a, _), (b, _)| a.total_cmp(b));
    SettingsError::UnknownKey {
        key: key.to_owned(),
        suggestion: suggestion.map(|(_, known)| known),
        origin: origin.to_owned(),
    }
}
