//! The settings in force as TOML, without the secrets.

use config::{Value, ValueKind};

use super::{
    in_force::InForce,
    readers::entries,
    schema::{Setting, Visibility},
};

/// Printed instead of a secret.
const MASK: &str = "********";

/// Writes one line for each setting, with the origin of the value unless it is the default.
pub(super) fn to_toml(table: &[Setting], in_force: &InForce) -> String {
    let mut rows: Vec<_> = table.iter().collect();
    rows.sort_by_key(|setting| setting.key);
    let mut lines = Vec::new();
    let mut current = "";
    for setting in rows {
        let (section, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if section != current {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("[{section}]"));
            current = section;
        }
        if let Some(given) = in_force.get(setting.key) {
            let value = value(setting, &given.kind);
            lines.push(format!("{name} = {value}{}", comment(given)));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn comment(given: &Value) -> String {
    given.origin().map_or_else(String::new, |origin| {
        format!(" # {}", origin.replace(char::is_control, " "))
    })
}

fn value(setting: &Setting, given: &ValueKind) -> String {
    let text = given.to_string();
    match (setting.visibility, (setting.default)()) {
        (Visibility::Secret, _) if text.is_empty() => quoted(""),
        (Visibility::Secret, _) => quoted(MASK),
        (Visibility::PasswordMasked, _) => quoted(&without_password(&text)),
        (Visibility::Public, ValueKind::Array(_)) => list(given),
        (Visibility::Public, ValueKind::String(_)) => quoted(&text),
        (Visibility::Public, _) => bare(&text),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(given: &ValueKind) -> String {
    let entries = entries(given).unwrap_or_default();
    let entries: Vec<_> = entries.iter().map(|entry| quoted(entry)).collect();
    format!("[{}]", entries.join(", "))
}

/// A number or truth value; not every accepted spelling is valid TOML.
fn bare(text: &str) -> String {
    if let Ok(number) = text.parse::<i64>() {
        return number.to_string();
    }
    text.parse::<f64>().map_or_else(
        |_| text.to_owned(),
        |number| toml::Value::Float(number).to_string(),
    )
}

/// Masks the password of a URL. Everything before the last `@` counts as user and password, even where it
/// should have been encoded; the path of a file has none.
fn without_password(url: &str) -> String {
    match url.split_once(':') {
        None | Some(("file" | "sqlite", _)) => url.to_owned(),
        Some((scheme, rest)) => {
            masked(rest).map_or_else(|| url.to_owned(), |rest| format!("{scheme}:{rest}"))
        }
    }
}

fn masked(rest: &str) -> Option<String> {
    let (account, host) = rest.rsplit_once('@')?;
    let (user, _) = account.split_once(':')?;
    Some(format!("{user}:{MASK}@{host}"))
}
