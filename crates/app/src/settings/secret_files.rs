//! `…_file` settings: files that contain a secret, as docker and systemd provide them.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use config::ValueKind;

use super::{
    error::SettingsError, in_force::InForce, layer::Layer, readers::text, schema::Setting,
};

/// The largest secret file, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Reads the secrets from their files. A relative path starts at `folder`.
///
/// # Errors
///
/// A file that cannot be read, is empty or too large, and a secret that is also set directly.
pub(super) fn layer(
    table: &[Setting],
    in_force: &InForce,
    folder: &Path,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::default();
    for setting in table {
        let Some(file_key) = setting.file_key() else {
            continue;
        };
        let Some(value) = in_force.get(&file_key) else {
            continue;
        };
        let path = text(&value.kind).map_err(|problem| in_force.impossible(&file_key, problem))?;
        if path.is_empty() {
            continue;
        }
        if let Some(origin) = set_by(in_force, setting.key) {
            let problem = format!("is set, and so is {} by {origin}", setting.key);
            return Err(in_force.impossible(&file_key, problem));
        }
        let secret = read(&folder.join(path))
            .map_err(|problem| in_force.impossible(&file_key, format!("{path} {problem}")))?;
        layer.set(setting.key, secret, path);
    }
    Ok(layer)
}

/// The origin of a value, unless the value is empty.
fn set_by<'a>(in_force: &'a InForce, key: &str) -> Option<&'a str> {
    let value = in_force.get(key)?;
    let is_empty = matches!(&value.kind, ValueKind::String(text) if text.is_empty());
    value.origin().filter(|_| !is_empty)
}

/// The text of the file, without the trailing newline.
fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match line.strip_suffix('\r').unwrap_or(line) {
        "" => Err("is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}
